"""What a person reads at the end of a run, and the line of it in lists."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gitagent.core.checks import CheckKind, CheckResult, Finding, Verdict
from gitagent.core.outcome import ENDINGS, Outcome
from gitagent.core.record import RecordJson, attempts_json, usage_json
from gitagent.core.run import AttemptLog, Usage
from gitagent.views.run import next_steps, run_line, run_summary

Golden = Callable[[str, str], None]
GUARD = CheckResult(CheckKind.GUARD, "guard", Verdict.PASSED, seconds=0.01)
HELD = CheckResult(
    CheckKind.GUARD,
    "guard",
    Verdict.HELD,
    findings=(Finding("is protected", path=".github/workflows/ci.yml"),),
)
TESTS = CheckResult(CheckKind.COMMAND, "tests", Verdict.PASSED, "pytest -q", 0, seconds=65)
RED = CheckResult(
    CheckKind.COMMAND,
    "tests",
    Verdict.FAILED,
    "pytest -q",
    1,
    seconds=2.31,
    findings=tuple(Finding("assert 9 == 10", path="tests/test_a.py", line=n) for n in range(1, 8)),
)
LINT = CheckResult(
    CheckKind.COMMAND, "lint", Verdict.PASSED, "ruff check", 1, preexisting=True, seconds=0.3
)
SPENT = Usage(turns=3, input_tokens=12_000, output_tokens=400, usd=0.12, seconds=94)


def record(outcome: Outcome, *attempts: AttemptLog, work: str | None = "e" * 40) -> RecordJson:
    status, waiting_for, _ = ENDINGS[outcome]
    passed = outcome is Outcome.SUCCEEDED
    return RecordJson(
        run="01jd3v5k8m0000000000000000",
        task="k3x9m",
        outcome=outcome.value,
        reason="verified by tests, lint" if passed else "failed: tests",
        branch="gitagent/k3x9m" if passed else None,
        commit="c" * 40 if passed else None,
        tree="d" * 40 if passed else None,
        url=None,
        attempts=attempts_json(attempts),
        usage=usage_json(SPENT),
        v=1,
        status=status.value if status else None,
        waiting_for=waiting_for.value if waiting_for else None,
        not_before=None,
        integrate="branch",
        epoch=1,
        runner="r1",
        base="main",
        work=work,
        base_commit="a" * 40,
        base_run=None,
        continues=None,
        started="2026-11-21T04:05:06Z",
        ended="2026-11-21T04:06:40Z",
        sandboxed=False,
        verified=passed,
        auth=None,
        messages_read=[],
        events=[],
    )


def commands(run: RecordJson) -> list[str]:
    return [command for command, _ in next_steps(run)]


def test_a_run_that_succeeded_tells_its_attempts_and_how_to_land_it(golden: Golden) -> None:
    attempts = (
        AttemptLog(1, "command", None, (GUARD, RED)),
        AttemptLog(2, "command", None, error_class="exit"),
        AttemptLog(3, "command", None, (GUARD, TESTS, LINT)),
    )

    golden("run.txt", run_summary(record(Outcome.SUCCEEDED, *attempts)))


def test_a_run_that_failed_tells_what_failed_and_how_to_go_on(golden: Golden) -> None:
    failed = record(Outcome.CHECKS_FAILED, AttemptLog(1, "command", None, (GUARD, RED)))

    golden("run-failed.txt", run_summary(failed))


def test_a_guarded_run_says_that_a_person_may_land_it() -> None:
    guarded = record(Outcome.GUARDED, AttemptLog(1, "command", None, (HELD,)))

    summary = run_summary(guarded)

    assert "status  waiting for answer" in summary
    assert "gitagent accept k3x9m                  land it all the same" in summary


def test_work_that_landed_on_the_base_is_looked_at_with_git() -> None:
    landed = record(Outcome.SUCCEEDED)
    landed["status"] = "done"

    assert commands(landed) == ["git show cccccccccc"]


def test_a_run_that_ran_out_of_budget_tells_how_to_give_it_more() -> None:
    assert commands(record(Outcome.OUT_OF_BUDGET))[1:] == [
        "gitagent edit k3x9m",
        "gitagent update k3x9m --status open",
    ]


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_is_told_with_what_to_type_next(outcome: Outcome) -> None:
    run = record(outcome)

    summary = run_summary(run)

    assert summary.startswith(f"k3x9m {outcome.value.replace('_', ' ')}: ")
    assert commands(run)
    assert all(f"  {command}" in summary for command in commands(run))


@pytest.mark.parametrize("outcome", [each for each in Outcome if each is not Outcome.SUCCEEDED])
def test_a_run_that_left_no_work_offers_nothing_to_look_at_or_to_accept(outcome: Outcome) -> None:
    offered = " ".join(commands(record(outcome, work=None)))

    assert "diff" not in offered
    assert "accept" not in offered


def test_the_line_of_a_run_says_when_how_which_and_why() -> None:
    run = record(Outcome.SUCCEEDED, AttemptLog(1, "command", None, (TESTS,)))

    assert run_line(run) == (
        "2026-11-21 04:05  succeeded        01jd3v5k8m0000000000000000  "
        "1 attempt, 1 min 34 s, 12,400 tokens, $0.12: verified by tests, lint"
    )


def test_an_amount_that_leaves_something_out_says_so() -> None:
    run = record(Outcome.SUCCEEDED)
    run["usage"]["priced"] = False

    assert "$0.12 or more" in run_line(run)


def test_a_reason_cannot_command_the_terminal() -> None:
    run = record(Outcome.AGENT_FAILED, AttemptLog(1, "command", None, error_class="\x1b[2J"))
    run["reason"] = "exited\x1b]0;owned\x07 3\nand more"

    for shown in (run_line(run), run_summary(run)):
        assert "exited 3 and more" in shown
        assert not set(shown) & {"\x1b", "\x07"}
