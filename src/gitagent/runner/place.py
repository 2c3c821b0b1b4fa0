"""Putting work that passed where it should go: the last step before landing."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from gitagent.core.claim import Claim
from gitagent.core.errors import ConflictError
from gitagent.core.events import Event, Integrated, IntegrationHeld, Rebased, StopRequested
from gitagent.core.run import Candidate
from gitagent.core.task import Integrate, WaitingFor
from gitagent.git import merge
from gitagent.git.repository import Repository
from gitagent.runner.select import new_claim, take_free_or_dead

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
    """Move the base, or return the work on top of the base as it is now, to be judged again."""
    repository, branch = work.project.repository, work.order.base.branch
    if work.turn is None and not _take_turn(work, branch):
        return StopRequested("a person")
    for _ in range(_TRIES):
        tip = repository.base_commit(branch)
        if tip != candidate.base:
            return _rebased(work, tip, candidate)
        try:
            merge.move_branch(repository, branch, tip, candidate.commit)
        except merge.CannotFollow as error:
            return IntegrationHeld(str(error))
        except ConflictError:
            continue
        return Integrated(candidate.commit, branch)
    return IntegrationHeld(f"`{branch}` moved {_TRIES} times while the work was to land")


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
    """Return the tree of `candidate` on top of `tip`, or the paths in conflict."""
    merged = merge.merge_tree(repository, tip, candidate.commit)
    if isinstance(merged, merge.Conflicted):
        return merged
    return Tree(merged.tree, repository.tree_of(tip))


def _take_turn(work: Work, branch: str) -> bool:
    """Wait for the landing turn of a base, itself a claim; False when told to stop."""
    claim: Claim = new_claim(work.project, f"base-{branch}", work.held.claim.base, run=work.run)
    while not work.stop():
        work.turn = take_free_or_dead(work.project, claim)
        if work.turn is not None:
            return True
        time.sleep(random.uniform(0.03, 0.4))
    return False
