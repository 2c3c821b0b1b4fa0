"""Bringing work onto a base: merged without a checkout, moved without touching a person's work."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import pygit2

from gitagent.core.errors import ConflictError, ExternalError
from gitagent.git.command import failure
from gitagent.git.repository import Checkout, Repository


_SEARCHED = 500


@dataclass(frozen=True, slots=True)
class Merged:
    """A merge that worked: the id of its tree."""

    tree: str


@dataclass(frozen=True, slots=True)
class Conflicted:
    """A merge that did not: the paths in conflict."""

    paths: tuple[str, ...]


def merge_tree(repository: Repository, base: str, work: str) -> Merged | Conflicted:
    """Merge two commits in memory; nothing in the repository but objects is written."""
    arguments = ("merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", base, work)
    captured = repository.git.run(*arguments)
    if captured.exit_code not in (0, 1):
        raise failure(arguments, captured)
    tree, *paths = captured.stdout.decode(errors="surrogateescape").rstrip("\0").split("\0")
    if captured.exit_code == 0:
        return Merged(tree)
    return Conflicted(tuple(path for path in paths if path))


def binary_patch(repository: Repository, old: str, new: str) -> bytes:
    """Return the difference of two commits as a patch that `git apply` takes."""
    options = ("--no-ext-diff", "--no-textconv", "--no-color", "--binary", "--full-index")
    arguments = ("diff", *options, old, new, "--")
    captured = repository.git.run(*arguments)
    if captured.exit_code != 0:
        raise failure(arguments, captured)
    return captured.stdout


def contains(repository: Repository, commit: str, ancestor: str) -> bool:
    """Say whether `ancestor` is `commit` or lies in its history."""
    if commit == ancestor:
        return True
    try:
        return repository.raw.descendant_of(commit, ancestor)
    except (KeyError, ValueError, pygit2.GitError):
        return False


def found_as(repository: Repository, tip: str, since: str, work: str) -> str | None:
    """Return the commit of `since..tip` that is `work`, or makes the same change; else None.

    A rebase or a squash keeps the patch-id. At most `_SEARCHED` commits are looked at.
    """
    if tip == since:
        return None
    if contains(repository, tip, work):
        return work
    raw = repository.raw
    wanted = raw.diff(repository.commit(since), repository.commit(work)).patchid
    walker = raw.walk(tip)
    walker.hide(since)
    for commit in islice(walker, _SEARCHED):
        if len(commit.parents) == 1:
            if raw.diff(commit.parents[0], commit).patchid == wanted:
                return str(commit.id)
    return None


class InTheWay(ConflictError):
    """A checkout has changes where the base would move; `paths` names them."""

    def __init__(self, checkout: Checkout, paths: tuple[str, ...]) -> None:
        self.paths = paths
        named = ", ".join(f"`{path}`" for path in paths) or "something"
        message = f"{named} is in the way in `{checkout.path}`"
        hint = "commit, stash or move it, then try again"
        super().__init__(message, hint=hint)


def move_branch(repository: Repository, branch: str, expected: str, new: str) -> None:
    """Move a branch from `expected` to its descendant `new`, with its checkout if it has one.

    Raises `ConflictError` when the branch is elsewhere by now, and `InTheWay` when the
    checkout cannot follow; nothing was changed then.
    """
    checkout = repository.checkout_of(branch)
    if checkout is None:
        repository.refs.update({f"refs/heads/{branch}": (expected, new)})
        return
    if repository.branch_commit(branch) != expected:
        message = f"the branch `{branch}` has moved"
        raise ConflictError(message)
    _fast_forward(repository, checkout, new)


def _fast_forward(repository: Repository, checkout: Checkout, new: str) -> None:
    """Let `git` do what the person would: their filters run, their hooks do not."""
    git = type(repository.git)(checkout.git_dir, repository.git.environment)
    captured = git.run("merge", "--ff-only", "--no-stat", "-q", new, work_tree=checkout.path)
    if captured.exit_code == 0:
        return
    said = captured.stderr.decode(errors="surrogateescape")
    paths = tuple(line[1:] for line in said.splitlines() if line.startswith("\t"))
    if paths:
        raise InTheWay(checkout, paths)
    if "fast-forward" in said:
        message = f"the branch `{checkout.branch}` has moved"
        raise ConflictError(message)
    message = f"the checkout `{checkout.path}` cannot follow: {said.strip()}"
    raise ExternalError(message)
