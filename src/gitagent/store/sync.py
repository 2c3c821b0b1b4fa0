"""Keeping the tasks branch of this clone and of the remote the same: fetch, merge, push."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from gitagent.core.errors import ConflictError, ExternalError
from gitagent.git import merge as ancestry
from gitagent.git.refs import FETCHED_TASKS, KEPT, TASKS
from gitagent.git.repository import Repository
from gitagent.store.branch import TasksBranch
from gitagent.store.merge import merge
from gitagent.store.upstream import Upstream

_TRIES = 50
"""How often a tasks branch that other processes of this clone move is read anew."""


def sync(
    repository: Repository, upstream: Upstream, when: datetime, tries: Iterable[object]
) -> bool:
    """Fetch, merge, and push what only this clone had; returns whether something was pushed.

    `tries` waits between its items. Raises `Rewritten`, `NoAnswer`, and `ExternalError` when
    the remote did not take it.
    """
    for _ in tries:
        upstream.refresh()
        ours = catch_up(repository, upstream, when)
        theirs = repository.refs.read(upstream.tasks)
        if ours is None or ours == theirs:
            return False
        if TASKS in upstream.move({TASKS: (theirs, ours)}):
            _heard(repository, theirs, ours)
            return True
    said = upstream.said(TASKS) or "it gave no answer"
    message = f"the remote does not take the tasks branch: {said}"
    raise ExternalError(message, hint="see `gitagent doctor`")


def catch_up(repository: Repository, upstream: Upstream, when: datetime) -> str | None:
    """Bring this clone's tasks branch up to what was last heard, and return its commit.

    What both sides changed is merged; nothing is pushed.
    """
    for _ in range(_TRIES):
        ours, theirs = repository.refs.read(TASKS), repository.refs.read(upstream.tasks)
        if theirs is None or ours == theirs:
            return ours
        if ours is not None and ancestry.contains(repository, ours, theirs):
            return ours
        TasksBranch(repository).refuse_checked_out()
        joined = theirs if ours is None else merge(repository, ours, theirs, when)
        try:
            repository.refs.update({TASKS: (ours, joined)})
        except ConflictError:
            continue
        return joined
    message = "the tasks branch moves all the time"
    raise ConflictError(message, hint="try again")


def keep(repository: Repository) -> str | None:
    """Keep the tasks branch as this clone has it under a ref of its own, and return that."""
    tip = repository.refs.read(TASKS)
    if tip is None:
        return None
    ref = f"{KEPT}{tip}"
    with repository.refs.locked(ref) as locked:
        locked.set(ref, tip)
    return ref


def restore(repository: Repository, upstream: Upstream, there: str | None, when: datetime) -> None:
    """Push what a rewritten tasks branch lost, merged with what it holds now (`there`)."""
    ours = repository.refs.read(TASKS)
    if ours is None:
        message = "this clone has no tasks branch to restore from"
        raise ExternalError(message)
    joined = ours if there is None else merge(repository, ours, there, when)
    if TASKS not in upstream.move({TASKS: (there, joined)}):
        said = upstream.said(TASKS) or "it moved meanwhile"
        message = f"the remote does not take the tasks branch: {said}"
        raise ExternalError(message, hint="run `gitagent sync --restore` again")
    repository.refs.update({TASKS: (ours, joined)})


def accept_rewritten(repository: Repository, there: str) -> None:
    """Let this clone's tasks branch be what the remote holds now; `keep` was called before."""
    ours, heard = repository.refs.read(TASKS), repository.refs.read(FETCHED_TASKS)
    repository.refs.update({TASKS: (ours, there), FETCHED_TASKS: (heard, there)})


def _heard(repository: Repository, before: str | None, now: str) -> None:
    """Note what the push placed, so that nobody needs to fetch to know it."""
    try:
        repository.refs.update({FETCHED_TASKS: (before, now)})
    except ConflictError:
        return  # somebody fetched meanwhile
