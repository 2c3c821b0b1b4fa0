"""Blobs: file contents as objects, byte for byte, large ones never whole in memory."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pygit2

from gitagent.core.errors import ExternalError
from gitagent.git import files, objects


def size(repo: pygit2.Repository, oid: pygit2.Oid) -> int:
    """Return how many bytes a blob has, without reading it; `ExternalError` if it is lost."""
    with _reading(oid):
        return repo.odb.read_header(oid)[1]


def data(repo: pygit2.Repository, oid: pygit2.Oid) -> bytes:
    """Return the bytes of a blob; raises `ExternalError` when it is lost or broken."""
    with _reading(oid):
        return repo.odb.read(oid)[1]


def view(repo: pygit2.Repository, oid: pygit2.Oid) -> memoryview:
    """Return the bytes of a blob without copying them; raises as `data` does."""
    with _reading(oid):
        return memoryview(repo[oid].peel(pygit2.Blob))


def write(repo: pygit2.Repository, opened: int, most: int) -> pygit2.Oid:
    """Store the open regular file `opened`, cut after `most` bytes, and return its id."""
    return objects.retried(lambda: _write(repo, opened, most))


def _write(repo: pygit2.Repository, opened: int, most: int) -> pygit2.Oid:
    os.lseek(opened, 0, os.SEEK_SET)
    start = files.some(opened, min(files.CHUNK, most))
    more = files.some(opened, 1) if len(start) < most else b""
    if not more:
        return repo.create_blob(start)
    return repo.create_blob_fromiobase(_Rest(start + more, opened, most - len(start) - 1))


def is_same(repo: pygit2.Repository, opened: int, oid: pygit2.Oid) -> bool:
    """Say whether the open file `opened` has the bytes of the blob `oid`; writes nothing."""
    length = os.fstat(opened).st_size
    if length != size(repo, oid):
        return False
    digest = hashlib.sha1(b"blob %d\0" % length, usedforsecurity=False)
    left = length
    while left and (piece := files.some(opened, min(left, files.CHUNK))):
        digest.update(piece)
        left -= len(piece)
    return digest.digest() == oid.raw


@contextmanager
def _reading(oid: pygit2.Oid) -> Iterator[None]:
    try:
        yield
    except (KeyError, pygit2.GitError) as error:
        message = f"the object {oid} cannot be read: {error}"
        raise ExternalError(message, hint="run `git fsck`") from error


class _Rest(io.RawIOBase):
    """What libgit2 reads from: the start that was read already, then the rest of a file."""

    def __init__(self, start: bytes, opened: int, left: int) -> None:
        super().__init__()
        self._start, self._opened, self._left = start, opened, left

    def readable(self) -> bool:
        return True

    def read(self, most: int = -1) -> bytes:
        if self._start:
            piece, self._start = self._start[:most], self._start[most:]
            return piece
        piece = files.some(self._opened, min(most, self._left)) if self._left else b""
        self._left -= len(piece)
        return piece
