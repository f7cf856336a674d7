"""The embedder beside ONNX Runtime on the same weights, and ingesting beside the embedder alone."""

import json
import random
import sqlite3
import statistics
import time

from .ours import KNOWLEDGE
from .peers import HERE
from .process import Failed, json_lines, run
from .report import Row

NAME = "multilingual-e5-small"
DOCUMENTS = 300
THREADS = 2


def embed(bench):
    """Passages a second at two lengths, and one short question; the vectors are compared too."""
    gguf = bench.ours.model(NAME)
    models = bench.peers.onnx(gguf)
    command = [bench.peers.python(), HERE / "e5_onnxruntime.py"]
    ours, theirs = [], []
    for turn in bench.turns(f"embedding with {NAME}"):
        out, _ = run([*command, "time", models[1], gguf.with_name("tokenizer.json"), THREADS])
        theirs.append({line["what"]: line for line in json_lines(out)})
        lines, _ = bench.ours.bench("embed", NAME, 3, THREADS)
        ours.append({line["what"]: line for line in lines if line["what"] != "vector"})
        if turn == 0:
            vectors = bench.folder / "vectors.jsonl"
            vectors.write_text("".join(json.dumps(line) + "\n" for line in lines if line["what"] == "vector"))
    peer = "ONNX Runtime int8"
    rows = []
    for what in ("64 tokens", "256 tokens"):
        sides = [[statistics.median(turn[what]["passages_per_s"]) for turn in side] for side in (ours, theirs)]
        rows.append(Row("embed", f"{NAME}, {what}, batch 32", "passages/s", *sides, peer, ("ratio", ">=", 1.0)))
    sides = [[statistics.median(turn["one question"]["ms"]) for turn in side] for side in (ours, theirs)]
    rows.append(Row("embed", f"{NAME}, one short question", "ms", *sides, peer, ("value", "<=", 3)))
    out, _ = run([*command, "compare", *models, gguf.with_name("tokenizer.json"), vectors])
    cosines = json.loads(out)
    what = f"{NAME}, lowest cosine to ONNX Runtime in f32"
    # Of both sides, the vectors of 8-bit activations beside those in f32.
    rows.append(Row("embed", what, "", [cosines["ours"]], [cosines["int8"]], peer, ("value", ">=", 0.995)))
    return rows


def ingest(bench):
    """`ponto ingest`, from its start to its end, beside the embedder alone on the same passages."""
    folder = bench.folder / "documents"
    _write_documents(folder)
    texts = bench.folder / "passages.jsonl"
    whole, alone = [], []
    for turn in bench.turns("ingesting"):
        data = bench.folder / f"ingested-{turn}"
        started = time.perf_counter()
        bench.ours.ponto("ingest", folder, "--data-dir", data)
        seconds = time.perf_counter() - started
        passages = _passages(data / "ponto.db")
        whole.append(len(passages) / seconds)
        texts.write_text("".join(json.dumps(text) + "\n" for text in passages))
        [measured], _ = bench.ours.bench("embed", NAME, 1, 0, texts)
        alone.append(measured["passages_per_s"][0])
    what = f"{len(passages)} passages, from start to end"
    return [Row("ingest", what, "passages/s", whole, alone, "the embedder alone", ("ratio", ">=", 0.85))]


def _write_documents(folder):
    """Documents of the demo's sentences in another order, so that no two are alike."""
    order = random.Random(5)
    sentences = []
    for file in sorted((KNOWLEDGE / "en").glob("*.md")):
        lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line and line[0].isalpha()]
        sentences += [f"{part.rstrip('.')}." for line in lines for part in line.split(". ")]
    folder.mkdir()
    for index in range(DOCUMENTS):
        sections = []
        for section in range(4):
            text = " ".join(order.sample(sentences, 8))
            sections.append(f"## Part {section + 1} of number {index}\n\n{text}\n")
        (folder / f"{index:04}.md").write_text(f"# Document {index}\n\n" + "\n".join(sections), encoding="utf-8")


def _passages(database):
    """The texts that were embedded, in the order of the store."""
    with sqlite3.connect(database) as connection:
        rows = connection.execute("SELECT title, heading_path, text FROM passages ORDER BY rowid").fetchall()
    if not rows:
        raise Failed("nothing was ingested")
    heading = lambda title, path: " › ".join(filter(None, [title, *json.loads(path)]))
    return [f"{heading(title, path)}\n{text}" for title, path, text in rows]
