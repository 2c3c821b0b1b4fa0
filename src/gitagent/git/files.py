"""Files below a folder descriptor: opened without following a link, written as new ones only.

Every function works on one name in a folder that is already open, so that nobody can swap a
folder on the way for a link (SECURITY D10, V30). What fails in reading raises `Unreadable`,
which is no `OSError`: a full disk while storing must not pass for a file that cannot be read.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHUNK = 1 << 20
"""Bytes read or written at once; a larger file never is in memory as a whole."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: a FIFO that took the file's place must not hang us.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_CHANGED = frozenset({errno.ELOOP, errno.ENOTDIR, errno.EINVAL, errno.ENXIO, errno.EMLINK})


class Unreadable(Exception):
    """A file or folder cannot be read; the message says why."""


class Gone(Unreadable):
    """It is not there (any more)."""


@contextmanager
def folder(name: bytes | Path, within: int | None = None) -> Iterator[int]:
    """Open the folder `name`, in the open folder `within`; a link is not followed."""
    with _read_errors():
        fd = os.open(name, _FOLDER, dir_fd=within)
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def reading(fd: int, name: bytes) -> Iterator[int]:
    """Open the regular file `name` for reading; anything else is `Unreadable`."""
    with _read_errors():
        opened = os.open(name, _READ, dir_fd=fd)
    try:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            message = "it changed while it was read"
            raise Unreadable(message)
        yield opened
    finally:
        os.close(opened)


def some(opened: int, most: int) -> bytes:
    """Return the next bytes of an open file, at most `most`; empty at the end."""
    with _read_errors():
        return os.read(opened, most)


def content(fd: int, name: bytes, most: int) -> bytes:
    """Return the first bytes of the regular file `name`, at most `most`."""
    with reading(fd, name) as opened:
        pieces = []
        while most and (piece := some(opened, most)):
            pieces.append(piece)
            most -= len(piece)
        return b"".join(pieces)


def target(fd: int, name: bytes) -> bytes:
    """Return where the symbolic link `name` points."""
    with _read_errors():
        return os.fsencode(os.readlink(name, dir_fd=fd))


def status(fd: int, name: bytes) -> os.stat_result:
    """Return what `name` itself is; raises `Gone`."""
    with _read_errors():
        return os.stat(name, dir_fd=fd, follow_symlinks=False)


def names(fd: int) -> list[bytes]:
    """Return the names in an open folder, sorted."""
    with _read_errors():
        return sorted(os.fsencode(name) for name in os.listdir(fd))


def create(fd: int, name: bytes, data: memoryview, *, executable: bool) -> None:
    """Write a new regular file; raises `OSError`, also when the name is taken."""
    opened = os.open(name, _NEW, 0o755 if executable else 0o644, dir_fd=fd)
    try:
        at = 0
        while at < len(data):
            at += os.write(opened, data[at : at + CHUNK])
    finally:
        os.close(opened)


def remove(fd: int, name: bytes) -> None:
    """Remove `name`, with all that is in it when it is a folder; raises `OSError`."""
    if stat.S_ISDIR(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
        shutil.rmtree(os.fsdecode(name), dir_fd=fd)
    else:
        os.unlink(name, dir_fd=fd)


@contextmanager
def _read_errors() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        message = "it is not there"
        raise Gone(message) from error
    except OSError as error:
        changed = error.errno in _CHANGED
        message = "it changed while it was read" if changed else str(error.strerror).lower()
        raise Unreadable(message) from error
