"""ONNX Runtime's side of the embedder, run by the interpreter of the peers.

    e5_onnxruntime.py time MODEL.onnx TOKENIZER THREADS          the measurements of `embed`, from the same texts
    e5_onnxruntime.py compare F32.onnx INT8.onnx TOKENIZER VECTORS   lowest cosines to F32 of VECTORS and of INT8"""

import json
import os
import sys
import time

BATCH, TOKENS, REPEATS = 32, 16_384, 3
QUESTION = "Em quanto tempo chega o meu pedido?"


class Embedder:
    def __init__(self, model, tokenizer, threads):
        os.environ["RAYON_NUM_THREADS"] = str(threads)  # the tokenizer's
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.tokenizer = Tokenizer.from_file(tokenizer)
        self.tokenizer.enable_padding()
        self.tokenizer.enable_truncation(512)

    def embed(self, texts):
        import numpy

        encoded = self.tokenizer.encode_batch(texts)
        ids = numpy.array([text.ids for text in encoded], numpy.int64)
        mask = numpy.array([text.attention_mask for text in encoded], numpy.int64)
        return self.session.run(None, {"ids": ids, "mask": mask})[0]


def measure(model, tokenizer, threads):
    embedder = Embedder(model, tokenizer, int(threads))
    for tokens in (64, 256):
        passage = "passage: " + "casa " * (tokens - 5)
        assert len(embedder.tokenizer.encode(passage).ids) == tokens
        passages = [passage] * (TOKENS // tokens)
        rates = []
        for _ in range(REPEATS + 1):
            started = time.perf_counter()
            for at in range(0, len(passages), BATCH):
                embedder.embed(passages[at : at + BATCH])
            rates.append(len(passages) / (time.perf_counter() - started))
        print(json.dumps({"what": f"{tokens} tokens", "passages_per_s": rates[1:]}))
    times = []
    for _ in range(200):
        started = time.perf_counter()
        embedder.embed([f"query: {QUESTION}"])
        times.append((time.perf_counter() - started) * 1000)
    print(json.dumps({"what": "one question", "ms": times}))


def compare(f32, int8, tokenizer, vectors):
    rows = [json.loads(line) for line in open(vectors, encoding="utf-8")]
    reference, quantised = Embedder(f32, tokenizer, 2), Embedder(int8, tokenizer, 2)
    cosines = {"ours": [], "int8": []}
    for row in rows:
        right = reference.embed([f"query: {row['question']}"])[0]
        cosines["ours"].append(float(right @ row["vector"]))
        cosines["int8"].append(float(right @ quantised.embed([f"query: {row['question']}"])[0]))
    print(json.dumps({side: min(values) for side, values in cosines.items()}))


if __name__ == "__main__":
    {"time": measure, "compare": compare}[sys.argv[1]](*sys.argv[2:])
