"""What becomes of a task: the table of outcomes, and what people do to it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitagent.core.lifecycle import (
    Accepted,
    Cancelled,
    Closed,
    Dropped,
    Merged,
    Ran,
    Reopened,
    SentBack,
    TaskEvent,
    transition,
)
from gitagent.core.outcome import ENDINGS, Outcome, ending
from gitagent.core.task import Integrate, Status, Task, WaitingFor

LATER = "2026-11-21T07:00:00Z"
OPEN, WAITING, REVIEW = Status.OPEN, Status.WAITING, Status.IN_REVIEW
DONE, FAILED, CANCELLED = Status.DONE, Status.FAILED, Status.CANCELLED

# DESIGN section 2, row by row: outcome, the task then, what it waits for, exit status.
TABLE = [
    (Outcome.SUCCEEDED, REVIEW, None, 0),
    (Outcome.CHECKS_FAILED, FAILED, None, 1),
    (Outcome.REJECTED, FAILED, None, 1),
    (Outcome.AGENT_FAILED, FAILED, None, 1),
    (Outcome.NOTHING_CHANGED, FAILED, None, 1),
    (Outcome.REPLAN, WAITING, WaitingFor.PLAN, 1),
    (Outcome.NEEDS_ATTENTION, WAITING, WaitingFor.ANSWER, 1),
    (Outcome.GUARDED, WAITING, WaitingFor.ANSWER, 1),
    (Outcome.OUT_OF_BUDGET, WAITING, WaitingFor.BUDGET, 1),
    (Outcome.QUOTA, OPEN, None, 1),
    (Outcome.LOST_CLAIM, None, None, 1),
    (Outcome.INTERRUPTED, OPEN, None, 130),
]

# What a person or a merge does: event, then the status that each status becomes.
BECOMES: list[tuple[TaskEvent, dict[Status, Status]]] = [
    (Accepted(), {REVIEW: DONE, WAITING: DONE, FAILED: DONE}),
    (Merged(), {REVIEW: DONE}),
    (SentBack(), {REVIEW: OPEN, WAITING: OPEN, FAILED: OPEN}),
    (Dropped(), dict.fromkeys((OPEN, WAITING, REVIEW, FAILED), CANCELLED)),
    (Cancelled(), dict.fromkeys((OPEN, WAITING, REVIEW, FAILED), CANCELLED)),
    (Reopened(), dict.fromkeys(Status, OPEN)),
    (Closed(), dict.fromkeys(Status, DONE)),
]

waits = st.none() | st.sampled_from(WaitingFor)
times = st.none() | st.just(LATER)
rans = st.builds(Ran, st.sampled_from(Outcome), st.sampled_from(Integrate), waits, times)
people = st.sampled_from([event for event, _ in BECOMES])


@st.composite
def tasks(draw: st.DrawFn) -> Task:
    status = draw(st.sampled_from(Status))
    waiting_for = draw(st.sampled_from(WaitingFor)) if status is WAITING else None
    return Task(
        "aaaaa", "Greet", body="x", status=status, waiting_for=waiting_for, not_before=draw(times)
    )


def held(status: Status) -> Task:
    waiting_for = WaitingFor.ANSWER if status is WAITING else None
    return Task("aaaaa", "Greet", status=status, waiting_for=waiting_for)


def test_the_table_has_every_outcome_once() -> None:
    assert sorted(row[0] for row in TABLE) == sorted(Outcome)
    assert set(ENDINGS) == set(Outcome)


@pytest.mark.parametrize(("outcome", "status", "waiting_for", "exit_code"), TABLE)
@pytest.mark.parametrize("integrate", Integrate)
def test_an_outcome_makes_of_a_task_what_the_design_says(
    outcome: Outcome,
    status: Status | None,
    waiting_for: WaitingFor | None,
    exit_code: int,
    integrate: Integrate,
) -> None:
    if outcome is Outcome.SUCCEEDED and integrate in (Integrate.COMMIT, Integrate.REPORT):
        status = DONE

    row = ending(outcome, integrate)
    task = transition(held(OPEN), Ran(outcome, integrate))

    assert (row.status, row.waiting_for, row.exit_code) == (status, waiting_for, exit_code)
    assert (task.status, task.waiting_for) == (status or OPEN, waiting_for)


@pytest.mark.parametrize(("event", "becomes"), BECOMES)
@pytest.mark.parametrize("status", Status)
def test_what_a_person_does_applies_only_where_it_can(
    event: TaskEvent, becomes: dict[Status, Status], status: Status
) -> None:
    task = transition(held(status), event)

    assert task.status is becomes.get(status, status)
    assert task.waiting_for is (WaitingFor.ANSWER if task.status is WAITING else None)


@given(tasks(), rans)
def test_a_late_run_never_reopens_a_closed_task(task: Task, ran: Ran) -> None:
    closed = replace(task, status=DONE, waiting_for=None)
    dropped = replace(task, status=CANCELLED, waiting_for=None)

    assert transition(closed, ran) == closed
    assert transition(dropped, ran) == dropped


@given(tasks(), rans | people)
def test_every_event_applies_to_every_task_and_touches_its_status_alone(
    task: Task, event: TaskEvent
) -> None:
    after = transition(task, event)

    assert (after.status is WAITING) == (after.waiting_for is not None)
    kept = replace(
        after, status=task.status, waiting_for=task.waiting_for, not_before=task.not_before
    )
    assert kept == task
    assert after.not_before in (task.not_before, LATER)


@given(tasks(), rans | people.filter(lambda event: not isinstance(event, SentBack)))
def test_the_same_event_twice_is_the_event_once(task: Task, event: TaskEvent) -> None:
    once = transition(task, event)

    assert transition(once, event) == once


@pytest.mark.parametrize("waiting_for", WaitingFor)
def test_a_run_may_say_what_it_waits_for(waiting_for: WaitingFor) -> None:
    ran = Ran(Outcome.NEEDS_ATTENTION, Integrate.COMMIT, waiting_for)

    assert transition(held(OPEN), ran).waiting_for is waiting_for


def test_a_run_that_does_not_wait_cannot_say_that_it_does() -> None:
    ran = Ran(Outcome.CHECKS_FAILED, Integrate.COMMIT, WaitingFor.CONFLICT)

    assert transition(held(OPEN), ran).waiting_for is None


def test_a_quota_puts_the_task_off_and_keeps_it_open() -> None:
    task = transition(held(OPEN), Ran(Outcome.QUOTA, Integrate.BRANCH, not_before=LATER))

    assert (task.status, task.not_before) == (OPEN, LATER)
