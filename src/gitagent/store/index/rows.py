"""Tasks as rows of the index and back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

from gitagent.core.task import Budget, Integrate, PlanMode, Status, Task, WaitingFor

if TYPE_CHECKING:
    from gitagent.core.checks import CheckSpec

Row: TypeAlias = tuple[Any, ...]

STORED = (
    "id, title, body, status, waiting_for, priority, needs, labels, created, source, "
    "not_before, rest"
)
"""The columns of a task as its file says."""
NOW = STORED.replace("status", "now_status").replace("waiting_for", "now_waiting_for")
NOW = NOW.replace("not_before", "now_not_before")
"""The same columns for a task with its landing laid over it."""

_NO_BUDGET = Budget()


def row_of(task: Task) -> Row:
    """Return the values of `STORED`."""
    return (
        task.id,
        task.title,
        task.body,
        task.status.value,
        task.waiting_for.value if task.waiting_for else None,
        task.priority,
        json.dumps(task.blocked_by) if task.blocked_by else None,
        json.dumps(task.labels) if task.labels else None,
        task.created,
        task.source,
        task.not_before,
        _rest_of(task),
    )


def task_of(row: Row) -> Task:
    """Return the task that a row of `STORED`, or of `NOW`, says."""
    return Task(
        id=row[0],
        title=row[1],
        body=row[2],
        status=Status(row[3]),
        waiting_for=WaitingFor(row[4]) if row[4] else None,
        priority=row[5],
        blocked_by=_texts(row[6]),
        labels=_texts(row[7]),
        created=row[8],
        source=row[9],
        not_before=row[10],
        **(_rest(json.loads(row[11])) if row[11] else {}),
    )


def _texts(text: str | None) -> tuple[str, ...]:
    return tuple(json.loads(text)) if text else ()


def _rest_of(task: Task) -> str | None:
    """Return what few tasks have, as JSON; None for a task that has none of it."""
    rest: dict[str, Any] = {
        "agent": task.agent,
        "model": task.model,
        "reviewer": task.reviewer,
        "verify": [_values(each) for each in task.verify] or None,
        "unverified": task.unverified or None,
        "integrate": task.integrate.value if task.integrate else None,
        "budget": _values(task.budget) if task.budget != _NO_BUDGET else None,
        "allow": task.allow or None,
        "stack": task.stack or None,
        "plan": task.plan.value if task.plan else None,
    }
    said = {key: value for key, value in rest.items() if value is not None}
    return json.dumps(said) if said else None


def _values(value: CheckSpec | Budget) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}


def _rest(said: dict[str, Any]) -> dict[str, Any]:
    if "verify" in said:
        said["verify"] = tuple(_spec(each) for each in said["verify"])
    if "integrate" in said:
        said["integrate"] = Integrate(said["integrate"])
    if "budget" in said:
        said["budget"] = Budget(**said["budget"])
    if "allow" in said:
        said["allow"] = tuple(said["allow"])
    if "plan" in said:
        said["plan"] = PlanMode(said["plan"])
    return said


def _spec(said: dict[str, Any]) -> CheckSpec:
    from gitagent.core.checks import CheckSpec  # noqa: PLC0415  few tasks have a check

    return CheckSpec(**{**said, "paths": tuple(said["paths"]), "env": tuple(said["env"])})


def overrides(task: Task) -> str | None:
    """Return all that a task says of how it is to be done, as one text to compare."""
    return _rest_of(task)


def marks(values: Iterable[str]) -> str:
    """Return a list as one parameter, for `in (select value from json_each(?))`."""
    return json.dumps(list(values))
