"""What changed between two trees: a value for each path, and the patch as text.

Only objects are read: no textconv, external diff or filter runs (SECURITY V2, V4).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import pygit2
from pygit2.enums import DeltaStatus, DiffFind, DiffOption

from gitagent.git import blobs
from gitagent.git.trees import GITLINK, Id

Status: TypeAlias = Literal["added", "deleted", "modified", "renamed", "typechanged"]

MAX_TEXT = 16 << 20
"""Bytes of a file from which on it is not compared line by line, but shown as binary."""

_SNIFFED = 8000  # git's buffer_is_binary() looks this far for a NUL

_STATUS: dict[DeltaStatus, Status] = {
    DeltaStatus.ADDED: "added",
    DeltaStatus.DELETED: "deleted",
    DeltaStatus.MODIFIED: "modified",
    DeltaStatus.RENAMED: "renamed",
    DeltaStatus.TYPECHANGE: "typechanged",
}


@dataclass(frozen=True, slots=True)
class Change:
    """One path of a diff. Paths are as the file system has them (`os.fsdecode`).

    `old_path` is set for a rename only. A mode is 0 where there is no file.
    `added` and `deleted` count lines, 0 for binary files. `size` is the new file's, in bytes.
    """

    path: str
    status: Status
    old_path: str | None
    old_mode: int
    new_mode: int
    binary: bool
    added: int
    deleted: int
    size: int


def changes(repo: pygit2.Repository, old_tree: Id, new_tree: Id) -> tuple[Change, ...]:
    """Return what became of each path from `old_tree` to `new_tree`, sorted by path."""
    diff = _diff(repo, old_tree, new_tree)
    found = [_change(repo, delta) for delta in diff.deltas]
    return tuple(sorted(found, key=lambda change: os.fsencode(change.path)))


def patch(repo: pygit2.Repository, old_tree: Id, new_tree: Id, *, limit: int | None) -> bytes:
    """Return the unified diff, its first `limit` bytes where a limit is given.

    A binary file is only named, as `git diff` without `--binary` does.
    """
    pieces: list[bytes] = []
    left = limit
    for piece in _pieces(repo, _diff(repo, old_tree, new_tree, for_patch=True)):
        pieces.append(piece[:left])
        if left is not None:
            left -= len(pieces[-1])
            if left == 0:
                break
    return b"".join(pieces)


def _diff(
    repo: pygit2.Repository, old_tree: Id, new_tree: Id, *, for_patch: bool = False
) -> pygit2.Diff:
    """Compare two trees, with renames unless some path changed its type.

    libgit2 would take such a path apart for a rename, which git does not, and `git apply`
    refuses; in a patch it must be a deletion and an addition.
    """
    old, new = (repo[tree].peel(pygit2.Tree) for tree in (old_tree, new_tree))
    diff = old.diff_to_tree(new, flags=DiffOption.INCLUDE_TYPECHANGE, interhunk_lines=0)
    if all(delta.status != DeltaStatus.TYPECHANGE for delta in diff.deltas):
        diff.find_similar(flags=DiffFind.FIND_RENAMES)
    elif for_patch:
        diff = old.diff_to_tree(new, flags=DiffOption.NORMAL, interhunk_lines=0)
    return diff


def _change(repo: pygit2.Repository, delta: pygit2.DiffDelta) -> Change:
    old, new = _Side.of(repo, delta.old_file), _Side.of(repo, delta.new_file)
    status = _STATUS[delta.status]
    path = delta.old_file.raw_path if status == "deleted" else delta.new_file.raw_path
    binary = old.is_binary() or new.is_binary()
    added, deleted = (0, 0) if binary else _lines(old, new)
    return Change(
        path=os.fsdecode(path),
        status=status,
        old_path=os.fsdecode(delta.old_file.raw_path) if status == "renamed" else None,
        old_mode=old.mode,
        new_mode=new.mode,
        binary=binary,
        added=added,
        deleted=deleted,
        size=new.size,
    )


def _lines(old: _Side, new: _Side) -> tuple[int, int]:
    """Return how many lines were added and deleted."""
    if old.oid == new.oid:
        return 0, 0
    _, added, deleted = pygit2.Patch.create_from(old.blob(), new.blob()).line_stats
    return added, deleted


@dataclass(frozen=True, slots=True)
class _Side:
    """One file of a delta; `mode` and `size` are 0 where there is none, or a submodule."""

    repo: pygit2.Repository
    mode: int
    oid: pygit2.Oid
    size: int

    @classmethod
    def of(cls, repo: pygit2.Repository, file: pygit2.DiffFile) -> _Side:
        mode = int(file.mode)
        size = blobs.size(repo, file.id) if mode not in {0, GITLINK} else 0
        return cls(repo, mode, file.id, size)

    def blob(self) -> pygit2.Blob | None:
        return self.repo[self.oid].peel(pygit2.Blob) if self.size else None

    def is_binary(self) -> bool:
        """Say whether git would not show it as text: by its bytes alone, no attribute counts."""
        if self.size > MAX_TEXT:
            return True
        return self.size > 0 and b"\0" in blobs.view(self.repo, self.oid)[:_SNIFFED].tobytes()


def _pieces(repo: pygit2.Repository, diff: pygit2.Diff) -> Iterator[bytes]:
    """Yield the text of each delta; a file too large to compare is only named."""
    for at, delta in enumerate(diff.deltas):
        sides = [_Side.of(repo, file) for file in (delta.old_file, delta.new_file)]
        if max(side.size for side in sides) > MAX_TEXT:
            yield _too_large(delta)
        else:
            whole = diff[at]
            yield whole.data if whole is not None else b""


def _too_large(delta: pygit2.DiffDelta) -> bytes:
    old, new = b"a/" + delta.old_file.raw_path, b"b/" + delta.new_file.raw_path
    return b"diff --git %b %b\nBinary files %b and %b differ\n" % (old, new, old, new)
