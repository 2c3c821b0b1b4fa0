"""Where claims and results are decided: the refs of this clone, or those of a remote.

Every rule of PROTOCOL is a compare-and-swap of one ref, written once over `Upstream`. Refs
are named as a remote has them; what was fetched of them lies elsewhere (`claims`, `tasks`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeAlias

from gitagent.core.errors import ExternalError, Refused
from gitagent.git.flock import exclusive
from gitagent.git.refs import (
    CLAIMS,
    FETCHED_CLAIMS,
    FETCHED_HEADS,
    FETCHED_TASKS,
    STALE,
    TASKS,
)
from gitagent.git.repository import Repository

if TYPE_CHECKING:
    from gitagent.git.remote import Remote

FETCHED = "refs/gitagent/r/"
"""Below which everything lies that was fetched."""

Changes: TypeAlias = Mapping[str, tuple[str | None, str | None]]
"""Refs, each with the value expected there and the new one; None is "no such ref"."""


class Upstream(Protocol):
    """Where the queue is decided.

    `shared` says whether that is a remote; `tasks` and `claims` are where this clone has what
    it last heard of the tasks branch and (a prefix) of the claims.
    """

    shared: ClassVar[bool]
    tasks: ClassVar[str]
    claims: ClassVar[str]

    def refresh(self) -> None:
        """Hear anew; raises `NoAnswer`, or `Refused` when the tasks branch was rewritten."""
        ...

    def follow(self, branch: str) -> None:
        """Hear of `branch` too at each `refresh`, the first time now; raises `NoAnswer`."""
        ...

    def branch(self, name: str) -> str | None:
        """Return the commit of a branch as last heard; None when there was none."""
        ...

    def read(self, ref: str) -> str | None:
        """Ask for the value of one ref; raises `NoAnswer`, which is not "no such ref"."""
        ...

    def move(self, changes: Changes) -> frozenset[str]:
        """Move each ref by compare-and-swap of its own; return those that are surely placed.

        A ref that is not returned may have been moved all the same: read it.
        """
        ...

    def said(self, ref: str) -> str | None:
        """Return what the last `move` was told of a ref that it did not place, for people."""
        ...


class LocalRefs:
    """The refs of this clone: nothing leaves the machine."""

    shared: ClassVar[bool] = False
    tasks: ClassVar[str] = TASKS
    claims: ClassVar[str] = CLAIMS

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def refresh(self) -> None:
        """Do nothing: refs are read as they are."""

    def follow(self, branch: str) -> None:
        """Do nothing, as `refresh`."""

    def branch(self, name: str) -> str | None:
        """Return the tip of a local branch."""
        return self._repository.branch_commit(name)

    def read(self, ref: str) -> str | None:
        """Return the value of a ref."""
        return self._repository.refs.read(ref)

    def move(self, changes: Changes) -> frozenset[str]:
        """Move refs; what is not returned was not moved."""
        return self._repository.refs.move(changes)

    def said(self, ref: str) -> str | None:
        """Return None: here a move fails for one reason only."""
        return None


class Rewritten(Refused):
    """The tasks branch of the remote was deleted, or does not hold any more what it held.

    `there` is what it is now, None when it is gone.
    """

    def __init__(self, there: str | None) -> None:
        self.there = there
        what = "deleted" if there is None else "rewritten"
        message = f"the tasks branch was {what} on the remote; nothing was changed here"
        hint = "run `gitagent sync --restore` to put back what is missing there"
        super().__init__(message, hint=hint)


class RemoteRefs:
    """The refs of a remote, by `git push` with an expected value for each, and `git fetch`.

    `prefix` is where the server keeps claims: `refs/gitagent/claims/`, or a folder below
    `refs/heads` on a server that refuses refs elsewhere.
    """

    shared: ClassVar[bool] = True
    tasks: ClassVar[str] = FETCHED_TASKS
    claims: ClassVar[str] = FETCHED_CLAIMS

    def __init__(self, repository: Repository, remote: Remote, prefix: str = CLAIMS) -> None:
        self._repository = repository
        self._remote = remote
        self._prefix = prefix
        self._branches: set[str] = set()
        self._reasons: Mapping[str, str] = {}

    def refresh(self) -> None:
        """Fetch the tasks branch, the claims and the branches that are followed."""
        with self._fetching():
            fetched = self._remote.fetch(self._specs())
            if fetched.exit_code != 0 and self._outlived_locks():
                fetched = self._remote.fetch(self._specs())
        deleted = TASKS in fetched.missing and self._repository.refs.read(FETCHED_TASKS) is not None
        if deleted or TASKS in fetched.rewound:
            raise Rewritten(fetched.rewound.get(TASKS))
        if fetched.exit_code != 0:
            raise ExternalError(f"the remote cannot be fetched from: {fetched.said}")

    def follow(self, branch: str) -> None:
        """Fetch `branch` with each `refresh`, and now if this clone has never heard of it."""
        if branch not in self._branches:
            self._branches.add(branch)
            if self.branch(branch) is None:
                self.refresh()

    def branch(self, name: str) -> str | None:
        """Return the commit that a branch of the remote had when it was last fetched."""
        return self._repository.refs.read(f"{FETCHED_HEADS}{name}")

    def read(self, ref: str) -> str | None:
        """Ask the remote for one ref (`git ls-remote`)."""
        there = self._there(ref)
        return self._remote.read(there).get(there)

    def move(self, changes: Changes) -> frozenset[str]:
        """Push each ref with its expected value."""
        pushed = self._remote.push({self._there(ref): each for ref, each in changes.items()})
        self._reasons = pushed.reasons
        return frozenset(ref for ref in changes if pushed.placed(self._there(ref)))

    def said(self, ref: str) -> str | None:
        """Return the reason that the last push gave for a ref."""
        return self._reasons.get(self._there(ref))

    def _outlived_locks(self) -> bool:
        """Wait for and remove the locks that a killed `git fetch` left; return if there were any.

        Nobody else fetches meanwhile, and git itself would fail on them for ever.
        """
        folder = self._repository.common_dir / FETCHED
        found = any(folder.rglob("*.lock"))
        deadline = time.monotonic() + STALE + 1
        while any(folder.rglob("*.lock")) and time.monotonic() < deadline:
            if not self._repository.refs.heal():
                time.sleep(0.1)
        return found

    def _there(self, ref: str) -> str:
        return ref.replace(CLAIMS, self._prefix, 1) if ref.startswith(CLAIMS) else ref

    def _specs(self) -> Sequence[str]:
        heads = [f"+refs/heads/{each}:{FETCHED_HEADS}{each}" for each in sorted(self._branches)]
        # Without a plus: a tasks branch that was rewound is never taken in silence.
        return [f"{TASKS}:{FETCHED_TASKS}", f"+{self._prefix}*:{FETCHED_CLAIMS}*", *heads]

    def _fetching(self) -> AbstractContextManager[Path]:
        """Let one process or thread of this clone fetch at a time: git fails where two meet."""
        return exclusive(self._repository.home / "fetch.lock")
