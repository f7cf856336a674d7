#!/usr/bin/env bash
# `POST /v1/suggest` beside a typical Python service, alternately in one run: 10,000 passages, top 5, a model that answers
# in 0 ms, at 1 and 8 connections. Needs the peers' scripts (their folder as $1) set up with `setup.sh service`.
#   tests/benches/suggest.sh ../shared/peers [SECONDS] [REPETITIONS]
set -euo pipefail
cd "$(dirname "$0")/../.."
peers=$(realpath "${1:?the folder of the peers scripts}") seconds=${2:-10} repetitions=${3:-3}
export PEERS=${PEERS:-$HOME/.cache/ponto-peers}
work=$(mktemp -d) ponto=target/release/ponto api=29080 app=29000 qdrant=29333 stub=29081
key='' server=''
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; "$peers/stop_service.sh" >/dev/null 2>&1 || true; rm -rf "$work"' EXIT

cargo build --release --quiet
PYTHONPATH=$peers python3 - "$work" <<'PY'
import json, sys, corpus
out = sys.argv[1]
with open(f"{out}/passages.jsonl", "w") as f:
    for title, text in corpus.passages():
        f.write(json.dumps({"question": title, "answer": text, "language": "en"}) + "\n")
role = lambda r: "customer" if r == "customer" else "agent"
with open(f"{out}/bodies.jsonl", "w") as f:
    for i, turns in enumerate(corpus.queries()):
        messages = [{"id": f"m-{i}-{j}", "role": role(t["role"]), "text": t["content"]} for j, t in enumerate(turns)]
        f.write(json.dumps({"conversation": {"id": f"c-{i}", "channel": "web_chat", "locale": "en", "messages": messages}, "mode": "draft"}) + "\n")
PY

run_peer() {
  "$peers/run_service.sh" $app $qdrant $stub 1 langchain >/dev/null
  python3 "$peers/load.py" --label peer --url http://127.0.0.1:$app/suggest --conc 1,8 --secs "$seconds" --reps 1
  "$peers/stop_service.sh" >/dev/null
}
run_ours() {
  python3 "$peers/stub.py" --port $stub & stub_pid=$!
  PONTO__OPENAI__BASE_URL=http://127.0.0.1:$stub/v1 PONTO__OPENAI__MODEL=stub PONTO__LOG__LEVEL=warn \
    $ponto serve --backend openai --listen 127.0.0.1:$api --data-dir "$work/data" & server=$!
  until curl -sf -o /dev/null http://127.0.0.1:$api/readyz; do sleep 0.1; done
  echo "ponto $server" >"$work/pids"
  python3 "$peers/load.py" --label ponto --url http://127.0.0.1:$api/v1/suggest --conc 1,8 --secs "$seconds" --reps 1 \
    --bodies "$work/bodies.jsonl" --header "Authorization: Bearer $key" --pids "$work/pids"
  kill "$server" "$stub_pid"; wait "$server" 2>/dev/null || true; server=''
}

$ponto ingest "$work/passages.jsonl" --data-dir "$work/data"
key=$($ponto keys create --name bench --scope suggest --data-dir "$work/data" --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["key"])')
for _ in $(seq "$repetitions"); do run_peer; run_ours; done
