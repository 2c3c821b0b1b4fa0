"""The file of the index: opened, thrown away when it is torn, and done without where it must.

It is a cache, so no trouble with it is ever an error: what is torn or of another version is
deleted and built anew, and where no file can be written (a read-only disk, a full one) the
index is built in memory, for this process alone.

A rollback journal and no WAL: readers need nothing but to read the file, it works on network
file systems, and a process that was killed while writing leaves what the next one rolls back.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from gitagent.store.index.schema import INDEXES, TABLES, VERSION

T = TypeVar("T")

_PATIENCE = 60.0
"""Seconds to wait for another process that writes: longer than it takes to index 100,000 tasks."""
_TORN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})
"""Where the file itself is wrong; an ERROR is a table that is not as ours are."""
_PRIMARY = 0xFF
"""The part of an extended result code that says what kind it is (sqlite.org/rescode.html)."""


class _Foreign(sqlite3.DatabaseError):
    """The file is of another version, or not ours at all."""


class Database:
    """One index on disk; every call opens it anew, so that a file that was replaced is seen."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._memory: sqlite3.Connection | None = None

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` returns, which may be called again on a new and empty index."""
        for last in (False, True):
            try:
                with self._opened() as db:
                    return work(db)
            except sqlite3.DatabaseError as error:
                if self._memory is not None:
                    raise
                if last or not _is_torn(error) or not self._discard():
                    break
        self._memory = _connect(":memory:")
        return work(self._memory)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        if self._memory is not None:
            yield self._memory
            return
        with suppress(OSError):  # sqlite then says what is wrong
            self._path.parent.mkdir(parents=True, exist_ok=True)
        with closing(_connect(str(self._path))) as db:
            yield db

    def _discard(self) -> bool:
        """Delete the file; the journal first, which must never be rolled back into a new one."""
        try:
            with _locked(self._path.with_name("index.lock")):
                for path in (f"{self._path}-journal", str(self._path)):
                    Path(path).unlink(missing_ok=True)
        except OSError:
            return False
        return True


@contextmanager
def reading(db: sqlite3.Connection) -> Iterator[None]:
    """Let all that is read within the block be of one moment."""
    db.execute("begin")
    try:
        yield
    finally:
        db.rollback()


@contextmanager
def writing(db: sqlite3.Connection) -> Iterator[None]:
    """Let the block be written as a whole, by one process at a time, or not at all."""
    db.execute("begin immediate")
    try:
        yield
        db.commit()
    except BaseException:
        with suppress(sqlite3.Error):
            db.rollback()
        raise


def _connect(path: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)
    try:
        if _version(db) == 0:
            _create(db)
        _refuse_foreign(db)
        db.execute("pragma synchronous = normal")
        db.execute("pragma temp_store = memory")
    except BaseException:
        db.close()
        raise
    return db


def _refuse_foreign(db: sqlite3.Connection) -> None:
    if _version(db) != VERSION:
        message = "another version"
        raise _Foreign(message)


def _version(db: sqlite3.Connection) -> int:
    found: int = db.execute("pragma user_version").fetchone()[0]
    return found


def _create(db: sqlite3.Connection) -> None:
    with writing(db):
        if _version(db) != 0:
            return
        for statement in f"{TABLES}{INDEXES}".split(";\n"):
            db.execute(statement)
        db.execute(f"pragma user_version = {VERSION}")


def _is_torn(error: sqlite3.DatabaseError) -> bool:
    if isinstance(error, _Foreign):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    return code is None or code & _PRIMARY in _TORN


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
