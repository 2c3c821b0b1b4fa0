"""Local refs: locked first, moved by compare-and-swap, healed where a dead process locked them.

One flock per repository stands around every write of gitagent's (SECURITY D13), so that
writers wait for each other instead of failing. Under it, a ref lock in gitagent's own
namespace that is older than `STALE` seconds belongs to a process that was killed.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import pygit2

from gitagent.core.errors import ConflictError, ExternalError
from gitagent.git.flock import exclusive
from gitagent.git.plain_refs import CLAIMS, FETCHED_CLAIMS, TASKS

__all__ = [
    "BRANCHES",
    "CLAIMS",
    "FETCHED_CLAIMS",
    "FETCHED_HEADS",
    "FETCHED_TASKS",
    "KEPT",
    "LANDINGS",
    "OWN",
    "RUNS",
    "TASKS",
    "LockedRefs",
    "Refs",
]

BRANCHES = "refs/heads/gitagent/"
RUNS = "refs/gitagent/runs/"
LANDINGS = "refs/gitagent/landings/"
"""Landings that were written and may not have reached the remote yet."""
KEPT = "refs/gitagent/kept/"
"""Copies of a tasks branch that somebody rewrote elsewhere, each named by its own commit."""
FETCHED_TASKS = "refs/gitagent/r/tasks"
FETCHED_HEADS = "refs/gitagent/r/heads/"
"""What the remote had when it was last asked."""
OWN = (BRANCHES, "refs/gitagent/")
"""The namespaces that are gitagent's; nothing elsewhere is ever healed or deleted."""

STALE = 10.0
"""Seconds after which a lock in our own namespace is a dead process's (SECURITY D13)."""
PATIENCE = 20.0
"""Seconds to wait for a lock in our own namespaces: longer than it takes to be stale."""
FOREIGN_PATIENCE = 5.0
"""Seconds to wait for a lock on any other ref, which is never healed."""


class Refs:
    """The refs of one repository. `home` is gitagent's folder in the common git dir."""

    def __init__(self, raw: pygit2.Repository, common_dir: Path, home: Path) -> None:
        self._raw = raw
        self._common_dir = common_dir
        self._home = home

    def read(self, ref: str) -> str | None:
        """Return the commit id that `ref` names; None when there is no such ref."""
        found = self._raw.references.get(ref)
        return None if found is None else str(found.resolve().target)

    def below(self, prefix: str) -> dict[str, str]:
        """Return the refs below `prefix` (which ends with a slash) and their values."""
        names = self._raw.references.iterator()
        return {
            ref.name: str(ref.target)
            for ref in names
            if ref.name.startswith(prefix) and isinstance(ref.target, pygit2.Oid)
        }

    @contextmanager
    def locked(self, *refs: str) -> Iterator[LockedRefs]:
        """Lock `refs` and yield them; what was set is written at the end, or nothing is.

        Raises `ExternalError` when somebody else holds a lock for longer than `PATIENCE`.
        """
        with self._exclusive() as lock_file, LockedRefs(self._raw) as locked:
            for ref in refs:
                self._lock(locked, ref, lock_file)
            yield locked

    def update(self, changes: Mapping[str, tuple[str | None, str | None]]) -> None:
        """Move refs from one value to another, all or none; None means "no such ref".

        Raises `ConflictError` when one of them has another value than expected.
        """
        with self.locked(*changes) as locked:
            for ref, (expected, new) in changes.items():
                found = self.read(ref)
                if found != expected:
                    message = f"`{ref}` is {found or 'absent'}, not {expected or 'absent'}"
                    raise ConflictError(message)
                locked.set(ref, new)

    def move(self, changes: Mapping[str, tuple[str | None, str | None]]) -> frozenset[str]:
        """Move each ref that has its expected value, and return those; None as in `update`."""
        with self.locked(*changes) as locked:
            placed = {ref: new for ref, (old, new) in changes.items() if self.read(ref) == old}
            for ref, new in placed.items():
                locked.set(ref, new)
        return frozenset(placed)

    def stale_locks(self) -> list[Path]:
        """Return the lock files in our own namespaces that are older than `STALE`."""
        with self._exclusive() as lock_file:
            roots = [self._common_dir / own for own in OWN]
            locks = [lock for root in roots if root.is_dir() for lock in root.rglob("*.lock")]
            tasks = self._common_dir / f"{TASKS}.lock"
            return sorted({lock for lock in [*locks, tasks] if _is_stale(lock, lock_file)})

    def heal(self) -> list[Path]:
        """Remove the stale locks of our own namespaces and return what was removed."""
        healed = self.stale_locks()
        for lock in healed:
            lock.unlink(missing_ok=True)
        return healed

    def _exclusive(self) -> AbstractContextManager[Path]:
        return exclusive(self._home / "lock")

    def _lock(self, locked: LockedRefs, ref: str, lock_file: Path) -> None:
        own = ref.startswith(OWN)
        deadline = time.monotonic() + (PATIENCE if own else FOREIGN_PATIENCE)
        while True:
            try:
                return locked.lock(ref)
            except (OSError, ValueError, pygit2.GitError) as error:
                path = self._common_dir / f"{ref}.lock"
                if not path.exists() and not _is_lock_error(error):
                    raise
                if own and _is_stale(path, lock_file):
                    path.unlink(missing_ok=True)
                elif time.monotonic() > deadline:
                    message = f"`{path}` is held by another process"
                    hint = "wait for it, or run `gitagent doctor` if it died"
                    raise ExternalError(message, hint=hint) from error
                else:
                    time.sleep(random.uniform(0.005, 0.05))


class LockedRefs:
    """Locked refs, and what they shall become when the block ends without an error."""

    def __init__(self, raw: pygit2.Repository) -> None:
        self._transaction = raw.transaction()
        self._raw = raw

    def __enter__(self) -> Self:
        """Begin; nothing is locked yet."""
        self._transaction.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Write what was set, or nothing after an error, and unlock."""
        self._transaction.__exit__(kind, error, traceback)

    def lock(self, ref: str) -> None:
        """Lock one ref; raises what libgit2 raises when it is locked already."""
        self._transaction.lock_ref(ref)

    def set(self, ref: str, new: str | None) -> None:
        """Let `ref` name the commit `new` when the block ends, or not exist."""
        if new is not None:
            self._transaction.set_target(ref, new)
        elif self._raw.references.get(ref) is not None:
            self._transaction.remove(ref)


def _is_lock_error(error: Exception) -> bool:
    return "lock" in str(error).lower()


def _is_stale(lock: Path, clock_file: Path) -> bool:
    """Compare by the file system's own clock: the lock against a file touched just now."""
    try:
        os.utime(clock_file)
        return clock_file.stat().st_mtime - lock.stat().st_mtime > STALE
    except FileNotFoundError:
        return False
