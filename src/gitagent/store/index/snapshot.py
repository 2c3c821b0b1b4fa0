"""What can be asked of the index, at one moment."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from gitagent.core.errors import BadInput, UnknownTask
from gitagent.core.graph import Running, TaskGraph
from gitagent.core.ids import is_task_id
from gitagent.core.task import BrokenFile, Status, Task
from gitagent.store.index.rows import NOW, STORED, Row, marks, task_of
from gitagent.store.index.words import holding, match

_IN = "in (select value from json_each(?))"
_NEEDING = f"""
with recursive needing(id) as (
  select value from json_each(?)
  union select edge.task from edge join needing on edge.needed = needing.id
) select {STORED} from task where id in needing
"""  # noqa: S608  column names


class Value(NamedTuple):
    """What a claim ref says; `said` is the JSON of a landing's record, or of a claim."""

    oid: str
    landed: bool
    said: str
    work: str | None


class Snapshot:
    """The queue at one moment; good only within the block that gave it.

    Tasks are given with what has landed laid over them, unless something else is said.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def tip(self) -> str | None:
        """Return the commit of the tasks branch; None when there is no queue."""
        return self._one("select value from meta where key = 'tip'")

    def ready(self, now: str, limit: int = -1) -> list[Task]:
        """Return the tasks that may be claimed, best first: by priority, age and id.

        `now` is RFC 3339 in UTC. A negative `limit` is none.
        """
        query = f"""
        select {NOW} from task where ready = 1 and (now_not_before is null or now_not_before <= ?)
        order by priority, created, id limit ?
        """  # noqa: S608
        return self._tasks(query, now, limit)

    def is_ready(self, task: str, now: str) -> bool:
        """Say whether a task may be claimed."""
        query = """
        select 1 from task where id = ? and ready = 1
          and (now_not_before is null or now_not_before <= ?)
        """
        return self._one(query, task, now) is not None

    def find(self, start: str) -> Task:
        """Return the task whose id is `start`, or the only one whose id starts so.

        Raises `UnknownTask`, or `BadInput` when the file of that task is broken.
        """
        found = self.matching(start)
        if len(found) == 1:
            return found[0]
        if found:
            message = f"`{start}` could be {', '.join(task.id for task in found[:8])}"
            raise UnknownTask(message, hint="type more of the id")
        raise self._unknown(start)

    def matching(self, start: str) -> list[Task]:
        """Return the task whose id is `start`, or the first nine whose ids start so."""
        found = self._tasks(f"select {NOW} from task where id = ?", start)  # noqa: S608
        low = start.lower()
        if found or not low:
            return found
        query = f"select {NOW} from task where id >= ? and id < ? order by id limit 9"  # noqa: S608
        return self._tasks(query, low, f"{low}\U0010ffff")

    def _unknown(self, start: str) -> BadInput | UnknownTask:
        for broken in self.broken():
            if start and broken.id is not None and broken.id.startswith(start):
                return BadInput(broken.message, file=broken.path, line=broken.line)
        return UnknownTask(f"there is no task `{start}`", hint="see `gitagent list --all`")

    def __contains__(self, task: object) -> bool:
        """Say whether there is a task, or the broken file of one, with this id."""
        query = "select 1 from task where id = ?1 union select 1 from broken where id = ?1"
        return self._one(query, task) is not None

    def with_status(self, statuses: Iterable[Status]) -> list[Task]:
        """Return the tasks that have one of these statuses, by priority, age and id."""
        query = f"select {NOW} from task where now_status {_IN} order by priority, created, id"  # noqa: S608
        return self._tasks(query, marks(statuses))

    def claimed(self) -> list[Task]:
        """Return the tasks that have a claim, live or landed."""
        query = f"select {NOW} from task where id in (select task from claim_ref)"  # noqa: S608
        return self._tasks(query)

    def stacked_offers(self) -> list[Task]:
        """Return the tasks in review whose work stands on another offer."""
        query = f"""
        select {NOW} from task where now_status = 'in_review' and json_extract(rest, '$.stack')
        """  # noqa: S608
        return self._tasks(query)

    def holding(self, words: Collection[str]) -> list[Task]:
        """Return the tasks whose text holds all of some words, by priority, age and id.

        The words are as `casefold` has them; `Index.ask` must have been told of the search.
        """
        condition, values = holding(words)
        if (found := match(self._db, words)) is not None:
            condition, values = f"words match ? and {condition}", [found, *values]
        query = f"""
        select {NOW} from words join task on task.number = words.rowid where {condition}
        order by priority, created, id
        """  # noqa: S608
        return self._tasks(query, *values)

    def first_open(self) -> Task | None:
        """Return the most urgent open task, whether it is ready or not."""
        query = f"""
        select {NOW} from task where now_status = 'open' order by priority, created, id limit 1
        """  # noqa: S608
        return next(iter(self._tasks(query)), None)

    def from_source(self, source: str) -> Task | None:
        """Return the first task by id that came from `source`."""
        query = f"select {NOW} from task where source = ? order by id limit 1"  # noqa: S608
        return next(iter(self._tasks(query, source)), None)

    def needing(self, task: str) -> tuple[str, ...]:
        """Return the ids of the tasks that need `task`."""
        query = "select task from edge where needed = ? order by task"
        return tuple(row[0] for row in self._db.execute(query, (task,)))

    def counts(self) -> dict[Status, int]:
        """Return how many tasks have each status; one that none has is left out."""
        rows = self._db.execute("select status, tasks from tally where tasks > 0").fetchall()
        return {Status(status): tasks for status, tasks in rows}

    def broken(self) -> tuple[BrokenFile, ...]:
        """Return the task files that cannot be read, by path."""
        rows = self._db.execute("select path, line, message, id from broken order by path")
        return tuple(BrokenFile(os.fsdecode(row[0]), *row[1:]) for row in rows)

    def running(self) -> dict[str, Running]:
        """Return the live claims, by task."""
        live = {task: v for task, v in self.claims().items() if not v.landed and is_task_id(task)}
        said = {task: json.loads(value.said) for task, value in live.items()}
        return {task: Running(c["run"], c["runner"], c["epoch"]) for task, c in said.items()}

    def claims(self) -> dict[str, Value]:
        """Return what the claim refs of tasks and landing turns say, by their names."""
        query = """
        select task, oid, landed, said, work from claim_ref join claim_commit using (oid)
        where landed is not null order by task
        """
        rows = self._db.execute(query)
        return {task: Value(oid, bool(landed), *rest) for task, oid, landed, *rest in rows}

    def has_landed(self) -> bool:
        """Say whether there is a landing that is not part of the branch yet."""
        query = "select 1 from claim_ref join claim_commit using (oid) where landed = 1 limit 1"
        return self._one(query) is not None

    def offers(self) -> dict[str, str]:
        """Return the tasks in review, each with what its runs and its claim are just now."""
        query = """
        select task.id, claim_ref.oid, shard.files from task
        left join claim_ref on claim_ref.task = task.id
        left join shard on folder = 'runs' and name = cast(substr(task.id, 1, 2) as blob)
        where now_status = 'in_review' order by task.id
        """
        rows = self._db.execute(query)
        return {task: f"{_of(task, files)} {oid}" for task, oid, files in rows}

    def known(self, kind: str) -> dict[str, tuple[str, str]]:
        """Return what `Index.remember` kept: witness and value, by key."""
        rows = self._db.execute("select key, witness, value from known where kind = ?", (kind,))
        return {key: (witness, value) for key, witness, value in rows}

    def seen(self, task: str, oid: str) -> float:
        """Return for how many seconds the claim ref of `task` has been seen to be `oid`."""
        query = "select first_seen from claim_ref where task = ? and oid = ?"
        row = self._db.execute(query, (task, oid)).fetchone()
        return max(time.monotonic() - row[0], 0.0) if row is not None else 0.0

    def graph(self, now: str) -> TaskGraph:
        """Return all tasks; this takes as long as there are many."""
        return self._graph(self._tasks(f"select {NOW} from task order by id"), now)  # noqa: S608

    def stored(self) -> dict[str, Task]:
        """Return all tasks as their files say, by id."""
        return {t.id: t for t in self._tasks(f"select {STORED} from task order by id")}  # noqa: S608

    def around(self, tasks: Iterable[Task], now: str, *, needing: bool = True) -> TaskGraph:
        """Return a graph that says of `tasks` all that the graph of all tasks says of them.

        It has, besides them, what they wait for, down to the roots; and what needs them, unless
        `needing` is false: then `blocks` must not be asked.
        """
        if self._one("select 1 from task where cyclic = 1 limit 1") is not None:
            return self.graph(now)
        known = {task.id: task for task in tasks}
        above = self._needing(known) if needing else {}
        wanted = {each for task in known.values() for each in task.blocked_by}
        while missing := wanted - known.keys():
            found = self._tasks(f"select {NOW} from task where id {_IN}", marks(missing))  # noqa: S608
            known |= {task.id: task for task in found}
            wanted = {e for t in found if t.status is Status.OPEN for e in t.blocked_by}
        return self._graph(
            [*known.values(), *(t for t in above.values() if t.id not in known)], now
        )

    def _needing(self, ids: Iterable[str]) -> dict[str, Task]:
        """Return what needs one of `ids`: tasks of which nothing is known but that."""
        needs: dict[str, list[str]] = {}
        query = f"select task, needed from edge where needed {_IN}"  # noqa: S608
        for task, needed in self._db.execute(query, (marks(ids),)):
            needs.setdefault(task, []).append(needed)
        return {task: Task(task, "", blocked_by=tuple(each)) for task, each in needs.items()}

    def edges_around(self, ids: Iterable[str], needs: Iterable[str]) -> TaskGraph:
        """Return what is needed to see whether `ids` may need `needs`.

        All that need one of `ids`, directly or not, are in it: a cycle goes through them alone.
        """
        found = {task.id: task for task in self._tasks(_NEEDING, marks(ids))}
        wanted = {*needs, *(each for task in found.values() for each in task.blocked_by)}
        query = f"select {STORED} from task where id {_IN}"  # noqa: S608
        found |= {task.id: task for task in self._tasks(query, marks(wanted - found.keys()))}
        return TaskGraph(tasks=found, broken=self._broken_ids())

    def _graph(self, tasks: Iterable[Task], now: str) -> TaskGraph:
        by_id = {task.id: task for task in sorted(tasks, key=lambda task: task.id)}
        return TaskGraph(by_id, self.running(), self._broken_ids(), now)

    def _broken_ids(self) -> frozenset[str]:
        rows = self._db.execute("select id from broken where id is not null")
        return frozenset(row[0] for row in rows)

    def _tasks(self, query: str, *values: object) -> list[Task]:
        return [task_of(row) for row in self._rows(query, values)]

    def _rows(self, query: str, values: tuple[object, ...]) -> Iterator[Row]:
        return iter(self._db.execute(query, values))

    def _one(self, query: str, *values: object) -> str | None:
        row = self._db.execute(query, values).fetchone()
        return None if row is None else row[0]


def _of(task: str, packed: bytes | None) -> str | None:
    """Return the id of the folder of a task's runs."""
    parts = (packed or b"").split(b"\0")
    return dict(zip(parts[::2], parts[1::2], strict=False)).get(task.encode(), b"").decode()
