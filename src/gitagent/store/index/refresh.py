"""Bringing the index up to date with the refs: what differs is read, and nothing else."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import NamedTuple

from gitagent.core.ids import is_task_id
from gitagent.core.task import BrokenFile, Task
from gitagent.git.plain_objects import Objects
from gitagent.store import layout
from gitagent.store.index import files, readiness, words
from gitagent.store.index.reader import Refs
from gitagent.store.index.rows import STORED, marks, row_of
from gitagent.store.index.schema import INDEX_NAMES, INDEXES
from gitagent.store.index.snapshot import Value

_MANY = 2000
"""Changed files from which on it is cheaper to work everything out anew."""
_CHUNK = 2000
_MARKS = ", ".join("?" for _ in STORED.split(","))
_INSERT = (
    f"insert into task ({STORED}, now_status, now_waiting_for, now_not_before) "  # noqa: S608
    f"values ({_MARKS}, ?, ?, ?)"
)


class _Changes(NamedTuple):
    """Files that are new or different, by path, and paths that are gone."""

    new: dict[bytes, str]
    gone: set[bytes]


def refresh(db: sqlite3.Connection, objects: Objects, refs: Refs, boot: str) -> None:
    """Let the index be of `refs`, which were read before this is called.

    `boot` names this boot of the machine. Raises `ExternalError` for an object that is missing.
    """
    claimed = set() if refs.claims is None else _claims(db, objects, refs.claims, boot)
    changes = _tree(db, objects, refs.tip)
    if len(changes.new) + len(changes.gone) > _MANY:
        _load(db, objects, changes)
        readiness.count_all(db)
    else:
        ids = claimed | _ids([*changes.new, *changes.gone])
        before = readiness.statuses(db, ids)
        edges = _apply(db, objects, changes)
        readiness.mend(db, ids, before, edges)
    _remember(db, "tip", refs.tip)


def _claims(
    db: sqlite3.Connection, objects: Objects, claims: Mapping[str, str], boot: str
) -> set[str]:
    """Take over the claim refs, and return the tasks whose claim is another than before."""
    held = {row[0]: row[1:] for row in db.execute("select task, oid, boot from claim_ref")}
    gone = held.keys() - claims.keys()
    changed = {task for task, oid in claims.items() if task not in held or held[task][0] != oid}
    for oid in {claims[task] for task in changed}:
        _claim_commit(db, objects, oid)
    restarted = changed | {task for task in claims if task in held and held[task][1] != boot}
    # After the refs were read: what was seen for a lease must have been there all the while.
    now = time.monotonic()
    db.executemany("delete from claim_ref where task = ?", [(task,) for task in gone])
    rows = [(task, claims[task], now, boot) for task in restarted]
    db.executemany("insert or replace into claim_ref values (?, ?, ?, ?)", rows)
    if gone or changed:
        db.execute("delete from claim_commit where oid not in (select oid from claim_ref)")
    return {task for task in gone | changed if is_task_id(task)}


def _claim_commit(db: sqlite3.Connection, objects: Objects, oid: str) -> None:
    if db.execute("select 1 from claim_commit where oid = ?", (oid,)).fetchone() is None:
        from gitagent.store.claimfile import read_value  # noqa: PLC0415  a new claim is rare

        value = _sound(read_value(objects, oid))
        row = (oid, int(value.landed), value.said, value.work) if value else (oid, *(None,) * 3)
        db.execute("insert into claim_commit values (?, ?, ?, ?)", row)


def _sound(value: Value | None) -> Value | None:
    """Return a value whose record, if it is a landing, is one that a task can follow."""
    try:
        if value is not None and value.landed:
            from gitagent.store.queue import ran  # noqa: PLC0415

            ran(json.loads(value.said))
    except (ValueError, KeyError, TypeError):
        return None
    return value


def _tree(db: sqlite3.Connection, objects: Objects, tip: str | None) -> _Changes:
    meta = dict(db.execute("select key, value from meta"))
    changes = _Changes({}, set())
    if meta.get("tip") == tip:
        return changes
    trees = files.folders(objects, tip)
    for folder in (layout.TASKS, layout.RUNS):
        if meta.get(folder) != trees.get(folder):
            found = _folder(db, objects, folder, trees.get(folder))
            changes = found if folder == layout.TASKS else changes
            _remember(db, folder, trees.get(folder))
    return changes


def _folder(db: sqlite3.Connection, objects: Objects, folder: str, tree: str | None) -> _Changes:
    query = "select name, mode, oid from shard where folder = ?"
    held = {row[0]: (row[1], row[2]) for row in db.execute(query, (folder,))}
    gone, shards = files.changed_shards(objects, folder, tree, held)
    changes = _Changes({}, set())
    for name in gone:
        changes.gone.update(_held_files(db, folder, name))
        db.execute("delete from shard where folder = ? and name = ?", (folder, name))
    for shard in shards:
        before = _held_files(db, folder, shard.name)
        changes.gone.update(before.keys() - shard.files.keys())
        changes.new.update(shard.files.items() - before.items())
        row = (folder, shard.name, shard.mode, shard.oid, shard.packed())
        db.execute("insert or replace into shard values (?, ?, ?, ?, ?)", row)
    return changes


def _held_files(db: sqlite3.Connection, folder: str, name: bytes) -> dict[bytes, str]:
    query = "select files from shard where folder = ? and name = ?"
    row = db.execute(query, (folder, name)).fetchone()
    return files.unpacked(row[0]) if row else {}


def _ids(paths: Iterable[bytes]) -> set[str]:
    named = (layout.task_of(os.fsdecode(path)) for path in paths)
    return {each for each in named if each is not None}


def _apply(db: sqlite3.Connection, objects: Objects, changes: _Changes) -> set[str]:
    """Take over a few files, and return the tasks that need others than before."""
    paths = [*changes.new, *changes.gone]
    ids = _ids(paths)
    before, cyclic = _needs(db, ids), _cyclic(db, ids)
    _remove(db, paths, ids)
    _insert(db, files.parsed(objects, changes.new))
    db.executemany("update task set cyclic = 1 where id = ?", cyclic)
    after = _needs(db, ids)
    return {each for each in ids if before.get(each) != after.get(each)}


def _load(db: sqlite3.Connection, objects: Objects, changes: _Changes) -> None:
    """Take over many files: indexes are made once, at the end."""
    empty = db.execute("select 1 from task limit 1").fetchone() is None
    if empty:
        for name in INDEX_NAMES:
            db.execute(f"drop index {name}")
    else:
        paths = [*changes.new, *changes.gone]
        _remove(db, paths, _ids(paths))
    _insert(db, files.parsed(objects, changes.new))
    if empty:
        for statement in INDEXES.split(";\n"):
            db.execute(statement)


def _cyclic(db: sqlite3.Connection, ids: set[str]) -> list[tuple[str]]:
    """Return those that are marked: a file written anew is in a cycle as before."""
    query = "select id from task where cyclic and id in (select value from json_each(?))"
    return list(db.execute(query, (marks(ids),)))


def _needs(db: sqlite3.Connection, ids: set[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    query = "select task, needed from edge where task in (select value from json_each(?))"
    for task, needed in db.execute(query, (marks(ids),)):
        found.setdefault(task, set()).add(needed)
    return found


def _remove(db: sqlite3.Connection, paths: Iterable[bytes], ids: set[str]) -> None:
    words.remove(db, ids)
    these = marks(ids)
    db.execute("delete from task where id in (select value from json_each(?))", (these,))
    db.execute("delete from edge where task in (select value from json_each(?))", (these,))
    db.executemany("delete from broken where path = ?", [(path,) for path in paths])


def _insert(db: sqlite3.Connection, parsed: Iterable[tuple[bytes, Task | BrokenFile]]) -> None:
    rest = iter(parsed)
    while chunk := list(islice(rest, _CHUNK)):
        tasks = [each for _, each in chunk if isinstance(each, Task)]
        rows = [row_of(each) for each in tasks]
        db.executemany(_INSERT, [(*row, row[3], row[4], row[10]) for row in rows])
        edges = [(each.id, needed) for each in tasks for needed in each.blocked_by]
        db.executemany("insert into edge values (?, ?)", edges)
        broken = [
            (path, each.id, each.line, each.message)
            for path, each in chunk
            if isinstance(each, BrokenFile)
        ]
        db.executemany("insert into broken values (?, ?, ?, ?)", broken)
        words.add(db, (each.id for each in tasks))


def _remember(db: sqlite3.Connection, key: str, value: str | None) -> None:
    db.execute("insert or replace into meta values (?, ?)", (key, value))
