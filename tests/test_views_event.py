"""What a person watches while a run goes on, and reads in its log."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from gitagent.core.checks import CheckKind, CheckResult, Excerpt, Finding, Severity, Verdict
from gitagent.core.events import (
    AgentReplied,
    AttemptStarted,
    Checked,
    CheckStarted,
    Claimed,
    Ended,
    Entry,
    Event,
    Integrated,
    IntegrationHeld,
    Offered,
    Prepared,
    Rebased,
    StopRequested,
    Warned,
)
from gitagent.core.outcome import Outcome
from gitagent.core.run import AgentError, AgentReply, Candidate, Usage
from gitagent.core.task import WaitingFor
from gitagent.views.event import LINE, OUTPUT_LINES, event_line, log_lines

Golden = Callable[[str, str], None]
TREE = "d" * 40
WORK = Candidate(base="a" * 40, base_tree="b" * 40, commit="c" * 40, tree=TREE)
GUARD = CheckResult(CheckKind.GUARD, "guard", Verdict.PASSED, seconds=0.01)
PASSED = CheckResult(
    CheckKind.COMMAND, "tests", Verdict.PASSED, "pytest -q", exit_code=0, seconds=2.1
)
FAILED = CheckResult(
    CheckKind.COMMAND,
    "tests",
    Verdict.FAILED,
    "pytest -q",
    exit_code=1,
    seconds=2.31,
    findings=(Finding("assert 9 == 10", Severity.ERROR, "tests/test_pager.py", 12),),
    output=Excerpt("head\n", "".join(f"  line {n}\n" for n in range(40)), omitted=4_000),
    log="logs/1-tests.log",
)
STORY: tuple[Event, ...] = (
    Claimed("k3x9m", "01jd3v5k8m0000000000000000", "Fix the pager", "a" * 40, 1),
    Warned("the sandbox is off: the agent can do what you can"),
    Prepared("/cache/slot-1"),
    AttemptStarted(1, "command"),
    AgentReplied(
        1,
        AgentReply(
            "Count from one",
            Usage(seconds=3.2),
            assumptions=("pages start at 1",),
            unresolved=("docs",),
        ),
    ),
    Offered(WORK, ("pager.py", "tests/test_pager.py"), files=2),
    CheckStarted("guard"),
    Checked(TREE, GUARD),
    CheckStarted("tests"),
    Checked(TREE, FAILED),
    AttemptStarted(2, "command", "large"),
    AgentReplied(
        2,
        AgentReply(
            usage=Usage(seconds=75),
            error=AgentError("exit", "`mend.sh` exited 3", Excerpt("Traceback\n  boom\n")),
        ),
    ),
    AttemptStarted(3, "command"),
    AgentReplied(3, AgentReply(usage=Usage(seconds=4_000))),
    Offered(WORK, tuple(f"src/{n}.py" for n in range(7)), files=120),
    Checked(TREE, PASSED),
    Rebased(WORK),
    Integrated("c" * 40, "refs/heads/gitagent/k3x9m"),
    IntegrationHeld("`pager.py` in the checkout of `main` is in the way", WaitingFor.CONFLICT),
    StopRequested("Ctrl-C"),
    Ended(Outcome.NEEDS_ATTENTION, "held by the checkout", WaitingFor.CONFLICT),
)
LOG = tuple(
    Entry(f"2026-11-{21 + n // 15}T23:{n:02}:00.123Z", event) for n, event in enumerate(STORY)
)


def checked(result: CheckResult) -> str:
    return event_line(Checked(TREE, result), verbose=False) or ""


def test_the_log_of_a_run_reads_as_a_story(golden: Golden) -> None:
    golden("log.txt", "\n".join(log_lines(LOG, verbose=False)))


def test_the_verbose_log_of_a_run_leaves_nothing_out(golden: Golden) -> None:
    golden("log-verbose.txt", "\n".join(log_lines(LOG, verbose=True)))


def test_every_event_is_shown_when_verbose_and_two_only_then() -> None:
    quiet = {type(each) for each in STORY if event_line(each, verbose=False) is None}

    assert {type(each) for each in STORY} == set(get_args(Event))
    assert all(event_line(each, verbose=True) for each in STORY)
    assert quiet == {Prepared, CheckStarted}


def test_a_failed_check_shows_its_status_its_findings_and_the_end_of_its_output() -> None:
    first, finding, where, *output = checked(FAILED).split("\n")

    assert first == "check tests failed (exit 1, 2.3 s)"
    assert finding == "  tests/test_pager.py:12: error: assert 9 == 10"
    assert where == "  the end of its output, all of it is in logs/1-tests.log:"
    assert output == [f"  |   line {n}" for n in range(40 - OUTPUT_LINES, 40)]


def test_a_short_output_is_shown_whole_without_saying_where_it_is() -> None:
    result = CheckResult(
        CheckKind.COMMAND, "lint", Verdict.FAILED, exit_code=2, output=Excerpt("a.py:1: E1\n\n")
    )

    assert checked(result) == "check lint failed (exit 2, 0.0 s)\n  | a.py:1: E1"


def test_each_way_a_check_can_end_has_its_word() -> None:
    late = CheckResult(CheckKind.COMMAND, "x", Verdict.FAILED, timed_out=True, seconds=600)
    held = CheckResult(CheckKind.GUARD, "guard", Verdict.HELD)
    before = CheckResult(
        CheckKind.COMMAND, "x", Verdict.PASSED, exit_code=1, preexisting=True, seconds=12.4
    )

    assert checked(late) == "check x timed out (10 min)"
    assert checked(held) == "check guard held (0.0 s)"
    assert checked(before) == "check x failed as before (exit 1, 12 s)"


def test_colour_only_styles_the_first_line_of_an_event() -> None:
    plain = checked(FAILED)

    coloured = event_line(Checked(TREE, FAILED), verbose=False, colour=True) or ""

    assert coloured.startswith("\x1b[31mcheck tests failed (exit 1, 2.3 s)\x1b[0m\n")
    assert re.sub(r"\x1b\[\d+m", "", coloured) == plain


@given(head=st.text(), tail=st.text(), omitted=st.integers(0, 10))
def test_no_output_floods_the_screen_or_commands_the_terminal(
    head: str, tail: str, omitted: int
) -> None:
    hostile = f"\x1b[2J{head}\x1b]0;x\x07\r"
    result = CheckResult(
        CheckKind.COMMAND,
        hostile,
        Verdict.FAILED,
        command=hostile,
        findings=tuple(Finding(hostile, path=hostile) for _ in range(40)),
        output=Excerpt(hostile * 30, (tail + "\n") * 30, omitted),
        log=hostile,
    )

    lines = (event_line(Checked(TREE, result), verbose=True) or "").split("\n")

    assert len(lines) <= 1 + 15 + 1 + 1 + OUTPUT_LINES
    for line in lines:
        assert not set(line) & {"\x1b", "\x07", "\r", "\x00"}
        assert len(line) <= LINE + 2


def test_a_line_of_output_as_long_as_a_file_is_cut() -> None:
    result = CheckResult(CheckKind.COMMAND, "x", Verdict.FAILED, output=Excerpt("界" * 1_000_000))

    assert all(len(line) <= LINE + 2 for line in checked(result).split("\n"))
