"""Short programs that are trusted, such as `git`."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gitagent.core.errors import ExternalError
from gitagent.proc.tree import kill_tree


@dataclass(frozen=True, slots=True)
class Captured:
    """What a program gave; `exit_code` is 128+n for a signal n."""

    exit_code: int
    stdout: bytes
    stderr: bytes


def capture(
    argv: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    stdin: bytes = b"",
    timeout: float = 60.0,
) -> Captured:
    """Run a trusted program to its end and return all it printed.

    `environment` is all that it gets, and its PATH finds the program. Runs in its own session,
    so that no prompt can reach the terminal. Raises ExternalError when the program cannot be
    started, or has not ended after `timeout` seconds (then its whole tree is killed).
    """
    # Files, not pipes: what the program leaves running (an ssh master) may hold a pipe open.
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        given.write(stdin)
        given.seek(0)
        process = _start(argv, cwd, environment, (given, out, err))
        code = _wait(process, argv[0], timeout)
        out.seek(0)
        err.seek(0)
        return Captured(code if code >= 0 else 128 - code, out.read(), err.read())


def _start(
    argv: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str],
    files: tuple[IO[bytes], IO[bytes], IO[bytes]],
) -> subprocess.Popen[bytes]:
    stdin, stdout, stderr = files
    try:
        return subprocess.Popen(  # noqa: S603 (starting processes is this package's work)
            argv,
            cwd=cwd,
            env=environment,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
    except OSError as error:
        raise _not_started(argv[0], cwd, error) from error


def _not_started(program: str, cwd: Path, error: OSError) -> ExternalError:
    if not cwd.is_dir():
        return ExternalError(f"cannot run `{program}` in `{cwd}`: no such folder")
    reason = error.strerror or str(error)
    hint = f"install `{program}`, or put the folder it is in on PATH"
    return ExternalError(f"cannot run `{program}`: {reason}", hint=hint)


def _wait(process: subprocess.Popen[bytes], program: str, timeout: float) -> int:
    try:
        return process.wait(timeout - _sleep(process, timeout))
    except subprocess.TimeoutExpired:
        message = f"`{program}` did not end within {timeout:g} seconds and was killed"
        raise ExternalError(message) from None
    finally:
        if process.returncode is None:  # too late, or interrupted from the keyboard
            kill_tree(process.pid, session=process.pid)
            process.wait()


def _sleep(process: subprocess.Popen[bytes], timeout: float) -> float:
    """Sleep until a process has ended, and return for how long.

    `Popen.wait` with a timeout looks again only after up to 50 ms. 0 where there is nothing
    better: on macOS, and on a Linux from before 5.3.
    """
    if sys.platform != "linux":
        return 0.0
    began = time.monotonic()
    try:
        handle = os.pidfd_open(process.pid)
    except OSError:
        return 0.0
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        poll.poll(timeout * 1000)
    finally:
        os.close(handle)
    return time.monotonic() - began
