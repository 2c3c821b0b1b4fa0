"""How a run can end, and what becomes of the task: DESIGN section 2's table, once."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from gitagent.core.task import Integrate, Status, WaitingFor


class Outcome(StrEnum):
    """How a run ended."""

    SUCCEEDED = "succeeded"
    CHECKS_FAILED = "checks_failed"
    REJECTED = "rejected"
    AGENT_FAILED = "agent_failed"
    NOTHING_CHANGED = "nothing_changed"
    REPLAN = "replan"
    NEEDS_ATTENTION = "needs_attention"
    GUARDED = "guarded"
    OUT_OF_BUDGET = "out_of_budget"
    QUOTA = "quota"
    LOST_CLAIM = "lost_claim"
    INTERRUPTED = "interrupted"


class Ending(NamedTuple):
    """What the task becomes and what the process says; None keeps the status."""

    status: Status | None
    waiting_for: WaitingFor | None
    exit_code: int


ENDINGS: dict[Outcome, Ending] = {
    Outcome.SUCCEEDED: Ending(Status.IN_REVIEW, None, 0),
    Outcome.CHECKS_FAILED: Ending(Status.FAILED, None, 1),
    Outcome.REJECTED: Ending(Status.FAILED, None, 1),
    Outcome.AGENT_FAILED: Ending(Status.FAILED, None, 1),
    Outcome.NOTHING_CHANGED: Ending(Status.FAILED, None, 1),
    Outcome.REPLAN: Ending(Status.WAITING, WaitingFor.PLAN, 1),
    Outcome.NEEDS_ATTENTION: Ending(Status.WAITING, WaitingFor.ANSWER, 1),
    Outcome.GUARDED: Ending(Status.WAITING, WaitingFor.ANSWER, 1),
    Outcome.OUT_OF_BUDGET: Ending(Status.WAITING, WaitingFor.BUDGET, 1),
    Outcome.QUOTA: Ending(Status.OPEN, None, 1),
    Outcome.LOST_CLAIM: Ending(None, None, 1),
    Outcome.INTERRUPTED: Ending(Status.OPEN, None, 130),
}

_FINAL = frozenset({Integrate.COMMIT, Integrate.REPORT})


def ending(outcome: Outcome, integrate: Integrate, waiting_for: WaitingFor | None = None) -> Ending:
    """Return what `outcome` makes of a task under `integrate`.

    `waiting_for` is what the run itself says it waits for, such as `conflict`.
    """
    row = ENDINGS[outcome]
    if outcome is Outcome.SUCCEEDED and integrate in _FINAL:
        return row._replace(status=Status.DONE)
    if row.status is Status.WAITING and waiting_for is not None:
        return row._replace(waiting_for=waiting_for)
    return row
