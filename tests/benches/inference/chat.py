"""A chat model beside llama.cpp on the same file: speed, memory, perplexity, start, several users."""

import json
import math
import re
import threading

from .ours import KNOWLEDGE
from .process import Failed, Server, run, successful
from .report import Row

PEER = "llama.cpp"
PROMPT, REPLY, USERS = 512, 64, 8
LETTERS = 28_000


def speed(bench):
    """Prompt and reply tokens a second, and peak memory: `decode` and `llama-bench`, in turns."""
    rows = []
    for name, gguf in bench.models():
        for threads in (2, 1):
            ours, theirs = [], []
            for _ in bench.turns(f"speed of {name}, {threads} threads"):
                theirs.append(_llama_bench(bench, gguf, threads))
                [measured], memory = bench.ours.bench("decode", gguf, PROMPT, REPLY, 1, threads)
                ours.append((measured["prompt_per_s"][0], measured["reply_per_s"][0], memory / 1e6))
            what = f"{name}, {threads} thread{'s' * (threads > 1)}"
            parts = [("prompt", "tokens/s", ">=", 1.3), ("decode", "tokens/s", ">=", 1.0), ("memory", "MB", "<=", 1.1)]
            for column, (part, unit, *aim) in enumerate(parts):
                sides = [[turn[column] for turn in side] for side in (ours, theirs)]
                if part != "memory" or threads == 2:
                    rows.append(Row(part, what, unit, *sides, PEER, ("ratio", *aim)))
    return rows


def _llama_bench(bench, gguf, threads):
    options = ["-p", PROMPT, "-n", REPLY, "-t", threads, "-r", 1, "-o", "json"]
    out, memory = run([bench.peers.llama("llama-bench"), "-m", gguf, *options])
    rates = {bool(test["n_prompt"]): test["samples_ts"][0] for test in json.loads(out)}
    return rates[True], rates[False], memory / 1e6


