"""Bringing work onto a base: merged without a checkout, moved without touching a person's work."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

import pygit2
from pygit2.enums import DeltaStatus

from gitagent.core.errors import ConflictError
from gitagent.git import commits
from gitagent.git.command import failure
from gitagent.git.repository import GITAGENT, Checkout, Repository
from gitagent.text import one_line

_NEVER = datetime.fromtimestamp(0, UTC)
_SAID = 300
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


def replay(repository: Repository, base: str, onto: str, work: str) -> Merged | Conflicted:
    """Put the change from `base` to `work` on top of `onto`, whatever their histories are.

    Three commits that nobody keeps say so to `git merge-tree`: its `--merge-base` came with
    git 2.40, and a shallow clone, or work on a branch that was rewritten, has no other.
    """
    trees = (repository.tree_of(each) for each in (base, onto, work))
    root = commits.write(repository, commits.Draft(next(trees), (), "base", GITAGENT, _NEVER))
    sides = [
        commits.write(repository, commits.Draft(tree, (root,), "side", GITAGENT, _NEVER))
        for tree in trees
    ]
    return merge_tree(repository, *sides)


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


def parted(repository: Repository, one: str, other: str) -> str | None:
    """Return a best common ancestor of two commits, as far as this clone's history goes."""
    found: pygit2.Oid | None = repository.raw.merge_base(one, other)
    return None if found is None else str(found)


class Patches:
    """The patch-ids of a repository's commits, each computed once: a diff is not for free."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._known: dict[str, str] = {}

    def found_as(self, tip: str, since: str, work: str) -> str | None:
        """Return the commit of `since..tip` that is `work` or makes the same change, or None.

        A rebase or a squash keeps the patch-id. At most `_SEARCHED` commits are looked at.
        """
        if tip == since:
            return None
        if contains(self._repository, tip, work):
            return work
        wanted = self._between(since, work)
        walker = self._repository.raw.walk(tip)
        walker.hide(since)
        single = (each for each in islice(walker, _SEARCHED) if len(each.parent_ids) == 1)
        return next((str(each.id) for each in single if self._of(each) == wanted), None)

    def _of(self, commit: pygit2.Commit) -> str:
        oid = str(commit.id)
        if oid not in self._known:
            self._known[oid] = self._between(str(commit.parent_ids[0]), oid)
        return self._known[oid]

    def _between(self, old: str, new: str) -> str:
        commit = self._repository.commit
        return str(self._repository.raw.diff(commit(old), commit(new)).patchid)


@dataclass(frozen=True, slots=True)
class Made:
    """A commit on a base, and the run that put it there."""

    commit: str
    run: str


def made_for(repository: Repository, tip: str, since: str, task: str) -> Made | None:
    """Return the newest commit of `since..tip` whose trailers name this task; None without one.

    Where this clone does not have `since`, at most `_SEARCHED` commits are looked at.
    """
    walker = repository.raw.walk(tip)
    found: Iterable[pygit2.Commit] = walker
    if since in repository.raw:
        walker.hide(since)
    else:
        found = islice(walker, _SEARCHED)
    for commit in found:
        trailers = dict(line.partition(": ")[::2] for line in commit.message.splitlines())
        if trailers.get("Gitagent-Task") == task:
            return Made(str(commit.id), trailers.get("Gitagent-Run", ""))
    return None


class CannotFollow(ConflictError):
    """A checkout of the base cannot be moved with it as it is now."""


class InTheWay(CannotFollow):
    """A checkout has changes where the base would move; `paths` names them."""

    def __init__(self, checkout: Checkout, paths: tuple[str, ...]) -> None:
        self.paths = paths
        named = ", ".join(f"`{path}`" for path in paths) or "something"
        message = f"{named} is in the way in `{checkout.path}`"
        hint = "commit, stash or move it, then try again"
        super().__init__(message, hint=hint)


def move_branch(repository: Repository, branch: str, expected: str, new: str) -> None:
    """Move a branch from `expected` to its descendant `new`, with its checkout if it has one.

    Raises `ConflictError` when the branch is elsewhere by now, and `CannotFollow` (with the
    paths, `InTheWay`) when the checkout cannot follow; nothing was changed then.
    """
    checkout = repository.checkout_of(branch)
    if checkout is None:
        repository.refs.update({f"refs/heads/{branch}": (expected, new)})
        return
    if repository.branch_commit(branch) != expected:
        message = f"the branch `{branch}` has moved"
        raise ConflictError(message)
    buried = _buried(repository, checkout, expected, new)
    if buried:
        raise InTheWay(checkout, buried)
    _fast_forward(repository, checkout, new)


def _fast_forward(repository: Repository, checkout: Checkout, new: str) -> None:
    """Let `git` do what the person would: their filters run, their hooks do not."""
    git = type(repository.git)(checkout.git_dir, repository.git.environment)
    before = _orig_head(checkout)
    captured = git.run("merge", "--ff-only", "--no-stat", "-q", new, work_tree=checkout.path)
    if captured.exit_code == 0:
        return
    if _orig_head(checkout) != before:
        _restore_orig_head(checkout, before)
    said = captured.stderr.decode(errors="surrogateescape")
    paths = tuple(line[1:] for line in said.splitlines() if line.startswith("\t"))
    if paths:
        raise InTheWay(checkout, paths)
    if "fast-forward" in said:
        message = f"the branch `{checkout.branch}` has moved"
        raise ConflictError(message)
    message = f"the checkout `{checkout.path}` cannot follow: {one_line(said, _SAID)}"
    raise CannotFollow(message, hint="mend that, then try again")


def _buried(repository: Repository, checkout: Checkout, old: str, new: str) -> tuple[str, ...]:
    """Return the staged new files in a folder that a file of `new` is to replace.

    git 2.39 drops these from the index and the disk without a word.
    """
    deltas = list(repository.raw.diff(repository.commit(old), repository.commit(new)).deltas)
    gone = {d.old_file.raw_path for d in deltas if d.status == DeltaStatus.DELETED}
    added = {d.new_file.raw_path for d in deltas if d.status == DeltaStatus.ADDED}
    folders = {parent for path in gone for parent in _parents(path)} & added
    if not folders:
        return ()
    git = type(repository.git)(checkout.git_dir, repository.git.environment)
    names = [os.fsdecode(folder) for folder in sorted(folders)]
    captured = git.run("--literal-pathspecs", "ls-files", "-z", "--", *names)
    staged = {path for path in captured.stdout.split(b"\0") if path}
    return tuple(os.fsdecode(path) for path in sorted(staged - gone))


def _parents(path: bytes) -> Iterator[bytes]:
    while b"/" in path:
        path = path.rpartition(b"/")[0]
        yield path


def _orig_head(checkout: Checkout) -> bytes | None:
    """Return what `git merge` writes even when it then refuses: the person may still need it."""
    path = checkout.git_dir / "ORIG_HEAD"
    return path.read_bytes() if path.is_file() else None


def _restore_orig_head(checkout: Checkout, before: bytes | None) -> None:
    path = checkout.git_dir / "ORIG_HEAD"
    if before is None:
        path.unlink()
    else:
        path.write_bytes(before)
