"""A task: what is wanted, and what a person decided about how."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a command that only reads needs none of what judges
    from gitagent.core.checks import CheckSpec


class Status(StrEnum):
    """The stored statuses; ready, blocked, running and scheduled are computed."""

    OPEN = "open"
    WAITING = "waiting"
    IN_REVIEW = "in_review"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


CLOSED = frozenset({Status.DONE, Status.CANCELLED})
"""Closed by a person or by landed work; a late run does not reopen it."""


class WaitingFor(StrEnum):
    """What a task that waits on people waits for."""

    PLAN = "plan"
    ANSWER = "answer"
    BUDGET = "budget"
    CONFLICT = "conflict"


class Integrate(StrEnum):
    """What becomes of work that passed."""

    BRANCH = "branch"
    COMMIT = "commit"
    PR = "pr"
    PATCH = "patch"
    REPORT = "report"
    NONE = "none"


BRANCHED = frozenset({Integrate.BRANCH, Integrate.PR})
"""What offers work as a branch, so that other work can be stacked on it."""


class PlanMode(StrEnum):
    """Whether a plan is made, and whether a person approves it."""

    AUTO = "auto"
    APPROVE = "approve"
    NEVER = "never"


DEFAULT_PRIORITY = 2
LOWEST_PRIORITY = 4


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run may spend: goes of the agent, turns, tokens, US dollars, seconds.

    None means that this dimension has no limit of its own.
    """

    attempts: int | None = None
    turns: int | None = None
    tokens: int | None = None
    usd: float | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Criterion:
    """One line of the list under `## Acceptance criteria`."""

    text: str
    done: bool


@dataclass(frozen=True, slots=True)
class Task:
    """A task as its file says; see DESIGN section 4 for who may set what.

    `created` and `not_before` are RFC 3339 in UTC. `verify` is added to the base's checks;
    `unverified` is `verify: none`, and then no command judges the work.
    """

    id: str
    title: str
    body: str = ""
    status: Status = Status.OPEN
    waiting_for: WaitingFor | None = None
    priority: int = DEFAULT_PRIORITY
    blocked_by: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    created: str = ""
    source: str | None = None
    agent: str | None = None
    model: str | None = None
    reviewer: str | None = None
    verify: tuple[CheckSpec, ...] = ()
    unverified: bool = False
    integrate: Integrate | None = None
    budget: Budget = Budget()
    allow: tuple[str, ...] = ()
    not_before: str | None = None
    stack: bool = False
    plan: PlanMode | None = None

    @property
    def acceptance(self) -> tuple[Criterion, ...]:
        """The acceptance criteria, read from the body."""
        return acceptance(self.body)


_HEADING = r"#{1,6}[ \t]+(?P<title>.*)"
_ITEM = r"[ \t]{0,3}(?:[-*+]|\d{1,9}[.)])[ \t]+(?:\[(?P<mark>[ xX])\][ \t]+)?(?P<text>\S.*)"
_FENCE = r" {0,3}(?P<marks>`{3,}(?=[^`]*$)|~{3,})(?P<rest>.*)"


def acceptance(body: str) -> tuple[Criterion, ...]:
    """Return the list under `## Acceptance criteria`; a box that is ticked is done."""
    criteria: list[Criterion] = []
    inside = False
    for line in _outside_code(body):
        if heading := re.fullmatch(_HEADING, line):
            inside = heading["title"].strip(" \t#").lower() == "acceptance criteria"
        elif inside and (item := re.fullmatch(_ITEM, line)):
            criteria.append(Criterion(item["text"].strip(), item["mark"] in ("x", "X")))
    return tuple(criteria)


def _outside_code(body: str) -> Iterator[str]:
    """Give the lines outside fenced code; CommonMark 0.31 section 4.5 says where it ends."""
    opened = ""
    for line in body.splitlines():
        fence = re.fullmatch(_FENCE, line)
        if opened:
            if fence and fence["marks"].startswith(opened) and not fence["rest"].strip():
                opened = ""
        elif fence:
            opened = fence["marks"]
        else:
            yield line


@dataclass(frozen=True, slots=True)
class BrokenFile:
    """A task file that cannot be read; `id` is what its name says, if that is an id."""

    path: str
    line: int | None
    message: str
    id: str | None = None
