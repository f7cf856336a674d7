#!/usr/bin/env python3
"""Local inference beside its peers, alternately in one run: `tests/benches/inference.py`.

llama.cpp is built, and ONNX Runtime installed, from packages into the cache, once (20 minutes); Ponto is built by
cargo. It prints medians with their spread over the rounds, and the ratio of the two sides with the spread of its rounds.
It wants a machine with nothing else going on: threads that spin on shared cores lose most of their speed. Needs Linux,
a C++ compiler, and Python 3.11.4 or later with venv."""

import argparse
import dataclasses
import json
import os
import pathlib
import signal
import sys
import tempfile

sys.dont_write_bytecode = True

from inference import chat, embedder, product, report
from inference.ours import Ours
from inference.peers import Peers, say
from inference.process import Failed

MODELS = ["qwen2.5-coder-1.5b-instruct", "qwen2.5-coder-0.5b-instruct", "smollm2-135m-instruct"]
PARTS = {
    "prompt": chat.speed,
    "decode": chat.speed,
    "memory": chat.speed,
    "perplexity": chat.perplexity,
    "startup": chat.startup,
    "batching": chat.batching,
    "prefix": product.prefix,
    "lookup": product.lookup,
    "latency": product.latency,
    "embed": embedder.embed,
    "ingest": embedder.ingest,
}
QUIET = 0.7


class Bench:
    """What the parts share."""

    def __init__(self, arguments, folder):
        self.ours, self.peers, self.say = Ours(arguments.programs), Peers(), say
        self.names, self.rounds, self.folder = arguments.models, arguments.rounds, pathlib.Path(folder)

    def models(self):
        """Names and files, the first of them first."""
        return ((name, self.ours.model(name)) for name in self.names)

    def turns(self, what, beforehand=0):
        """One for each round, and `beforehand` more that the part leaves out."""
        for turn in range(self.rounds + beforehand):
            self.say(f"{what}, round {turn + 1} of {self.rounds + beforehand}")
            yield turn


def listed(known):
    def parse(text):
        names = text.split(",")
        for name in names:
            if known and name not in known:
                raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(known)}")
        return names

    return parse


def rounds(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("write a whole number above 0")
    return int(text)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    option = parser.add_argument
    option("--only", type=listed(PARTS), default=list(PARTS), metavar="PART,…", help=", ".join(PARTS))
    option("--rounds", type=rounds, default=5, metavar="N", help="rounds of each side (5)")
    models = "of `ponto models list`, the one that prefix, lookup and latency are measured with first"
    option("--models", type=listed(None), default=MODELS, metavar="NAME,…", help=f"{models} ({','.join(MODELS)})")
    option("--json", type=pathlib.Path, metavar="FILE", help="writes the figures of every round there")
    option("--markdown", action="store_true", help="prints the table as Markdown")
    option("--programs", type=pathlib.Path, metavar="FOLDER", help="has `ponto` and the benches; nothing is built")
    return parser.parse_args()


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # children end with this, as at Ctrl-C
    rows = []
    try:
        status = measure(options, rows)
    except Failed as failure:
        say(f"error: {failure}")
        status = 1
    except KeyboardInterrupt:
        status = 130
    if rows:
        print((report.markdown if options.markdown else report.plain)(rows))
        print(f"\n{report.machine()}; median (lowest–highest) of {options.rounds} rounds")
    return status


def measure(options, rows):
    """Appends what is measured to `rows`, which stays when something fails; returns the exit code."""
    status = 0
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, folder)
        if os.getloadavg()[0] > QUIET:
            load = f"load {os.getloadavg()[0]:.1f} over the last minute, {QUIET} is quiet"
            say(f"warning: the machine is busy ({load}); these figures will not hold")
        for part in dict.fromkeys(PARTS[name] for name in options.only):
            try:
                rows += [row for row in part(bench) if row.part in options.only]
            except Failed as failure:
                say(f"error: {failure}")
                status = 1
            if options.json:
                figures = [dataclasses.asdict(row) for row in rows]
                document = {"machine": report.machine(), "rounds": options.rounds, "rows": figures}
                options.json.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
