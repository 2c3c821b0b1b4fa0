"""The near side of a guard: start it, hear it, have it end the command, make sure it did."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from gitagent.core.errors import ExternalError
from gitagent.proc.tree import kill_tree

GUARD_SECONDS = 4.0
"""How long a guard may take to kill a tree: its own 3 seconds, and one to say so."""

_SCRIPT = Path(__file__).with_name("guard.py")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a command could not start: `step` is `cwd`, `stdin` or `exec`; `number` an errno."""

    step: str
    number: int


class Guarded:
    """A command under its guard; leaving the context leaves nothing of it running.

    `output` is the descriptor, never blocking, that gives what the command prints. `pid` is
    the command's, None before it has started; `code` its exit status once it has ended by
    itself; `left` how many of its processes could not be killed; `reported` whether the guard
    said how it ended, `over` whether there is nothing more to hear.
    """

    def __init__(self, order: bytes) -> None:
        self.pid: int | None = None
        self.code: int | None = None
        self.left = 0
        self.failure: Failure | None = None
        self.reported = False
        self.over = False
        self.output, output = os.pipe()
        self.control, control = socket.socketpair()
        os.set_blocking(self.output, False)
        self._heard = b""
        try:
            self._process = _start_guard(control, output)
        except OSError as error:
            self._close()
            raise ExternalError(f"cannot start `{sys.executable}`: {error.strerror}") from error
        finally:
            control.close()
            os.close(output)
        self._tell(order)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Kill what still runs, and wait until it is gone."""
        try:
            self.make_sure()
        finally:
            self._close()

    def hear(self) -> None:
        """Take what the guard says; see `guard.py` for its lines."""
        received = b""
        with suppress(ConnectionError):
            received = self.control.recv(4096)
        self.over = self.over or not received
        *lines, self._heard = (self._heard + received).split(b"\n")
        for line in lines:
            self._take(line.decode().split())

    def _take(self, words: list[str]) -> None:
        match words:
            case ["started", pid]:
                self.pid = int(pid)
            case ["failed", step, number]:
                self.failure = Failure(step, int(number))
                self.over = True
            case ["ended", code, left]:
                self.code, self.left = int(code), int(left)
                self.reported = self.over = True
            case _:
                message = f"a guard said {words}"
                raise AssertionError(message)

    def end_command(self) -> None:
        """Tell the guard to end the command; it says when that is done."""
        self._process.send_signal(signal.SIGCONT)  # the command may have stopped it
        self._tell(b"T")

    def _tell(self, message: bytes) -> None:
        with suppress(ConnectionError):  # it has died, and `hear` will find that out
            self.control.sendall(message)

    def make_sure(self, seconds: float = GUARD_SECONDS) -> None:
        """Give the guard `seconds` to kill all and exit; if it does not, do its work."""
        if self._process.returncode is not None:
            return
        with suppress(OSError):
            self.control.shutdown(socket.SHUT_WR)  # to the guard this is the end of gitagent
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            kill_tree(self._process.pid, session=self.pid)
        finally:
            self._bury()

    def _bury(self) -> None:
        """Collect the guard, and kill what it left if it did not end in peace."""
        self._process.kill()
        if self._process.wait() != 0:
            kill_tree(None, session=self.pid)

    def _close(self) -> None:
        self.control.close()
        os.close(self.output)


def _start_guard(control: socket.socket, output: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 (starting processes is this package's work)
        [sys.executable, "-I", "-S", str(_SCRIPT)],
        stdin=control.fileno(),
        stdout=output,
        stderr=output,
        cwd="/",
        env={},  # its own is never the command's, and what it lacks nobody can read from it
        start_new_session=True,
    )
