"""A worktree's files as a tree, read without running, following or believing anything.

What an agent left is walked with folder descriptors from the top; no repository is discovered
and no configuration read, so no hook, filter or monitor can run (SECURITY D10, V4, V10). Files
are stored byte for byte. What must not be stored is refused: a finding names it, and the tree
keeps what the base has there.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pygit2

from gitagent.core.checks import Finding
from gitagent.core.errors import ExternalError
from gitagent.git import attributes, blobs, files, ignore, names, objects, trees
from gitagent.git.rules import Rules
from gitagent.git.trees import BLOB, EXECUTABLE, GITLINK, LINK, TREE, Entry

MAX_DEPTH = 128
"""Folders below folders; more than `names.MAX_PATH` lets a new path have."""

MAX_RULES = 256 << 10
"""Bytes of a `.gitignore` or `.gitattributes` that an agent may write."""

MAX_FILE = 100 << 20
"""Bytes of a file that is new or changed: what GitHub takes; a sparse file can claim more."""

_DOT_GIT = b".git"
_REMOVE = "remove it"
_BARE = frozenset({b"HEAD", b"objects", b"refs"})  # git's is_git_directory()
_RULE_FILES = frozenset({ignore.FILE, attributes.FILE})
_FILES = frozenset({BLOB, EXECUTABLE, 0o100664})  # the last one was written by old gits


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The tree of a worktree, and what was left out of it, or left as it was, and why."""

    tree: str
    refused: tuple[Finding, ...]


def snapshot(
    repo: pygit2.Repository, worktree: Path, base_tree: str, excludes: Sequence[str] = ()
) -> Snapshot:
    """Write the files of `worktree` into `repo` and return their tree.

    A file is left out when the ignore rules of the base or of the worktree say so and the
    base does not track it. `excludes` are the texts of rules outside the tree, the strongest
    first. Raises `ExternalError` when `worktree` cannot be read or an object not written.
    """
    top = pygit2.Oid(hex=base_tree)
    place = _Place(b"", top, trees.entries(repo, top), Rules.of(excludes))
    walk = _Walk(repo)
    try:
        with files.folder(worktree) as fd:
            tree = walk.folder(fd, place, walk.top_names(fd))
        oid = tree or trees.write_tree(repo, {})
    except (files.Unreadable, OSError, pygit2.GitError) as error:
        message = f"the worktree `{worktree}` cannot be stored: {error}"
        raise ExternalError(message) from error
    return Snapshot(str(oid), tuple(walk.refused))


@dataclass(frozen=True, slots=True)
class _Place:
    """A folder on the way: its path with `/` at the end, what the base has in it, its rules.

    Below an ignored folder only what the base tracks is looked at.
    """

    prefix: bytes
    tree: pygit2.Oid | None
    base: dict[bytes, Entry]
    rules: Rules
    tracked_only: bool = False

    def ignores(self, name: bytes, *, is_folder: bool) -> bool:
        return self.tracked_only or self.rules.ignore(self.prefix + name, is_folder=is_folder)


class _Refusal(Exception):
    """A path is not stored; the first argument says why, the second how to mend it."""


