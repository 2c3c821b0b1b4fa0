"""The surroundings of one call: the only module that reads clock, environment and terminal."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from gitagent.core.errors import UsageError

if TYPE_CHECKING:
    from gitagent.runner.project import Project

_WIDTH = 80


class SystemClock:
    """The machine's clock; implements `core.protocols.Clock`."""

    def now(self) -> datetime:
        """Return the time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that only ever grow."""
        return time.monotonic()


@dataclass
class Session:
    """One call of `gitagent`: where, with what environment, and what is a terminal."""

    cwd: Path
    environment: Mapping[str, str]
    out_is_terminal: bool
    err_is_terminal: bool

    @classmethod
    def from_process(cls) -> Session:
        """Return the session of this process, and let odd file names be printed as they are."""
        for stream in (sys.stdout, sys.stderr):
            reconfigure = getattr(stream, "reconfigure", None)
            if reconfigure is not None:
                reconfigure(encoding="utf-8", errors="surrogateescape")
        return cls(
            cwd=_working_directory(),
            environment=dict(os.environ),
            out_is_terminal=sys.stdout.isatty(),
            err_is_terminal=sys.stderr.isatty(),
        )

    @cached_property
    def clock(self) -> SystemClock:
        """The clock."""
        return SystemClock()

    @cached_property
    def project(self) -> Project:
        """The repository that this call is in; raises `Refused` where there is none."""
        from gitagent.git.repository import Repository
        from gitagent.runner.project import Project

        repository = Repository.find(self.cwd, self.environment)
        return Project(repository, self.environment, self.clock, self.cache)

    @property
    def cache(self) -> Path:
        """The user's cache folder, as the XDG base directory specification says."""
        named = self.environment.get("XDG_CACHE_HOME", "")
        if named.startswith("/"):
            return Path(named)
        home = self.environment.get("HOME", "")
        if not home.startswith("/"):
            message = "there is no home folder to put worktrees into: HOME is not set"
            raise UsageError(message, hint="set HOME or XDG_CACHE_HOME to an absolute path")
        return Path(home) / ".cache"

    @property
    def colour(self) -> bool:
        """Whether standard output may be coloured (`NO_COLOR`, no-color.org)."""
        return self.out_is_terminal and self._may_colour

    @property
    def colour_err(self) -> bool:
        """Whether standard error may be coloured."""
        return self.err_is_terminal and self._may_colour

    @property
    def _may_colour(self) -> bool:
        dumb = self.environment.get("TERM") == "dumb"
        return not self.environment.get("NO_COLOR") and not dumb

    @property
    def width(self) -> int:
        """Columns of the terminal; wide where the output is read by a program."""
        if not self.out_is_terminal:
            return 10_000
        try:
            return os.get_terminal_size(sys.stdout.fileno()).columns
        except (OSError, ValueError):
            return _WIDTH

    def go_to(self, directory: str | None) -> None:
        """Work as if started in `directory`; raises `UsageError` when it is none."""
        if directory is None:
            return
        self.cwd = (self.cwd / directory).resolve()
        if not self.cwd.is_dir():
            message = f"`{directory}` is not a folder"
            raise UsageError(message)

    def data(self, text: str) -> None:
        """Print a result to standard output."""
        sys.stdout.write(f"{text}\n")

    def data_bytes(self, data: bytes) -> None:
        """Write a result to standard output as it is."""
        sys.stdout.flush()
        sys.stdout.buffer.write(data)

    def json(self, value: object) -> None:
        """Print one JSON value; on one line when a program reads it."""
        self.data(json.dumps(value, indent=2 if self.out_is_terminal else None))

    def json_line(self, value: object) -> None:
        """Print one JSON value on a line of its own, at once."""
        self.data(json.dumps(value))
        sys.stdout.flush()

    def say(self, text: str) -> None:
        """Say something to the person, on standard error."""
        sys.stdout.flush()
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    def hint(self, text: str) -> None:
        """Say what to type next."""
        self.say(f"hint: {text}")

    def read_input(self) -> bytes:
        """Return all of standard input."""
        return sys.stdin.buffer.read()

    def flush(self) -> None:
        """Write out what is buffered, so that a closed pipe is noticed here."""
        sys.stdout.flush()

    def drop_output(self) -> None:
        """Let nothing more be written: the reader has gone."""
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)

    @contextmanager
    def interruptible(self) -> Iterator[Interrupt]:
        """Let the first Ctrl-C or SIGTERM ask for an end, and the second one insist."""
        interrupt = Interrupt(self)
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, interrupt.received) for number in numbers}
        try:
            yield interrupt
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class Interrupt:
    """Whether an end was asked for."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._asked = False

    def received(self, _number: int, _frame: object) -> None:
        """Take a signal."""
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        self._session.say("stopping; once more to stop at once")

    def asked(self) -> bool:
        """Say whether an end was asked for."""
        return self._asked


def _working_directory() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        message = "the folder you are in does not exist any more"
        raise UsageError(message, hint="go into another folder") from None
