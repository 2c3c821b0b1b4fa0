"""What happens to a task's stored status: the only place where one changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias, assert_never

from gitagent.core.outcome import Outcome, ending
from gitagent.core.task import CLOSED, Integrate, Status, Task, WaitingFor

__all__ = [
    "CLOSED",
    "Accepted",
    "Cancelled",
    "Closed",
    "Dropped",
    "Merged",
    "Ran",
    "Reopened",
    "SentBack",
    "TaskEvent",
    "transition",
]


@dataclass(frozen=True, slots=True)
class Ran:
    """A run of the task landed. `not_before` is RFC 3339, set by `quota`."""

    outcome: Outcome
    integrate: Integrate
    waiting_for: WaitingFor | None = None
    not_before: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """A person accepted the offer, and it is on the base."""


@dataclass(frozen=True, slots=True)
class Merged:
    """The offer was found on the base."""


@dataclass(frozen=True, slots=True)
class SentBack:
    """A person rejected the offer; the reason is a message."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A person discarded the offer, and the wish with it."""


@dataclass(frozen=True, slots=True)
class Reopened:
    """A person wants the task done (again)."""


@dataclass(frozen=True, slots=True)
class Closed:
    """A person says that the task is done."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A person does not want the task any more."""


@dataclass(frozen=True, slots=True)
class Restacked:
    """What a stacked task's offer stands on has changed: it is to be done again on top of that."""


TaskEvent: TypeAlias = (
    Ran | Accepted | Merged | SentBack | Dropped | Reopened | Closed | Cancelled | Restacked
)

_OFFERED = frozenset({Status.IN_REVIEW, Status.WAITING, Status.FAILED})


def transition(task: Task, event: TaskEvent) -> Task:
    """Return the task as it is after `event`; the same task where it does not apply."""
    match event:
        case Ran():
            return _ran(task, event)
        case Accepted():
            return _to(task, Status.DONE) if task.status in _OFFERED else task
        case Merged():
            return _to(task, Status.DONE) if task.status is Status.IN_REVIEW else task
        case SentBack() | Restacked():
            return _to(task, Status.OPEN) if task.status in _OFFERED else task
        case Dropped() | Cancelled():
            return task if task.status in CLOSED else _to(task, Status.CANCELLED)
        case Reopened():
            return _to(task, Status.OPEN)
        case Closed():
            return _to(task, Status.DONE)
        case _:
            assert_never(event)


def _ran(task: Task, event: Ran) -> Task:
    row = ending(event.outcome, event.integrate, event.waiting_for)
    if row.status is None or task.status in CLOSED:
        return task
    after = replace(task, status=row.status, waiting_for=row.waiting_for)
    return replace(after, not_before=event.not_before or task.not_before)


def _to(task: Task, status: Status) -> Task:
    return replace(task, status=status, waiting_for=None)