@dataclass(slots=True)
class _Walk:
    repo: pygit2.Repository
    refused: list[Finding] = field(default_factory=list)

    def top_names(self, fd: int) -> list[bytes]:
        """Return the names at the top, without the file by which git knows a worktree."""
        found = files.names(fd)
        own = _DOT_GIT in found and stat.S_ISREG(files.status(fd, _DOT_GIT).st_mode)
        return [name for name in found if not (own and name == _DOT_GIT)]

    def folder(self, fd: int, place: _Place, present: Sequence[bytes]) -> pygit2.Oid | None:
        """Return the tree of an open folder, or None when nothing in it is stored."""
        place = self.with_rules(fd, place)
        missing = sorted(place.base.keys() - set(present))
        found = {name: self.child(fd, place, name) for name in [*present, *missing]}
        children = {name: entry for name, entry in found.items() if entry is not None}
        for name in _collisions(children, place.base):
            del children[name]
            message = "differs from another name only in case or Unicode form"
            self.refuse(place.prefix + name, message, "rename it")
        if children == place.base and place.tree is not None:
            return place.tree
        return trees.write_tree(self.repo, children) if children else None

    def with_rules(self, fd: int, place: _Place) -> _Place:
        base = partial(self.base_text, place)
        now = partial(self.rule_text, fd, place)
        return replace(place, rules=place.rules.enter(place.prefix, base, now))

    def base_text(self, place: _Place, name: bytes) -> bytes | None:
        old = place.base.get(name)
        return blobs.data(self.repo, old[1]) if old is not None and old[0] in _FILES else None

    def rule_text(self, fd: int, place: _Place, name: bytes) -> bytes | None:
        """Return a rule file of the worktree; `file` refuses one that is too long to be used."""
        try:
            text = files.content(fd, name, MAX_RULES + 1)
        except files.Unreadable:
            return None
        return text if len(text) <= MAX_RULES else self.base_text(place, name)

    def child(self, fd: int, place: _Place, name: bytes) -> Entry | None:
        """Return what the tree gets for one name: what is stored, or what the base has."""
        path, old = place.prefix + name, place.base.get(name)
        try:
            return self.stored(fd, place, name)
        except files.Gone:
            return self.gone(old)
        except files.Unreadable as error:
            self.refuse(path, f"cannot be read: {error}", "make it readable or remove it")
        except _Refusal as refusal:
            self.refuse(path, *refusal.args)
        return old

    def refuse(self, path: bytes, message: str, hint: str) -> None:
        self.refused.append(Finding(message, path=names.shown(path), hint=hint))

    def stored(self, fd: int, place: _Place, name: bytes) -> Entry | None:
        """Store one name of an open folder; raises `_Refusal` or `Unreadable`."""
        path, old = place.prefix + name, place.base.get(name)
        if names.is_dot_git(name):
            message = "has a name that some systems take for `.git`"
            raise _Refusal(message, _REMOVE)
        mode = files.status(fd, name).st_mode
        if old is not None and old[0] == GITLINK:
            _submodule(fd, name, mode)
            return old
        tracked = old is not None and (old[0] == TREE) == stat.S_ISDIR(mode)
        ignored = place.ignores(name, is_folder=stat.S_ISDIR(mode))
        if ignored and not tracked:
            return None
        reason = names.unportable(path) if old is None else None
        if reason is not None:
            raise _Refusal(reason, "rename it")
        if stat.S_ISDIR(mode):
            return self.entered(fd, place, name, ignored=ignored)
        if stat.S_ISLNK(mode):
            return self.link(path, files.target(fd, name), old)
        if stat.S_ISREG(mode):
            return self.file(fd, place, name, mode)
        message = "is neither a file, a folder nor a symbolic link"
        raise _Refusal(message, _REMOVE)

    def entered(self, fd: int, place: _Place, name: bytes, *, ignored: bool) -> Entry | None:
        """Store the folder `name`, which is not ignored or has tracked files below."""
        prefix, old = place.prefix + name + b"/", place.base.get(name)
        if prefix.count(b"/") > MAX_DEPTH:
            message = f"is more than {MAX_DEPTH} folders deep"
            raise _Refusal(message, "move it up")
        known = old[1] if old is not None and old[0] == TREE else None
        base = trees.entries(self.repo, known) if known is not None else {}
        with files.folder(name, fd) as inner:
            present = files.names(inner)
            _refuse_repository(present, base)
            below = _Place(prefix, known, base, place.rules, tracked_only=ignored)
            tree = self.folder(inner, below, present)
        return (TREE, tree) if tree is not None else None

    def link(self, path: bytes, target: bytes, old: Entry | None) -> Entry:
        if old is not None and old[0] == LINK and blobs.data(self.repo, old[1]) == target:
            return old
        reason = names.unsafe_target(path, target)
        if reason is None and names.is_read_by_git(path[path.rfind(b"/") + 1 :]):
            reason = "is a symbolic link that git would read as its own file"
        if reason is not None:
            raise _Refusal(reason, "remove it or point it to a path within the repository")
        return LINK, objects.write_blob(self.repo, target)

    def file(self, fd: int, place: _Place, name: bytes, mode: int) -> Entry:
        """Store a regular file; one that is as in the base keeps the base's mode as it is."""
        old = place.base.get(name)
        new_mode = EXECUTABLE if mode & stat.S_IXUSR else BLOB
        same_mode = old is not None and old[0] in _FILES and _is_executable(old[0], new_mode)
        kept_mode = old[0] if old is not None and same_mode else new_mode
        with files.reading(fd, name) as opened:
            reason = self.unfit(place, name, os.fstat(opened).st_size)
            if reason is None:
                return kept_mode, blobs.write(self.repo, opened, MAX_FILE)
            if old is None or old[0] not in _FILES or not blobs.is_same(self.repo, opened, old[1]):
                raise reason
            return kept_mode, old[1]

    def unfit(self, place: _Place, name: bytes, size: int) -> _Refusal | None:
        """Return why a file of `size` bytes is not stored unless it is as in the base."""
        if place.rules.filter(place.prefix + name):
            message = "has a `filter` in `.gitattributes`, and gitagent stores bytes as they are"
            return _Refusal(message, "leave it as it was; a person can change it with git")
        most = MAX_RULES if name in _RULE_FILES else MAX_FILE
        if size > most:
            return _Refusal(f"has {size} bytes, more than {most}", "make it smaller or remove it")
        return None

    def gone(self, old: Entry | None) -> Entry | None:
        """Return what stays of a name that is not there: submodules are kept as they were."""
        if old is None or old[0] not in {TREE, GITLINK}:
            return None
        if old[0] == GITLINK:
            return old
        every = trees.walk(self.repo, old[1])
        links = {path: (mode, oid) for path, mode, oid in every if mode == GITLINK}
        return (TREE, trees.edit(self.repo, None, links)) if links else None


def _submodule(fd: int, name: bytes, mode: int) -> None:
    """Raise `_Refusal` unless the submodule's folder is empty."""
    if stat.S_ISDIR(mode):
        with files.folder(name, fd) as inner:
            if not files.names(inner):
                return
    message = "is a submodule, whose content gitagent does not store"
    raise _Refusal(message, "leave its folder empty")


def _refuse_repository(present: Sequence[bytes], base: Mapping[bytes, Entry]) -> None:
    """Raise `_Refusal` for a folder that git would take for a repository (SECURITY V7)."""
    if _DOT_GIT in present:
        message = "is a git repository of its own"
        raise _Refusal(message, _REMOVE)
    if _BARE.issubset(present) and not _BARE.issubset(base):
        message = "has the form of a bare git repository"
        raise _Refusal(message, _REMOVE)


def _collisions(children: Mapping[bytes, Entry], base: Mapping[bytes, Entry]) -> list[bytes]:
    """Return the new names that some disk takes for the same as another name beside them."""
    alike = Counter(names.collision_key(name) for name in children)
    if len(alike) == len(children):
        return []
    return [n for n in children if n not in base and alike[names.collision_key(n)] > 1]


def _is_executable(mode: int, like: int) -> bool:
    """Say whether the mode `mode`, maybe an old git's, means the same as `like`."""
    return bool(mode & stat.S_IXUSR) == (like == EXECUTABLE)
