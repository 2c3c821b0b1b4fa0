"""The rules by which two versions of a task become one, field by field (DESIGN section 4).

Each rule gives the same for (one, two) as for (two, one), but for which value it keeps of a
conflict. What only one side changed is taken, and what both changed alike. Where both changed
the same thing differently:

- `labels`, `blocked_by`, `allow`, and `verify` by the checks' names are sets: additions and
  removals of both sides count. What the base had keeps its order and additions are sorted, so
  that it does not matter in which order three clones meet. An `allow` that two removals would
  empty is a conflict: an empty one allows every path.
- `status` and `waiting_for` are one thing. A closing wins over everything else, as it does
  over a run's result (PROTOCOL 5.2); otherwise `in_review` (work that passed is there to be
  accepted) over `waiting` (a person is asked) over `failed` (a person should look) over `open`.
  Undecidable is only what two people decided against each other: `done` against `cancelled`,
  and a task that one reopened and the other closed anew.
- `priority`: the more urgent one. Stopping a task to ask which of two numbers is right would
  delay it more than either number.
- `not_before`: the later one, since before it somebody said no.
- `budget`: each of its limits by itself.
- `verify: none` against other checks is a conflict, and the checks stay.
- The title, and all other values: a conflict.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, NamedTuple, TypeVar

from gitagent.config import specs
from gitagent.core.checks import CheckSpec
from gitagent.core.lifecycle import CLOSED
from gitagent.core.task import Budget, Status, Task, WaitingFor
from gitagent.yaml_subset import Value

T = TypeVar("T")

_SCALARS = (
    "title", "created", "source", "agent", "model", "reviewer", "integrate", "stack", "plan",
)  # fmt: skip
_STRENGTH = (Status.OPEN, Status.FAILED, Status.WAITING, Status.IN_REVIEW, *sorted(CLOSED))
_URGENCY = (None, WaitingFor.PLAN, WaitingFor.BUDGET, WaitingFor.ANSWER, WaitingFor.CONFLICT)


class Three(NamedTuple, Generic[T]):
    """A value as it was, and what both sides made of it."""

    base: T
    one: T
    two: T


class Conflict(NamedTuple):
    """A field that both sides changed, undecidably; the values are as front matter has them."""

    field: str
    one: Value
    two: Value


@dataclass(slots=True)
class Join:
    """Joins values, and collects the conflicts that it meets."""

    conflicts: list[Conflict] = field(default_factory=list)

    def value(self, name: str, three: Three[T], shown: Callable[[T], Value]) -> T:
        """Return the value that was changed; of two different changes the first's."""

        def both(one: T, two: T) -> T:
            self.conflicts.append(Conflict(name, shown(one), shown(two)))
            return one

        return _changed(three, both)

    def mapping(
        self, prefix: str, three: Three[Mapping[str, T]], shown: Callable[[T], Value]
    ) -> dict[str, T]:
        """Join key by key; a key that one side removed and the other changed is kept."""
        joined: dict[str, T] = {}
        for key in union(Three(*map(tuple, three))):
            met = len(self.conflicts)
            versions = Three(*(each.get(key) for each in three))
            value = self.value(f"{prefix}{key}", versions, _unless_none(shown))
            if value is None and len(self.conflicts) > met:
                value = versions.two
            if value is not None:
                joined[key] = value
        return joined


def join_tasks(base: Task | None, one: Task, two: Task) -> tuple[Task, tuple[Conflict, ...]]:
    """Return the task that both became, and what is undecidable; bodies are not looked at.

    `base` is None when the two sides know of no common one.
    """
    before = Task(id=one.id, title="") if base is None else base
    join, three = Join(), Three(before, one, two)
    values = {name: join.value(name, _each(three, name), _scalar) for name in _SCALARS}
    values |= {name: items(_each(three, name)) for name in ("blocked_by", "labels")}
    values |= {
        "priority": _changed(_each(three, "priority"), min),
        "not_before": _changed(_each(three, "not_before"), _later),
        "allow": _allow(join, _each(three, "allow")),
        "budget": _budget(join, _each(three, "budget")),
        **_verify(join, three),
        **_state(join, three),
    }
    return replace(one, **values), tuple(join.conflicts)


