"""A tree's files into a folder, byte for byte, and back to what they were.

No filter, no hook and no line-end conversion; nothing is written through a link: folders are
opened one by one without following, and every file is created as a new one (SECURITY D12,
V30). Exec bits and links are kept; a submodule becomes an empty folder.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pygit2

from gitagent.core.errors import ExternalError, Refused
from gitagent.git import blobs, files, names, trees
from gitagent.git.trees import GITLINK, LINK, TREE, Entry


def checkout(repo: pygit2.Repository, tree: trees.Id, folder: Path) -> None:
    """Write all files of `tree` into `folder`, which exists and has none of them yet.

    Raises `Refused` before the first write when a name in the tree could leave the folder or
    be taken for `.git`, `ExternalError` when a file cannot be written.
    """
    _check_names(repo, tree)
    with _storing(folder) as fd:
        _Writer(repo).fill(fd, tree)


def restore(repo: pygit2.Repository, tree: trees.Id, folder: Path) -> bool:
    """Make the files of `tree` in `folder` exactly as `tree` has them; say if any was not.

    What the tree does not have stays, unless it is in the way. Links are never followed, and
    a changed file is replaced, not written to: it may be a hard link to one elsewhere.
    Raises as `checkout` does.
    """
    _check_names(repo, tree)
    with _storing(folder) as fd:
        return _Writer(repo).mend(fd, tree)


@contextmanager
def _storing(folder: Path) -> Iterator[int]:
    try:
        with files.folder(folder) as fd:
            yield fd
    except (files.Unreadable, OSError) as error:
        message = f"the files of `{folder}` cannot be written: {error}"
        raise ExternalError(message) from error


def _check_names(repo: pygit2.Repository, tree: trees.Id) -> None:
    """Raise `Refused` for a tree that git itself would not check out."""
    for path, _, _ in trees.walk(repo, tree):
        for name in path.split(b"/"):
            if name in {b"", b".", b".."} or names.is_dot_git(name):
                message = f"the tree {tree} has a path that is not safe to write"
                raise Refused(message, file=names.shown(path))


class _Writer:
    """Writes trees of one repository; every method works in a folder that is open."""

    def __init__(self, repo: pygit2.Repository) -> None:
        self._repo = repo

    def fill(self, fd: int, tree: trees.Id) -> None:
        """Write a tree into a folder that has none of its names."""
        for name, entry in trees.entries(self._repo, tree).items():
            self._write(fd, name, entry)

    def mend(self, fd: int, tree: trees.Id) -> bool:
        """Make the names of a tree what it says, and say whether any was not."""
        listed = trees.entries(self._repo, tree).items()
        mended = [self._mended(fd, name, entry) for name, entry in listed]
        return any(mended)

    def _write(self, fd: int, name: bytes, entry: Entry) -> None:
        mode, oid = entry
        if mode in {TREE, GITLINK}:
            os.mkdir(name, dir_fd=fd)
        if mode == TREE:
            with files.folder(name, fd) as inner:
                self.fill(inner, oid)
        elif mode == LINK:
            os.symlink(blobs.data(self._repo, oid), name, dir_fd=fd)
        elif mode != GITLINK:
            data = blobs.view(self._repo, oid)
            files.create(fd, name, data, executable=_is_executable(mode))

    def _mended(self, fd: int, name: bytes, entry: Entry) -> bool:
        try:
            found = files.status(fd, name)
        except files.Gone:
            self._write(fd, name, entry)
            return True
        if entry[0] == TREE and stat.S_ISDIR(found.st_mode):
            with files.folder(name, fd) as inner:
                return self.mend(inner, entry[1])
        if self._is_as(fd, name, entry, found):
            return False
        files.remove(fd, name)
        self._write(fd, name, entry)
        return True

    def _is_as(self, fd: int, name: bytes, entry: Entry, found: os.stat_result) -> bool:
        mode, oid = entry
        if mode == GITLINK:
            return stat.S_ISDIR(found.st_mode)
        if mode == LINK:
            is_link = stat.S_ISLNK(found.st_mode)
            return is_link and files.target(fd, name) == blobs.data(self._repo, oid)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            return False
        same_bit = bool(found.st_mode & stat.S_IXUSR) == _is_executable(mode)
        return same_bit and self._has(fd, name, oid)

    def _has(self, fd: int, name: bytes, oid: pygit2.Oid) -> bool:
        """Say whether a file has a blob's bytes; one that cannot be read has not."""
        try:
            with files.reading(fd, name) as opened:
                return blobs.is_same(self._repo, opened, oid)
        except files.Unreadable:
            return False


def _is_executable(mode: int) -> bool:
    return bool(mode & stat.S_IXUSR)
