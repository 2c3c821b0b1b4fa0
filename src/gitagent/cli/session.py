"""The surroundings of one call: the only module that reads clock, environment and terminal."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from gitagent.core.errors import UsageError

if TYPE_CHECKING:
    from gitagent.git.plain import Place
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
    """One call of `gitagent`: where, with what environment, and what is a terminal.

    `folder` is None when the folder that it was called in does not exist any more.
    """

    folder: Path | None
    environment: Mapping[str, str]
    out_is_terminal: bool
    err_is_terminal: bool

    @classmethod
    def from_process(cls) -> Session:
        """Return the session of this process, and let odd file names be printed as they are."""
        _open_closed_streams()
        for stream in (sys.stdout, sys.stderr):
            reconfigure = getattr(stream, "reconfigure", None)
            if reconfigure is not None:
                reconfigure(encoding="utf-8", errors="surrogateescape")
        return cls(
            folder=_working_directory(),
            environment=dict(os.environ),
            out_is_terminal=sys.stdout.isatty(),
            err_is_terminal=sys.stderr.isatty(),
        )

    @property
    def cwd(self) -> Path:
        """Where the call works; raises `UsageError` when that folder is gone."""
        if self.folder is None:
            message = "the folder you are in does not exist any more"
            raise UsageError(message, hint="go into another folder")
        return self.folder

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

    def timestamp(self) -> str:
        """Return the time in UTC as the files have it, to the second."""
        return self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")

    @cached_property
    def place(self) -> Place | None:
        """The repository as far as plain files tell; None where only `project` can say."""
        from gitagent.git.plain import find

        return find(self.cwd, self.environment)

    @property
    def cache(self) -> Path | None:
        """The user's cache folder, as the XDG base directory specification says.

        None when neither XDG_CACHE_HOME nor HOME says where that is.
        """
        named = self.environment.get("XDG_CACHE_HOME", "")
        if named.startswith("/"):
            return Path(named)
        home = self.environment.get("HOME", "")
        return Path(home) / ".cache" if home.startswith("/") else None

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
        wanted = Path(directory)
        self.folder = (wanted if wanted.is_absolute() else self.cwd / wanted).resolve()
        if not self.folder.is_dir():
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
        """Say something to the person, on standard error; a run goes on when nobody listens."""
        sys.stdout.flush()
        try:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()
        except OSError:
            _lead_nowhere(sys.stderr.fileno())

    def hint(self, text: str) -> None:
        """Say what to type next."""
        self.say(f"hint: {text}")

    def read_input(self) -> bytes:
        """Return all of standard input."""
        return sys.stdin.buffer.read()

    def flush(self) -> None:
        """Write out what is buffered, so that a closed pipe or a full disk is noticed here."""
        sys.stdout.flush()

    def leave(self, code: int) -> NoReturn:
        """End the process at once; to take Python apart is a tenth of a short call's time."""
        self.flush()
        sys.stderr.flush()
        os._exit(code)

    def drop_output(self) -> None:
        """Let nothing more be written: it cannot be, or the reader has gone."""
        _lead_nowhere(sys.stdout.fileno())

    def abandon(self, code: int) -> NoReturn:
        """End this process now, without waiting for threads; their commands die with it.

        Python's own way out would stop a thread in the middle of a write, and abort.
        """
        with suppress(OSError):
            os.write(2, b"interrupted\n")
        os._exit(code)

    @contextmanager
    def interruptible(self) -> Iterator[Interrupt]:
        """Let the first Ctrl-C or SIGTERM ask for an end, and the second one insist.

        So does SIGHUP, when the terminal goes, unless it is ignored as under `nohup`.
        """
        interrupt = Interrupt()
        numbers = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            numbers.append(signal.SIGHUP)
        before = {number: signal.signal(number, interrupt.received) for number in numbers}
        try:
            yield interrupt
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class Interrupt:
    """Whether an end was asked for."""

    def __init__(self) -> None:
        self._asked = False

    def received(self, _number: int, _frame: object) -> None:
        """Take a signal."""
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        # Past Python's own streams: a handler may not enter one that is being written to.
        with suppress(OSError):  # nobody may be listening
            os.write(2, b"stopping; once more to stop at once\n")

    def asked(self) -> bool:
        """Say whether an end was asked for."""
        return self._asked


def _working_directory() -> Path | None:
    try:
        return Path.cwd()
    except FileNotFoundError:
        return None


def _open_closed_streams() -> None:
    """Let a closed standard stream lead nowhere, else the next file opened becomes it."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            _lead_nowhere(number)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def _lead_nowhere(number: int) -> None:
    """Let the file descriptor `number` be /dev/null."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, number)
    if null != number:
        os.close(null)
