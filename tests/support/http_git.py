"""A smart HTTP server for the repositories in one folder, which can be told to fail.

A process of its own: `http_git.py ROOT` prints its port, and ends with its standard input. It is
HTTP/1.1 with connections kept, chunked and gzipped bodies, and the real `git http-backend` behind.
`POST /_faults` (JSON) sets what goes wrong, `GET /_counts` says what was asked so far.
"""

from __future__ import annotations

import base64
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

PUSH = "git-receive-pack"


@dataclass
class Faults:
    """What goes wrong; fractions are of the pushes (`POST .../git-receive-pack`).

    `drop` and `drop_next` lose the reply of an applied push: by chance, and for so many from now
    on; `drop_others` loses those of other requests. `kill` is the fraction whose
    `git http-backend` is killed, within `kill_within` seconds. `refuse` of all requests are
    answered with `status`. `delay` is seconds before any answer, `user` (`name:password`) must be
    named by every request.
    """

    drop: float = 0.0
    drop_next: int = 0
    drop_others: float = 0.0
    kill: float = 0.0
    kill_within: float = 0.05
    refuse: float = 0.0
    status: int = 500
    delay: float = 0.0
    user: str = ""
    seed: int = 0


@dataclass
class State:
    """What the requests share."""

    root: Path
    faults: Faults = field(default_factory=Faults)
    chance: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311
    counts: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, what: str) -> None:
        with self.lock:
            self.counts[what] += 1

    def happens(self, fraction: float) -> bool:
        with self.lock:
            return self.chance.random() < fraction

    def set(self, faults: dict[str, Any]) -> None:
        with self.lock:
            self.faults = Faults(**faults)
            self.chance = random.Random(self.faults.seed)  # noqa: S311

    def drops(self, *, pushes: bool) -> bool:
        """Say whether the reply of this request is lost."""
        with self.lock:
            if pushes and self.faults.drop_next:
                self.faults.drop_next -= 1
                return True
            fraction = self.faults.drop if pushes else self.faults.drop_others
            return self.chance.random() < fraction


class Handler(BaseHTTPRequestHandler):
    """One connection; `state` is set on the class before the server starts."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    state: State

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's
        """Say nothing."""

    def do_GET(self) -> None:
        if self.path == "/_counts":
            self.reply(200, json.dumps(self.state.counts).encode())
        else:
            self.serve()

    def do_POST(self) -> None:
        if self.path == "/_faults":
            self.state.set(json.loads(self.body().read()))
            self.reply(200, b"")
        else:
            self.serve()

    def serve(self) -> None:
        faults = self.state.faults
        pushes = self.command == "POST" and self.path.endswith(PUSH)
        self.state.count("requests")
        self.state.count("pushes" if pushes else "others")
        body = self.body()
        time.sleep(faults.delay)
        if faults.user and not self.knows(faults.user):
            self.reply(401, b"", {"WWW-Authenticate": 'Basic realm="test"'})
        elif self.state.happens(faults.refuse):
            self.state.count("refused")
            self.reply(faults.status, b"refused\n")
        else:
            kill = pushes and self.state.happens(faults.kill)
            answer = self.backend(body, faults.kill_within if kill else None)
            self.answer(answer, drop=kill or self.state.drops(pushes=pushes))

    def knows(self, user: str) -> bool:
        token = base64.b64encode(user.encode()).decode()
        return self.headers.get("Authorization") == f"Basic {token}"

    def body(self) -> IO[bytes]:
        """Read the request's body, of a known length or in chunks, into a file."""
        file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the request
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                file.write(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
        else:
            file.write(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        file.seek(0)
        return file

    def backend(self, body: IO[bytes], kill_within: float | None) -> bytes:
        """Return what `git http-backend` prints; killed at some moment when told to."""
        process = subprocess.Popen(
            ["git", "http-backend"],
            stdin=body,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self.variables(os.fstat(body.fileno()).st_size),
            start_new_session=True,
        )
        if kill_within is not None:
            self.state.count("killed")
            time.sleep(self.state.chance.uniform(0, kill_within))
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        with process, body:
            assert process.stdout is not None
            return process.stdout.read()

    def variables(self, length: int) -> dict[str, str]:
        path, _, query = self.path.partition("?")
        return {
            **os.environ,
            "GIT_PROJECT_ROOT": str(self.state.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(length),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "HTTP_GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": "127.0.0.1",
            "REMOTE_USER": "somebody",  # without one, http-backend refuses every push
        }

    def answer(self, said: bytes, *, drop: bool) -> None:
        if drop:
            self.state.count("dropped")
            self.close_connection = True
            return
        head, _, content = said.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        self.reply(int(headers.pop("Status", "200").split()[0]), content, headers)

    def reply(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(ConnectionError):
            self.wfile.write(content)


class Server(ThreadingHTTPServer):
    """Many connections at once, and no word about those that break."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client may be killed at any moment."""


def main() -> None:
    """Serve the folder that the first argument names until standard input ends.

    The second one, if any, is the address to listen on; by default the loopback.
    """
    Handler.state = State(Path(sys.argv[1]))
    address = sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1"
    with Server((address, 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_address[1], flush=True)
        sys.stdin.read()
        os._exit(0)


if __name__ == "__main__":
    main()
