"""Objects by pygit2; written although git may be tidying up: every write goes through here.

`git gc` and `git prune-packed`, which a `git fetch` may have left running, remove the folder
(`objects/9d`) of loose objects that they have emptied. libgit2 makes the folder first and moves
the object into it afterwards; when it is gone by then, libgit2 gives up. Writing again is right,
since an object's name is its content.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import pygit2
from pygit2.enums import ObjectType

from gitagent.core.errors import ExternalError
from gitagent.git.plain_objects import Object, Objects

_Written = TypeVar("_Written")

_TRIES = 20
_PAUSE = 0.005
"""Seconds. A gc goes through all 256 folders once, so a second failure is rare already."""


_KINDS = {
    ObjectType.COMMIT: "commit",
    ObjectType.TREE: "tree",
    ObjectType.BLOB: "blob",
    ObjectType.TAG: "tag",
}


class OpenObjects(Objects):
    """The objects of a repository that pygit2 has open: packed ones need no process either."""

    def __init__(self, raw: pygit2.Repository) -> None:
        self._raw = raw

    def many(self, oids: Iterable[str]) -> Iterator[Object]:
        """Yield objects in the order asked for; raises `ExternalError` for a missing one."""
        for oid in oids:
            try:
                kind, data = self._raw.odb.read(oid)
            except (KeyError, ValueError, pygit2.GitError) as error:
                message = f"the object {oid} cannot be read: {error}"
                raise ExternalError(message, hint="run `git fsck`") from None
            yield Object(oid, _KINDS[ObjectType(kind)], data)


def write_blob(repo: pygit2.Repository, data: bytes) -> pygit2.Oid:
    """Store `data` as a blob and return its id; raises `OSError` when the disk does not take it."""
    return write(repo, ObjectType.BLOB, data)


def write(repo: pygit2.Repository, kind: ObjectType, data: bytes) -> pygit2.Oid:
    """Store `data` as an object of the given kind and return its id; raises as `write_blob`."""
    return retried(lambda: repo.write(kind, data))


def retried(write_once: Callable[[], _Written]) -> _Written:
    """Return what `write_once` gives, called again after the one error that gc's tidying causes.

    It must write the same object each time it is called.
    """
    for _ in range(_TRIES - 1):
        try:
            return write_once()
        except OSError as error:
            if not _folder_was_removed(error):
                raise
        time.sleep(_PAUSE)
    return write_once()


def _folder_was_removed(error: OSError) -> bool:
    """Tell by libgit2's words: the error carries no errno."""
    said = str(error)
    return "failed to rename lockfile" in said and "No such file or directory" in said
