"""Putting work that passed where it should go: the last step before landing."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, assert_never

from gitagent import proc
from gitagent.core.claim import Claim
from gitagent.core.errors import ConflictError
from gitagent.core.events import Event, Integrated, IntegrationHeld, Rebased, StopRequested
from gitagent.core.run import Candidate
from gitagent.core.task import Integrate, WaitingFor
from gitagent.git import merge
from gitagent.git.repository import Repository
from gitagent.runner.bases import NotTaken, move_base
from gitagent.runner.project import Project
from gitagent.runner.select import new_claim
from gitagent.runner.waiting import pause
from gitagent.store.claims import TURN, Held

if TYPE_CHECKING:
    from gitagent.runner.work import Work

_TRIES = 20
"""How often a base that moves while we rebase is tried again."""


def place(work: Work, candidate: Candidate) -> Event:
    """Put `candidate` where the order says, and return what came of it."""
    task = work.order.task.id
    match work.order.integrate:
        case Integrate.BRANCH | Integrate.PR:
            return Integrated(candidate.commit, f"gitagent/{task}")
        case Integrate.COMMIT:
            return _on_base(work, candidate)
        case Integrate.PATCH:
            return Integrated(candidate.commit, _write_patch(work, candidate))
        case Integrate.NONE:
            return Integrated(candidate.commit, str(work.worktree))
        case Integrate.REPORT:
            return Integrated(candidate.commit)
        case _:
            assert_never(work.order.integrate)


def _write_patch(work: Work, candidate: Candidate) -> str:
    path = work.folder / f"{work.order.task.id}.patch"
    path.write_bytes(merge.binary_patch(work.project.repository, candidate.base, candidate.commit))
    return str(path)


def _on_base(work: Work, candidate: Candidate) -> Event:
    """Move the base, or return the work on top of the base as it is now, to be judged again.

    PROTOCOL section 6: what makes it exactly once is that the very base which the move
    expects was searched for this task before.
    """
    branch = work.order.base.branch
    if work.turn is None and not _take_turn(work, branch):
        return _stopped(work)
    for _ in range(_TRIES):
        event = _try_base(work, branch, candidate)
        if event is not None:
            return event
    return IntegrationHeld(f"`{branch}` moved {_TRIES} times while the work was to land")


def _try_base(work: Work, branch: str, candidate: Candidate) -> Event | None:
    """Move the base if it is where the work stands; None when it moved at that moment."""
    project = work.project
    project.upstream.refresh()
    tip = project.base_tip(branch)
    done = merge.made_for(project.repository, tip, work.held.claim.base, work.order.task.id)
    if done is not None:
        return Integrated(done.commit, branch, run=done.run)
    if tip != candidate.base:
        return _rebased(work, tip, candidate)
    if work.should_stop():
        return _stopped(work)
    try:
        move_base(project, branch, tip, candidate.commit)
    except (merge.CannotFollow, NotTaken) as error:
        return IntegrationHeld(str(error))
    except ConflictError:
        return None
    return Integrated(candidate.commit, branch)


def _stopped(work: Work) -> Event:
    return StopRequested(work.why_stop() or "a person")


def _rebased(work: Work, tip: str, candidate: Candidate) -> Event:
    rebased = rebase(work.project.repository, tip, candidate)
    if isinstance(rebased, merge.Conflicted):
        named = ", ".join(f"`{path}`" for path in rebased.paths)
        reason = f"conflicts with `{work.order.base.branch}` as it is now: {named}"
        return IntegrationHeld(reason, WaitingFor.CONFLICT)
    if rebased.tree == rebased.base_tree:
        return Integrated(tip, work.order.base.branch)  # somebody else put the same there
    commit = work.commit(rebased.tree, tip)
    return Rebased(Candidate(tip, rebased.base_tree, commit, rebased.tree))


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree on top of a base: both ids."""

    tree: str
    base_tree: str


def rebase(repository: Repository, tip: str, candidate: Candidate) -> Tree | merge.Conflicted:
    """Return the tree of `candidate`'s change on top of `tip`, or the paths in conflict."""
    merged = merge.replay(repository, candidate.base, tip, candidate.commit)
    if isinstance(merged, merge.Conflicted):
        return merged
    return Tree(merged.tree, repository.tree_of(tip))


def _take_turn(work: Work, branch: str) -> bool:
    """Wait for the landing turn of a base, itself a claim; False when told to stop."""
    wanted = new_claim(work.project, f"{TURN}{branch}", work.held.claim.base, run=work.run)
    watched, since = None, 0.0
    while work.why_stop() is None:
        now = work.project.claims.ask(wanted.task)
        if not isinstance(now, Held):
            now = None
        if now is None or now.oid != watched:
            watched, since = now and now.oid, time.monotonic()
        if now is None or _is_abandoned(now, since):
            work.turn = _take(work.project, wanted, now)
            if work.turn is not None:
                return True
        pause(0.03, 0.4)
    return False


def _is_abandoned(held: Held, since: float) -> bool:
    expired = time.monotonic() - since >= held.claim.lease_s
    return expired or proc.is_dead_here(held.claim.process)


def _take(project: Project, wanted: Claim, former: Held | None) -> Held | None:
    epoch = former.claim.epoch + 1 if former else 1
    turn = replace(wanted, epoch=epoch)
    held = project.claims.take(turn, project.now(), former.oid if former else None)
    if held is not None:
        project.heart.add(held)
    return held
