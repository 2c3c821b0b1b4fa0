"""Which tasks are ready, kept up to date in the tables.

`core.graph.TaskGraph` is the definition: a task is ready that is open with its landing laid
over it, has no live claim, is in no cycle, and needs nothing that is not done. Here that is
counted once and then mended for what a change touches; `not_before` is compared when asked.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable

from gitagent.core.graph import TaskGraph
from gitagent.core.task import Task
from gitagent.store.index.rows import STORED, marks, task_of

_UNDONE = """
update task set undone = (
  select count(*) * not (
    count(*) = 1 and ifnull(json_extract(task.rest, '$.stack'), 0)
    and max(ifnull(other.now_status, '') = 'in_review'
      and ifnull(json_extract(other.rest, '$.integrate'), 'branch') in ('branch', 'pr'))
  )
  from edge left join task as other on other.id = edge.needed
  where edge.task = task.id and (other.id is null or other.now_status <> 'done')
)
"""
_READY = (
    "update task set ready = (now_status = 'open' and not undone and not cyclic and not running)"
)
_AS_STORED = """
update task set now_status = status, now_waiting_for = waiting_for, now_not_before = not_before,
  running = exists (
    select 1 from claim_ref join claim_commit using (oid)
    where claim_ref.task = task.id and landed = 0
  )
"""
_OVERLAID = """
where id in (select task from claim_ref) or running
  or (now_status, now_waiting_for, now_not_before) is not (status, waiting_for, not_before)
"""
_LANDINGS = """
select claim_ref.task, said from claim_ref join claim_commit using (oid) where landed = 1
"""
_THESE = " where id in (select value from json_each(?))"
_SOME_CYCLE = """
with recursive needing(id) as (
  select ?1 union select edge.task from edge join needing on edge.needed = needing.id
) select 1 from edge join needing on edge.needed = needing.id where edge.task = ?1 limit 1
"""

_FREED = """
select distinct edge.task from edge join tied on tied.id = edge.task
where edge.needed in (select value from json_each(?)) and not exists (
  select 1 from edge as rest join tied as other on other.id = rest.needed
  where rest.task = edge.task
)
"""


def statuses(db: sqlite3.Connection, ids: Iterable[str]) -> dict[str, str]:
    """Return what tasks are now, by id; one that does not exist is left out."""
    query = f"select id, now_status from task{_THESE}"  # noqa: S608  no value is in it
    return dict(db.execute(query, (marks(ids),)).fetchall())


def count_all(db: sqlite3.Connection) -> None:
    """Work everything out from the stored columns."""
    db.execute(_AS_STORED + _OVERLAID)
    _lay_landings(db, None)
    db.execute(_UNDONE + " where undone or id in (select task from edge)")  # noqa: S608
    _mark_cycles(db)
    db.execute(_READY)
    db.execute("delete from tally")
    db.execute("insert into tally select now_status, count(*) from task group by now_status")


def mend(
    db: sqlite3.Connection, touched: set[str], before: dict[str, str], new_edges: set[str]
) -> None:
    """Work out anew what depends on the tasks `touched`.

    `before` is what they were (`statuses`); `new_edges` are those that need other tasks now
    than before, or are gone.
    """
    db.execute(_AS_STORED + _THESE, (marks(touched),))
    _lay_landings(db, touched)
    after = statuses(db, touched)
    flipped = {t for t in touched if _frees(before.get(t), after.get(t))}
    affected = marks(touched | _needing(db, flipped))
    db.execute(_UNDONE + _THESE, (affected,))
    if new_edges and _may_be_cyclic(db, new_edges):
        _mark_cycles(db)
        db.execute(_READY)
    db.execute(_READY + _THESE, (affected,))
    _tally(db, before.values(), -1)
    _tally(db, after.values(), 1)


def _frees(before: str | None, after: str | None) -> bool:
    """Say whether what needs such a task may be ready or not by that; `stack` minds offers."""
    return (before == "done") != (after == "done") or "in_review" in (before, after)


def _lay_landings(db: sqlite3.Connection, touched: set[str] | None) -> None:
    for task_id, said in db.execute(_LANDINGS).fetchall():
        if touched is not None and task_id not in touched:
            continue
        row = db.execute(f"select {STORED} from task where id = ?", (task_id,)).fetchone()  # noqa: S608
        if row is not None:
            from gitagent.core.lifecycle import transition  # noqa: PLC0415  landings are rare
            from gitagent.store.queue import ran  # noqa: PLC0415

            _lay(db, transition(task_of(row), ran(json.loads(said))))


def _lay(db: sqlite3.Connection, task: Task) -> None:
    waiting_for = task.waiting_for.value if task.waiting_for else None
    columns = "now_status = ?, now_waiting_for = ?, now_not_before = ?"
    values = (task.status.value, waiting_for, task.not_before, task.id)
    db.execute(f"update task set {columns} where id = ?", values)  # noqa: S608


def _needing(db: sqlite3.Connection, ids: set[str]) -> set[str]:
    query = "select task from edge where needed in (select value from json_each(?))"
    return {row[0] for row in db.execute(query, (marks(ids),))}


def _may_be_cyclic(db: sqlite3.Connection, new_edges: set[str]) -> bool:
    if db.execute("select 1 from task where cyclic = 1 limit 1").fetchone():
        return True
    return any(db.execute(_SOME_CYCLE, (task,)).fetchone() for task in new_edges)


def _mark_cycles(db: sqlite3.Connection) -> None:
    needs = _tied(db)
    tasks = {task: Task(task, "", blocked_by=tuple(each)) for task, each in needs.items()}
    cycles = marks(TaskGraph(tasks).cycles)
    db.execute("update task set cyclic = 0 where cyclic = 1")
    db.execute("update task set cyclic = 1" + _THESE, (cycles,))  # noqa: S608  a constant


def _tied(db: sqlite3.Connection) -> dict[str, list[str]]:
    """Return the edges among the tasks that are in a cycle, or need somebody who is.

    All others are taken away one after the other, as soon as nothing they need is left.
    """
    db.execute("create temp table tied as select distinct task as id from edge")
    db.execute("create unique index temp.tied_id on tied (id)")
    free = "select id from tied where not exists (select 1 from edge join tied as other"
    free += " on other.id = edge.needed where edge.task = tied.id)"
    layer = [row[0] for row in db.execute(free)]
    while layer:
        db.execute(f"delete from temp.tied{_THESE}", (marks(layer),))  # noqa: S608
        layer = [row[0] for row in db.execute(_FREED, (marks(layer),))]
    needs: dict[str, list[str]] = {}
    query = "select task, needed from edge join tied on tied.id = task"
    for task, needed in db.execute(query):
        needs.setdefault(task, []).append(needed)
    db.execute("drop table temp.tied")
    return needs


def _tally(db: sqlite3.Connection, found: Iterable[str], step: int) -> None:
    query = """
    insert into tally values (?, ?)
    on conflict (status) do update set tasks = tasks + excluded.tasks
    """
    db.executemany(query, [(status, step) for status in found])
