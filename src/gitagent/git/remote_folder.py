"""What killed pushes leave in a remote that is a folder on this machine, and nobody else heals.

`git receive-pack`, killed, leaves the locks it held and the objects it had not taken over; a
`packed-refs.lock` then blocks every deletion for ever (PROTOCOL section 7, SECURITY V16).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

AGE = 600.0
"""Seconds without a change after which what a push left is nobody's (PROTOCOL section 7)."""

_LOCKS = ("packed-refs.lock", "shallow.lock", "HEAD.lock", "config.lock")
_QUARANTINES = ("tmp_objdir-incoming-*", "incoming-*")
"""Folders of `objects/` for what a push brings; git before 2.36 had the shorter name."""


def stale_remote_locks(path: Path) -> list[Path]:
    """Return the locks and quarantines that killed pushes left in the repository at `path`.

    `path` is a bare repository or has one in `.git`. Empty while any git process works there,
    or one whose folder we may not know runs. Raises `OSError` when `path` cannot be written to.
    """
    git_dir = _git_dir(path)
    found = sorted(_candidates(git_dir))
    if not found or _is_in_use(git_dir):
        return []
    now = _file_system_time(git_dir)
    return [each for each in found if now - _last_change(each) > AGE]


def foreign_locks(git_dir: Path) -> list[Path]:
    """Return the locks of a clone that may be a person's own git's, and are older than `AGE`.

    A `git fetch` of ours that was killed may have left `packed-refs.lock`; which of them did
    cannot be known. Empty while any git process works there.
    """
    found = [*git_dir.glob("*.lock"), *(git_dir / "refs").rglob("*.lock")]
    ours = (git_dir / "refs/gitagent", git_dir / "refs/heads/gitagent")
    found = [each for each in found if not any(map(each.is_relative_to, ours))]
    if not found or _is_in_use(git_dir):
        return []
    now = _file_system_time(git_dir)
    return sorted(each for each in found if now - _last_change(each) > AGE)


def remove_stale(path: Path) -> list[Path]:
    """Remove what `stale_remote_locks` finds, and return it; raises as that does."""
    found = stale_remote_locks(path)
    for each in found:
        if each.is_dir():
            shutil.rmtree(each)
        else:
            each.unlink(missing_ok=True)
    return found


def _git_dir(path: Path) -> Path:
    inner = path / ".git"
    return (inner if inner.is_dir() else path).resolve()


def _candidates(git_dir: Path) -> Iterator[Path]:
    yield from (git_dir / name for name in _LOCKS if (git_dir / name).is_file())
    yield from (git_dir / "refs").rglob("*.lock")
    for pattern in _QUARANTINES:
        yield from (each for each in (git_dir / "objects").glob(pattern) if each.is_dir())


def _is_in_use(git_dir: Path) -> bool:
    return any(_works_in(process, git_dir) for process in psutil.process_iter())


def _works_in(process: psutil.Process, git_dir: Path) -> bool:
    """Say whether a process is git's and has this repository as its folder or an argument."""
    try:
        if not process.name().startswith("git"):
            return False
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        known = {git_dir, git_dir.parent} if git_dir.name == ".git" else {git_dir}
        named = [Path(word.partition("=")[2] or word) for word in process.cmdline()]
        at = Path(process.cwd())
        return at.is_relative_to(git_dir) or any((at / each).resolve() in known for each in named)
    except psutil.AccessDenied:
        return True  # somebody else's git: it may well be working here
    except psutil.NoSuchProcess:
        return False


def _last_change(path: Path) -> float:
    """Return when the newest of `path` and all below it changed; a push adds file by file."""
    times = [path.stat().st_mtime] if path.exists() else [float("inf")]
    for each in path.rglob("*"):
        with suppress(FileNotFoundError):
            times.append(each.stat().st_mtime)
    return max(times)


def _file_system_time(folder: Path) -> float:
    """Return the time by the clock that stamps the files there, which may be another machine's."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix="gitagent-") as touched:
        return os.fstat(touched.fileno()).st_mtime
