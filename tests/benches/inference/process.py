"""Child processes: their output, their peak memory, and servers that are waited for."""

import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time


class Failed(Exception):
    """A command that did not do its work; the text says which and why."""


def run(command, env=None):
    """Runs to the end and returns (stdout, peak resident memory in bytes); its log is shown where it fails."""
    command = [str(part) for part in command]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as log:
        child = subprocess.Popen(command, stdout=out, stderr=log, env={**os.environ, **(env or {})})
        try:
            # The largest resident set, VmHWM of the process that has ended, or this script's own 30 MB if that was less.
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:
            child.kill()
            child.wait()
            raise
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        if child.returncode:
            log.seek(0)
            raise Failed(f"{' '.join(command)} ended with {child.returncode}:\n{log.read()[-2000:]}")
        return out.read(), usage.ru_maxrss * 1024


def json_lines(text):
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A server for the time of a `with`; `seconds` is how long it took until `ready` answered with 200.

    `command` is given the port."""

    def __init__(self, command, ready, env=None, patience=120):
        self.port = free_port()
        self.command = [str(part) for part in command(self.port)]
        self.ready, self.patience = ready, patience
        self.env = {**os.environ, **(env or {})}

    def __enter__(self):
        self.log = tempfile.NamedTemporaryFile("w+")
        started = time.perf_counter()
        self.child = subprocess.Popen(self.command, stdout=self.log, stderr=self.log, env=self.env)
        while True:
            try:
                if self.ask("GET", self.ready)[0] == 200:
                    break
            except OSError:
                pass
            if self.child.poll() is not None or time.perf_counter() - started > self.patience:
                log = pathlib.Path(self.log.name).read_text(errors="replace")[-2000:]
                self.__exit__()
                raise Failed(f"{' '.join(self.command)} does not get ready:\n{log}")
            time.sleep(0.01)
        self.seconds = time.perf_counter() - started
        return self

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(30)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        self.log.close()

    def ask(self, method, path, body=None, headers=None):
        """(status, text) of one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        try:
            self._send(connection, method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def events(self, path, body, headers=None):
        """(seconds since it was asked, name, data) of every server-sent event."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        try:
            started = time.perf_counter()
            self._send(connection, "POST", path, body, {"Accept": "text/event-stream", **(headers or {})})
            response = connection.getresponse()
            if response.status != 200:
                raise Failed(f"POST {path} answers {response.status}: {response.read(500)!r}")
            name = ""
            for line in response:
                key, _, value = line.decode().rstrip("\r\n").partition(":")
                if key == "event":
                    name = value.strip()
                elif key == "data":
                    yield time.perf_counter() - started, name, value.strip()
                    name = ""
        finally:
            connection.close()

    @staticmethod
    def _send(connection, method, path, body, headers):
        headers = {"Content-Type": "application/json", **(headers or {})}
        connection.request(method, path, None if body is None else json.dumps(body), headers)


def successful(server, path, body, headers=None):
    """The JSON that a request which must succeed is answered with."""
    status, text = server.ask("POST", path, body, headers)
    if status != 200:
        raise Failed(f"POST {path} answers {status}: {text[:500]}")
    return json.loads(text)
