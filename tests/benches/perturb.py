#!/usr/bin/env python3
"""The questions of a retrieval set as hurried customers type them, by rule: `perturb.py SET accents|typos > FILE`, then
`ponto eval run SET --questions FILE`. `accents` drops every accent; `typos` also swaps two neighbouring letters inside one
word of five letters or more in every three, always the same ones."""
import hashlib, json, pathlib, sys, unicodedata

folder, how = pathlib.Path(sys.argv[1]), sys.argv[2]
assert how in ("accents", "typos"), "write accents or typos"


def bare(text):
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


def swapped(word, row):
    seed = hashlib.sha256(f"{row}/{word}".encode()).digest()
    if len(word) < 5 or seed[0] % 3 or not word.isalpha():
        return word
    at = 1 + seed[1] % (len(word) - 3)
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


for line in (folder / "questions.jsonl").open(encoding="utf-8"):
    row = json.loads(line)
    row["question"] = bare(row["question"])
    if how == "typos":
        row["question"] = " ".join(swapped(word, row["id"]) for word in row["question"].split(" "))
    print(json.dumps(row, ensure_ascii=False))