def items(three: Three[tuple[str, ...]]) -> tuple[str, ...]:
    """Join lists as sets."""
    gone = set(three.base) - (set(three.one) & set(three.two))
    kept = tuple(each for each in union(three) if each not in gone)
    return _changed(three, lambda _one, _two: kept)


def union(three: Three[tuple[str, ...]]) -> tuple[str, ...]:
    """Return all of three lists: the base's in its order, then the others sorted."""
    known = dict.fromkeys(three.base)
    return (*known, *sorted({*three.one, *three.two} - known.keys()))


def _each(three: Three[Task], name: str) -> Three[Any]:
    return Three(*(getattr(task, name) for task in three))


def _changed(three: Three[T], both: Callable[[T, T], T]) -> T:
    """Return the version that was changed; `both` decides between two different changes."""
    if three.two in (three.one, three.base):
        return three.one
    return three.two if three.one == three.base else both(three.one, three.two)


def _later(one: str | None, two: str | None) -> str | None:
    return max(one or "", two or "") or None


def _allow(join: Join, three: Three[tuple[str, ...]]) -> tuple[str, ...]:
    joined = items(three)
    if joined or not three.one or not three.two:
        return joined
    return join.value("allow", three, list)


def _budget(join: Join, three: Three[Budget]) -> Budget:
    limits: Three[Mapping[str, Any]] = Three(*map(dataclasses.asdict, three))
    joined = join.mapping("budget.", limits, lambda limit: limit)
    return Budget(**joined)


def _verify(join: Join, three: Three[Task]) -> dict[str, Any]:
    lists = _each(three, "verify")
    if three.one.unverified or three.two.unverified:
        before = len(join.conflicts)
        pairs = Three(*((each.unverified, each.verify) for each in three))
        unverified, checks = join.value("verify", pairs, _shown_checks)
        if len(join.conflicts) > before:  # the safer one stands until a person decided
            unverified, checks = False, three.one.verify or three.two.verify
        return {"unverified": unverified, "verify": checks}
    named: Three[Mapping[str, CheckSpec]] = Three(
        *({check.name: check for check in each} for each in lists)
    )
    checks = _changed(lists, lambda *_: tuple(_joined_checks(join, named)))
    return {"unverified": False, "verify": checks}


def _joined_checks(join: Join, named: Three[Mapping[str, CheckSpec]]) -> Iterable[CheckSpec]:
    return join.mapping("verify.", named, specs.check_value).values()


def _state(join: Join, three: Three[Task]) -> dict[str, Any]:
    states = Three(*((each.status, each.waiting_for) for each in three))

    def both(
        one: tuple[Status, WaitingFor | None], two: tuple[Status, WaitingFor | None]
    ) -> tuple[Status, WaitingFor | None]:
        closed = [state for state in (states.base, one, two) if state[0] in CLOSED]
        if len(closed) <= 1:
            return max(one, two, key=_strength)
        join.conflicts.append(Conflict("status", str(one[0]), str(two[0])))
        return Status.WAITING, WaitingFor.CONFLICT

    status, waiting_for = _changed(states, both)
    return {"status": status, "waiting_for": waiting_for}


def _strength(state: tuple[Status, WaitingFor | None]) -> tuple[int, int]:
    return _STRENGTH.index(state[0]), _URGENCY.index(state[1])


def _scalar(value: object) -> Value:
    return value if value is None or isinstance(value, bool) else str(value)


def _shown_checks(value: tuple[bool, tuple[CheckSpec, ...]]) -> Value:
    return "none" if value[0] else [specs.check_value(check) for check in value[1]]


def _unless_none(shown: Callable[[T], Value]) -> Callable[[T | None], Value]:
    return lambda value: None if value is None else shown(value)
