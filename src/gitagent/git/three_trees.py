"""Three trees into one: only the folders in which both sides changed something are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

import pygit2

from gitagent.git import trees
from gitagent.git.trees import Entry, Id


class Versions(NamedTuple):
    """What one name is at the base and on both sides; None is no such name."""

    base: Entry | None
    one: Entry | None
    two: Entry | None


Resolve: TypeAlias = Callable[[bytes, Versions], Mapping[bytes, Entry]]
"""Given a path that both sides changed differently, and what it is: the entries, by name, that
its folder gets instead. Of one and two at most one is a folder, and neither is as at the base."""


def merge_trees(
    repo: pygit2.Repository, base: Id | None, one: Id, two: Id, resolve: Resolve
) -> pygit2.Oid:
    """Return the tree that has the changes from `base` to both; None is the empty tree.

    A folder in which only one side changed something is taken as it is, unread. An entry
    keeps its mode, whatever it is.
    """
    joined = _joined(repo, (base, one, two), resolve, b"")
    return joined if joined is not None else trees.write_tree(repo, {})


def _joined(
    repo: pygit2.Repository, three: tuple[Id | None, Id | None, Id | None], resolve: Resolve,
    prefix: bytes,
) -> pygit2.Oid | None:  # fmt: skip
    base, one, two = (trees.entries(repo, tree) if tree is not None else {} for tree in three)
    kept: dict[bytes, Entry] = {}
    for name in sorted({*one, *two}):
        versions = Versions(base.get(name), one.get(name), two.get(name))
        kept.update(_decided(repo, versions, resolve, prefix + name))
    return trees.write_tree(repo, kept) if kept else None


def _decided(
    repo: pygit2.Repository, versions: Versions, resolve: Resolve, path: bytes
) -> Mapping[bytes, Entry]:
    base, one, two = versions
    name = path.rpartition(b"/")[2]
    if two in (one, base):
        return _named(name, one)
    if one == base:
        return _named(name, two)
    if all(each is None or each[0] == trees.TREE for each in (one, two)):
        folders = (_folder(base), _folder(one), _folder(two))
        tree = _joined(repo, folders, resolve, path + b"/")
        return _named(name, None if tree is None else (trees.TREE, tree))
    return resolve(path, versions)


def _named(name: bytes, entry: Entry | None) -> dict[bytes, Entry]:
    return {} if entry is None else {name: entry}


def _folder(entry: Entry | None) -> pygit2.Oid | None:
    return entry[1] if entry is not None and entry[0] == trees.TREE else None
