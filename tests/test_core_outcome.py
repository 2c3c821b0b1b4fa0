"""How runs end: what holds for every row of the table of outcomes."""

from __future__ import annotations

from itertools import product

import pytest

from gitagent.core.outcome import Outcome, ending
from gitagent.core.task import Integrate, Status, WaitingFor

WAITS = (None, *WaitingFor)


@pytest.mark.parametrize("outcome", Outcome)
def test_a_task_waits_for_something_exactly_when_it_is_waiting(outcome: Outcome) -> None:
    for integrate, waiting_for in product(Integrate, WAITS):
        row = ending(outcome, integrate, waiting_for)

        assert (row.status is Status.WAITING) == (row.waiting_for is not None)


@pytest.mark.parametrize("outcome", Outcome)
def test_the_exit_status_hangs_on_the_outcome_alone(outcome: Outcome) -> None:
    expected = {Outcome.SUCCEEDED: 0, Outcome.INTERRUPTED: 130}.get(outcome, 1)

    assert {ending(outcome, i, w).exit_code for i, w in product(Integrate, WAITS)} == {expected}


@pytest.mark.parametrize("integrate", Integrate)
def test_only_work_that_is_on_the_base_or_a_report_is_done_at_once(integrate: Integrate) -> None:
    done = {each for each in Outcome if ending(each, integrate).status is Status.DONE}

    at_once = integrate in (Integrate.COMMIT, Integrate.REPORT)
    assert done == ({Outcome.SUCCEEDED} if at_once else set())


@pytest.mark.parametrize("outcome", Outcome)
def test_no_run_cancels_a_task(outcome: Outcome) -> None:
    assert all(ending(outcome, each).status is not Status.CANCELLED for each in Integrate)
