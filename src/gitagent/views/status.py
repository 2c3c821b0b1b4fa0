"""What runs now, and what waits for whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gitagent.core.graph import Readiness, TaskGraph
from gitagent.core.task import Status, Task
from gitagent.text import one_line
from gitagent.views.terminal import Style, paint
from gitagent.views.words import marker, plural

_TITLE = 80
_SHOWN = 8


def status_page(
    graph: TaskGraph, done: int, running: Sequence[Mapping[str, object]], *, colour: bool
) -> str:
    """Return the page: a block for each group that is not empty, and what to type for it.

    `graph` has all tasks that are not closed or have a claim, and `done` says how many are
    done. `running` has for each live claim its task, run, host, pid and whether it is alive.
    """
    tasks = sorted(graph.tasks.values(), key=lambda t: (t.priority, t.created, t.id))

    def having(status: Status) -> list[Task]:
        return [task for task in tasks if task.status is status]

    blocked = [task for task in tasks if graph.readiness(task) is Readiness.BLOCKED]
    blocks = [
        _block("running", [_running(each, graph) for each in running], "", colour=colour),
        _tasks("ready", list(graph.ready()), graph, "gitagent next", colour=colour),
        _tasks("in review", having(Status.IN_REVIEW), graph, "gitagent accept ID", colour=colour),
        _tasks("waiting", having(Status.WAITING), graph, "gitagent show ID", colour=colour),
        _tasks("failed", having(Status.FAILED), graph, "gitagent log ID", colour=colour),
        _tasks("blocked", blocked, graph, "gitagent why ID", colour=colour),
    ]
    return "\n".join([*(block for block in blocks if block), f"{plural(done, 'task')} done"])


def _tasks(
    name: str, tasks: Sequence[Task], graph: TaskGraph, command: str, *, colour: bool
) -> str:
    lines = [f"{marker(t, graph)} {t.id}  {one_line(t.title, _TITLE)}" for t in tasks]
    return _block(name, lines, command, colour=colour)


def _block(name: str, lines: Sequence[str], command: str, *, colour: bool) -> str:
    if not lines:
        return ""
    head = f"{name} ({len(lines)})" + (f": `{command}`" if command else "")
    shown = [f"  {line}" for line in lines[:_SHOWN]]
    more = [f"  and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return "\n".join([paint(head, Style.BOLD, colour=colour), *shown, *more])


def _running(row: Mapping[str, object], graph: TaskGraph) -> str:
    task = graph.tasks.get(str(row["task"]))
    title = one_line(task.title, _TITLE) if task is not None else "(no such task)"
    where = f"{row['host']}, process {row['pid']}"
    dead = "" if row["alive"] else "; that process is dead, `gitagent next` takes it over"
    return f"[>] {row['task']}  {title}  ({where}{dead})"