def perplexity(bench):
    """On a text of the project's own in four languages; there is nothing in it that a second round would change."""
    text = bench.folder / "text.txt"
    parts = [_documents(language)[: LETTERS // 4] for language in ("en", "es", "it", "pt")]
    text.write_text("\n".join(parts).strip(), encoding="utf-8")
    rows = []
    for name, gguf in bench.models():
        bench.say(f"perplexity of {name}")
        [ours], _ = bench.ours.bench("perplexity", gguf, text, 2)
        command = [bench.peers.llama("llama-perplexity"), "-m", gguf, "-f", text, "-c", 512, "-t", 2]
        # The estimate goes to the log, or to the output, as the version will have it.
        out, _ = run(["sh", "-c", 'exec "$@" 2>&1', "sh", *command])
        found = re.search(r"Final estimate: PPL = ([\d.]+)", out)
        if not found:
            raise Failed(f"llama-perplexity gives no estimate:\n{out[-2000:]}")
        what = f"{name}, {ours['counted']} of {ours['tokens']} tokens"
        sides = [ours["perplexity"]], [float(found[1])]
        rows.append(Row("perplexity", what, "", *sides, PEER, ("ratio", "within", 0.005)))
    return rows


def _documents(language):
    files = sorted((KNOWLEDGE / language).glob("*.md"))
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def startup(bench):
    """From the start of a server until it says that it is ready."""
    data = bench.folder / "startup"
    bench.ours.data(data)
    rows = []
    for name, gguf in bench.models():
        ours, theirs = [], []
        for _ in bench.turns(f"start with {name}", beforehand=1):
            with _llama_server(bench, gguf, 1) as server:
                theirs.append(server.seconds)
            with bench.ours.serve(data, "candle", name) as server:
                ours.append(server.seconds)
        # The first round reads what the others find in memory.
        what = f"server with {name}, until it is ready"
        rows.append(Row("startup", what, "s", ours[1:], theirs[1:], "llama-server", ("value", "<=", 2)))
    return rows


def batching(bench):
    """Eight prompts at once, each another: tokens a second in all, and the wait for the first token."""
    rows = []
    for name, gguf in bench.models():
        prompts = bench.folder / "prompts.jsonl"
        ours, theirs = [], []
        for turn in bench.turns(f"{USERS} users of {name}"):
            with _llama_server(bench, gguf, USERS) as server:
                if turn == 0:
                    prompts.write_text("".join(json.dumps(prompt) + "\n" for prompt in _prompts(server)))
                theirs.append(_together(server, [json.loads(line) for line in prompts.open()]))
            ours.append(bench.ours.bench("batching", gguf, prompts, REPLY, 2)[0])
            _compare_lengths(ours[-1], theirs[-1])
        measures = [
            ("generated", "tokens/s", _generated, (">=", 2)),
            ("first token, p50", "s", lambda replies: _quantile(replies, 0.5), None),
            ("first token, p95", "s", lambda replies: _quantile(replies, 0.95), ("<=", 0.7)),
        ]
        for what, unit, measure, aim in measures:
            sides = [[measure(replies) for replies in side] for side in (ours, theirs)]
            what = f"{name}, {USERS} × ({PROMPT} + {REPLY}), {what}"
            rows.append(Row("batching", what, unit, *sides, "llama-server", aim and ("ratio", *aim)))
    return rows


def _generated(replies):
    """Tokens a second of all together, until the last one has ended."""
    return sum(reply["reply_tokens"] for reply in replies) / max(reply["last_s"] for reply in replies)


def _quantile(replies, share):
    ordered = sorted(reply["first_s"] for reply in replies)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _compare_lengths(ours, theirs):
    for mine, other in zip(ours, theirs):
        if abs(mine["prompt_tokens"] - other["prompt_tokens"]) > 0.02 * PROMPT:
            raise Failed(f"the sides read prompts of {mine['prompt_tokens']} and {other['prompt_tokens']} tokens")


def _llama_server(bench, gguf, users):
    options = ["-m", gguf, "--host", "127.0.0.1", "-np", users, "-c", 1024 * users, "-t", 2, "-tb", 2, "--jinja"]
    return Server(lambda port: [bench.peers.llama("llama-server"), *options, "--port", port], "/health")


def _prompts(server):
    """Messages that together with the model's template have `PROMPT` tokens, or a few less; no two begin alike."""
    words = _documents("en").split()

    def message(start, count):
        excerpt = " ".join((words * 2)[start : start + count])
        return f"{excerpt}\n\nExplain all of this in your own words, at length and in order, to a new colleague."

    def tokens(text):
        prompt = successful(server, "/apply-template", {"messages": [{"role": "user", "content": text}]})["prompt"]
        body = {"content": prompt, "add_special": True, "parse_special": True}
        return len(successful(server, "/tokenize", body)["tokens"])

    prompts = []
    for user in range(USERS):
        start = user * len(words) // USERS
        low, high = 1, PROMPT
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if tokens(message(start, middle)) <= PROMPT else (low, middle)
        prompts.append(message(start, low))
    return prompts


def _together(server, prompts):
    """What `batching` prints, of llama-server."""
    replies = [None] * len(prompts)

    def ask(index, prompt, tokens):
        body = {
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": tokens,
            "temperature": 0,
            "ignore_eos": True,
            "cache_prompt": False,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        reply = {}
        for seconds, _, data in server.events("/v1/chat/completions", body):
            if data == "[DONE]":
                break
            event = json.loads(data)
            if any(choice["delta"].get("content") for choice in event["choices"]):
                reply.setdefault("first_s", seconds)
                reply["last_s"] = seconds
            if usage := event.get("usage"):
                reply |= {"prompt_tokens": usage["prompt_tokens"], "reply_tokens": usage["completion_tokens"]}
        replies[index] = reply

    ask(0, "Hello!", 4)
    threads = [threading.Thread(target=ask, args=(index, prompt, REPLY)) for index, prompt in enumerate(prompts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not all(reply and reply.keys() >= {"first_s", "reply_tokens"} for reply in replies):
        raise Failed("llama-server left a prompt without a reply")
    return replies
