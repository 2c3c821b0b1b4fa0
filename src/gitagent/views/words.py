"""Small things said the same way in every view: times, amounts, ids, states of a task."""

from __future__ import annotations

from gitagent.core.graph import Readiness, TaskGraph
from gitagent.core.task import Status, Task

SHORT_ID = 10
"""Characters of an object id that a person is shown; git itself shows 7 to 12."""

NO_TASK = "???"
"""Stands where a task's marker would, for a dependency that is no readable task."""

_EXACT, _MINUTE, _HOUR = 10, 60, 3600

_MARKERS = {
    "running": "[>]",
    "open": "[ ]",
    "waiting": "[?]",
    "in_review": "[~]",
    "done": "[x]",
    "failed": "[!]",
    "cancelled": "[-]",
}


def duration(seconds: float) -> str:
    """Return a time span as a person says it: `2.3 s`, `45 s`, `3 min 5 s`, `2 h 10 min`."""
    if seconds < _EXACT:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return _pair(whole, 60, "min", "s")
    return _pair(whole // 60, 60, "h", "min")


def _pair(amount: int, base: int, large: str, small: str) -> str:
    high, low = divmod(amount, base)
    return f"{high} {large} {low} {small}" if low else f"{high} {large}"


def plural(count: int, noun: str) -> str:
    """Return `1 file`, `2 files`, `12,000 tokens`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def more_than(count: int, shown: int, noun: str) -> list[str]:
    """Return a line that says how many of `count` are not `shown`; none when all are."""
    left = count - shown
    return [f"and {left:,} more {noun if left == 1 else noun + 's'}"] if left > 0 else []


def short(object_id: str) -> str:
    """Return the start of an object id."""
    return object_id[:SHORT_ID]


def minute(moment: str) -> str:
    """Return an RFC 3339 time as `2026-11-21 04:05`, in the zone it is written in."""
    return moment[:16].replace("T", " ")


def state(task: Task, graph: TaskGraph) -> str:
    """Return what a task is right now, in one word: computed where open, else its status."""
    readiness = graph.readiness(task)
    return task.status.value if readiness is Readiness.HELD else readiness.value


def marker(task: Task, graph: TaskGraph) -> str:
    """Return three characters that say how a task stands, readable without colour."""
    running = graph.readiness(task) is Readiness.RUNNING
    return _MARKERS["running" if running else task.status.value]


def note(task: Task, graph: TaskGraph) -> str:
    """Return in a few words why a task is not ready; empty where its marker says it all."""
    if task.status in (Status.DONE, Status.CANCELLED):
        return ""
    return (graph.reason(task) or "").removeprefix("is ")
