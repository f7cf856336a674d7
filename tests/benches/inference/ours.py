"""Ponto's side: its program and its benches, its models, and a data folder with the demo's knowledge."""

import json
import pathlib
import subprocess

from .process import Failed, Server, json_lines, run

ROOT = pathlib.Path(__file__).resolve().parents[3]
KNOWLEDGE = ROOT / "eval" / "demo" / "knowledge"
BENCHES = ["batching", "decode", "embed", "perplexity"]


class Ours:
    def __init__(self, programs=None):
        """`programs` is a folder that has the benches and `ponto` already; otherwise cargo builds them."""
        if programs:
            self.programs = {name: pathlib.Path(programs) / name for name in [*BENCHES, "ponto"]}
        else:
            self.programs = self._built()

    @staticmethod
    def _built():
        command = ["cargo", "bench", "--no-run", "--locked", "--message-format", "json-render-diagnostics"]
        for bench in BENCHES:
            command += ["--bench", bench]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise Failed("cargo does not build the benches")
        artifacts = [line for line in json_lines(done.stdout) if line.get("executable")]
        return {artifact["target"]["name"]: pathlib.Path(artifact["executable"]) for artifact in artifacts}

    def bench(self, name, *arguments):
        """(measurements, peak memory in bytes) of one run of a bench."""
        out, memory = run([self.programs[name], *arguments, "--json"])
        return json_lines(out), memory

    def ponto(self, *arguments):
        out, _ = run([self.programs["ponto"], *arguments, "--json"])
        return json.loads(out) if out.strip() else None

    def model(self, name, file="model.gguf"):
        """The path of a model's file, which Ponto fetches and verifies where it is not here."""
        return pathlib.Path(self.ponto("models", "pull", name)[0]["dir"]) / file

    def data(self, folder):
        """A new data folder with the demo's knowledge, and the headers of a caller who may ask."""
        self.ponto("ingest", KNOWLEDGE, "--data-dir", folder)
        scopes = ["--scope", "suggest", "--scope", "knowledge"]
        key = self.ponto("keys", "create", "--name", "bench", *scopes, "--data-dir", folder)["key"]
        return {"Authorization": f"Bearer {key}"}

    def serve(self, data, backend, model, settings=None):
        """The server, ready when it has opened its index and its model; `settings` are variables of its environment."""
        command = [self.programs["ponto"], "serve", "--backend", backend, "--data-dir", data, "--listen"]
        env = {"PONTO__MODELS__CHAT": model, "PONTO__LOG__LEVEL": "warn", **(settings or {})}
        return Server(lambda port: [*command, f"127.0.0.1:{port}"], "/readyz", env)


def questions():
    """Single messages in English that the demo's knowledge answers, with the document that does."""
    rows = map(json.loads, (ROOT / "eval" / "demo" / "questions" / "en.jsonl").open(encoding="utf-8"))
    answered = [row for row in rows if row["expected"] == "answer" and len(row["messages"]) == 1]
    return [(row["messages"][0]["text"], row["relevant"][0]) for row in answered]
