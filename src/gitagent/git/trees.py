"""Trees as bytes: read, written and edited without a checkout, whatever the names are.

pygit2's TreeBuilder wants names it likes and loads objects one by one; a tree object is a
simple list, and the store edits trees of a thousand shards for each task it writes.
Paths are bytes with `/` between the parts and none at the ends.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import TypeAlias

import pygit2
from pygit2.enums import ObjectType

from gitagent.core.errors import ExternalError
from gitagent.git import objects

TREE = 0o040000
BLOB = 0o100644
EXECUTABLE = 0o100755
LINK = 0o120000
GITLINK = 0o160000

Id: TypeAlias = str | pygit2.Oid
"""An object id, as pygit2 takes it."""

Entry: TypeAlias = tuple[int, pygit2.Oid]
"""What a tree says of one name: its mode and its object."""

Change: TypeAlias = tuple[int, Id] | None
"""What a path becomes: a mode and an object, or nothing."""

Nested: TypeAlias = dict[bytes, "Nested | Change"]

_ENTRY = re.compile(rb"([0-7]+) ([^\0]+)\0(.{20})", re.DOTALL)


def entries(repo: pygit2.Repository, tree: Id) -> dict[bytes, Entry]:
    """Return name to (mode, object id) of one tree, in git's order.

    Raises `ExternalError` when the object is missing, is no tree, or is broken.
    """
    try:
        kind, raw = repo.odb.read(tree)
    except (KeyError, ValueError, pygit2.GitError) as error:
        message = f"the tree {tree} cannot be read: {error}"
        raise ExternalError(message) from None
    found = _ENTRY.findall(raw)
    listed = {name: (int(mode, 8), pygit2.Oid(raw=oid)) for mode, name, oid in found}
    # A name that is there twice, as a link and as a folder, was git's CVE-2021-21300.
    if kind != ObjectType.TREE or _size(found) != len(raw) or len(listed) != len(found):
        message = f"the object {tree} is not a well-formed tree"
        raise ExternalError(message, hint="run `git fsck`")
    return listed


def write_tree(repo: pygit2.Repository, listed: Mapping[bytes, tuple[int, Id]]) -> pygit2.Oid:
    """Write one tree object that has these names and return its id.

    Raises `ValueError` for a name that no tree can hold.
    """
    ordered = sorted(listed.items(), key=_git_order)
    raw = b"".join(_encoded(name, *to) for name, to in ordered)
    return objects.write(repo, ObjectType.TREE, raw)


def edit(repo: pygit2.Repository, tree: Id | None, changes: Mapping[bytes, Change]) -> pygit2.Oid:
    """Return `tree` with each path of `changes` set to (mode, blob) or, by None, removed.

    `tree` None is the empty tree. Only the trees on the way to a change are read and
    written. A folder that loses its last entry goes; a file in the way of a folder, or the
    reverse, is replaced. Raises `ValueError` when a path is also another one's folder.
    """
    return _edited(repo, tree, _nested(changes)) or write_tree(repo, {})


def walk(
    repo: pygit2.Repository, tree: Id, prefix: bytes = b""
) -> Iterator[tuple[bytes, int, pygit2.Oid]]:
    """Yield (path, mode, object id) of all that is not a folder, in git's order.

    `prefix` is put before each path as it is: end it with `/`.
    """
    ahead: list[Iterator[tuple[bytes, int, pygit2.Oid]]] = [_listed(repo, tree, prefix)]
    while ahead:
        found = next(ahead[-1], None)
        if found is None:
            ahead.pop()
        elif found[1] == TREE:
            ahead.append(_listed(repo, found[2], found[0] + b"/"))
        else:
            yield found


def find(repo: pygit2.Repository, tree: Id, path: bytes) -> Entry | None:
    """Return the mode and object id at `path`, or None."""
    try:
        found = repo[tree].peel(pygit2.Tree)[os.fsdecode(path)]
    except KeyError:
        return None
    return int(found.filemode or TREE), found.id


def read(repo: pygit2.Repository, tree: Id, path: bytes) -> bytes | None:
    """Return the content of the file (or the target of the link) at `path`, or None."""
    found = find(repo, tree, path)
    if found is None or found[0] in {TREE, GITLINK}:
        return None
    return repo.odb.read(found[1])[1]


def _listed(
    repo: pygit2.Repository, tree: Id, prefix: bytes
) -> Iterator[tuple[bytes, int, pygit2.Oid]]:
    return ((prefix + name, *entry) for name, entry in entries(repo, tree).items())


def _size(found: list[tuple[bytes, bytes, bytes]]) -> int:
    return sum(len(mode) + len(name) + 22 for mode, name, _ in found)


def _git_order(item: tuple[bytes, tuple[int, Id]]) -> bytes:
    name, (mode, _) = item
    return name + b"/" if mode == TREE else name


def _encoded(name: bytes, mode: int, oid: Id) -> bytes:
    if name in {b"", b".", b".."} or b"/" in name or b"\0" in name:
        message = f"no tree can hold the name {name!r}"
        raise ValueError(message)
    return b"%o %b\0%b" % (mode, name, _oid(oid).raw)


def _oid(oid: Id) -> pygit2.Oid:
    return pygit2.Oid(hex=oid) if isinstance(oid, str) else oid


def _nested(changes: Mapping[bytes, Change]) -> Nested:
    """Turn `{b"a/b": x}` into `{b"a": {b"b": x}}`."""
    top: Nested = {}
    for path, change in changes.items():
        *folders, name = path.split(b"/")
        here = top
        for folder in folders:
            below = here.setdefault(folder, {})
            if not isinstance(below, dict):
                raise _both(path)
            here = below
        if name in here:
            raise _both(path)
        here[name] = change
    return top


def _both(path: bytes) -> ValueError:
    return ValueError(f"{path!r} and a path above or below it are both to be changed")


def _edited(repo: pygit2.Repository, tree: Id | None, changes: Nested) -> pygit2.Oid | None:
    """Return the tree after `changes`, or None when nothing is left in it."""
    kept: dict[bytes, tuple[int, Id]] = dict(entries(repo, tree)) if tree is not None else {}
    for name, change in changes.items():
        new = _below(repo, kept.get(name), change) if isinstance(change, dict) else change
        if new is None:
            kept.pop(name, None)
        else:
            kept[name] = new
    return write_tree(repo, kept) if kept else None


def _below(repo: pygit2.Repository, old: Change, changes: Nested) -> Change:
    folder = old[1] if old is not None and old[0] == TREE else None
    tree = _edited(repo, folder, changes)
    if tree is not None:
        return TREE, tree
    # Removing what was never there must not remove the file that stands in its place.
    return old if folder is None else None
