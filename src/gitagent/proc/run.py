"""Running an untrusted command: a check, or an agent's program."""

from __future__ import annotations

import errno
import json
import os
import selectors
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from gitagent.core.checks import Excerpt
from gitagent.core.errors import ExternalError
from gitagent.proc.guarded import GUARD_SECONDS, Failure, Guarded
from gitagent.proc.output import Recorder
from gitagent.text import one_line

_PIECE = 64 * 1024
_ASK_SECONDS = 0.125
_BYE_SECONDS = 1.0
"""How long a guard that has nothing more to say may take to exit."""
_DRAIN_SECONDS = 2.0
"""How long to read on after the end; V26 says why not until the pipe is closed."""
_NOT_A_PROGRAM = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ENOEXEC, errno.ELOOP)

Cut: TypeAlias = Literal["timeout", "stop"]


@dataclass(frozen=True, slots=True)
class Completed:
    """How a command ended.

    `exit_code` is None when it was killed from outside or could not start, and 128+n for a
    signal n of its own; `not_found` when there is no such program, or it is not executable.
    `seconds` is wall time. `output` is decoded and printable.
    """

    exit_code: int | None
    timed_out: bool
    stopped: bool
    seconds: float
    output: Excerpt
    not_found: bool


@dataclass(frozen=True, slots=True)
class _Limits:
    """When to end a command: `timeout` and `grace` in seconds, `started` monotonic."""

    started: float
    timeout: float
    grace: float
    stop: Callable[[], bool]

    def cut(self) -> Cut | None:
        """Return why the command should end now; None when it may go on."""
        if self.stop():
            return "stop"
        return "timeout" if time.monotonic() >= self.started + self.timeout else None


def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    log: Path,
    timeout: float,
    stop: Callable[[], bool],
    stdin: Path | None = None,
    grace: float = 2.0,
) -> Completed:
    """Run an untrusted command to its end, and leave nothing of it running.

    `environment` is all of the environment it gets, and its PATH finds the program; standard
    input is the regular file `stdin`, or empty. What it prints goes to the file `log`,
    printable; after LOG_LIMIT bytes only its tail does. After `timeout` seconds, or when
    `stop()` turns true (asked eight times a second), the whole tree gets SIGTERM, and SIGKILL
    `grace` seconds later. What a normal end leaves behind is killed at once. Should this
    process die, its commands are killed too.

    Raises ExternalError when the command could not run for a reason that is not its own (no
    folder `cwd`, no file `stdin`), OSError when the log cannot be written, what `stop` raises.
    """
    limits = _Limits(time.monotonic(), timeout, grace, stop)
    order = _order(argv, cwd, environment, stdin, grace)
    # A new file: a link that an earlier command left in its place must not be followed.
    log.unlink(missing_ok=True)
    with log.open("xb") as file, Guarded(order) as guarded:
        recorder = Recorder(file)
        cut = _watch(guarded, recorder, limits)
        guarded.make_sure(_BYE_SECONDS)
        _drain(guarded.output, recorder)
        if note := _note(guarded):
            recorder.feed(note)
        output = recorder.finish()
        not_found = _not_found(guarded.failure, argv[0], cwd, stdin)
        if guarded.pid is None and not guarded.failure and not cut:
            detail = one_line(output.text(), 500)
            raise ExternalError(f"cannot start the guard of `{argv[0]}`: {detail}")
    return Completed(
        exit_code=None if cut else guarded.code,
        timed_out=cut == "timeout",
        stopped=cut == "stop",
        seconds=time.monotonic() - limits.started,
        output=output,
        not_found=not_found,
    )


def _order(
    argv: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str],
    stdin: Path | None,
    grace: float,
) -> bytes:
    """Return the line for the guard; it is not its argv, which everybody may read."""
    order = {
        "argv": [_latin(each) for each in argv],
        "env": {_latin(name): _latin(value) for name, value in environment.items()},
        "cwd": _latin(cwd.absolute()),
        "stdin": _latin(stdin.absolute() if stdin else os.devnull),
        "grace": grace,
    }
    return json.dumps(order).encode() + b"\n"


def _latin(value: str | Path) -> str:
    # The guard may have another locale than we have, so it is given bytes.
    return os.fsencode(value).decode("latin-1")


def _watch(guarded: Guarded, recorder: Recorder, limits: _Limits) -> Cut | None:
    """Record until the command is over; return why it was ended, None if it was not."""
    cut: Cut | None = None
    give_up, ask = float("inf"), 0.0
    with selectors.DefaultSelector() as selector:
        selector.register(guarded.output, selectors.EVENT_READ)
        selector.register(guarded.control, selectors.EVENT_READ)
        while not guarded.over and (now := time.monotonic()) < give_up:
            if not cut and now >= ask:
                ask = now + _ASK_SECONDS
                if cut := limits.cut():
                    guarded.end_command()
                    give_up = now + limits.grace + GUARD_SECONDS
            for key, _ in selector.select(_ASK_SECONDS):
                if key.fileobj is guarded.control:
                    guarded.hear()
                elif not _read(guarded.output, recorder):
                    selector.unregister(guarded.output)
    return cut


def _read(output: int, recorder: Recorder) -> bool:
    """Record what can be read at once; return whether there may be more."""
    try:
        data = os.read(output, _PIECE)
    except BlockingIOError:
        return False
    recorder.feed(data)
    return bool(data)


def _drain(output: int, recorder: Recorder) -> None:
    """Record what is left in the pipe; one that escaped may hold it open, and write on."""
    deadline = time.monotonic() + _DRAIN_SECONDS
    while _read(output, recorder) and time.monotonic() < deadline:
        pass


def _note(guarded: Guarded) -> bytes:
    """Return the line for the log that says what is unusual about this end."""
    if guarded.left:
        return b"\n[gitagent: %d processes could not be killed]\n" % guarded.left
    if guarded.pid is not None and not guarded.reported:
        return b"\n[gitagent: the process that guards this command was killed]\n"
    return b""


def _not_found(failure: Failure | None, program: str, cwd: Path, stdin: Path | None) -> bool:
    """Return whether the program is missing; raise ExternalError for any other failure."""
    if failure is None:
        return False
    if failure.step == "exec" and failure.number in _NOT_A_PROGRAM:
        return True
    place = {"cwd": f" in `{cwd}`", "stdin": f" on `{stdin}`"}.get(failure.step, "")
    raise ExternalError(f"cannot run `{program}`{place}: {os.strerror(failure.number)}")
