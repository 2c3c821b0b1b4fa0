"""What a run does next: laws over any history, and the turns that matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf, nan
from random import Random
from typing import TypeVar

import pytest
from hypothesis import event as note
from hypothesis import given, settings
from hypothesis import strategies as st

from gitagent.core.checks import CheckKind, CheckResult, Finding, Verdict
from gitagent.core.decide import (
    Attempt,
    End,
    Finished,
    Judge,
    Place,
    Policy,
    Prepare,
    Snapshot,
    Step,
    decide,
)
from gitagent.core.events import (
    AgentReplied,
    AttemptStarted,
    Checked,
    CheckStarted,
    Claimed,
    Ended,
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
from gitagent.core.task import Integrate, WaitingFor

T = TypeVar("T")
ERRORS = ("exit", "timeout", "stopped", "not_found", "bad_reply", "tampered")
BASE, TREES = "tree-base", ("tree-1", "tree-2", "tree-3")
REFUSED = (Finding("a link that leaves the repository", path="link"),)
BASE_MOVES = DEATHS = 3
PASSED, FAILED, HELD = Verdict.PASSED, Verdict.FAILED, Verdict.HELD


def kind_of(check: str) -> CheckKind:
    return CheckKind(check) if check in ("guard", "review") else CheckKind.COMMAND


def result(check: str, verdict: Verdict, seconds: float = 1.0) -> CheckResult:
    kind = kind_of(check)
    exit_code = int(verdict is not PASSED) if kind is CheckKind.COMMAND else None
    return CheckResult(kind, check, verdict, exit_code=exit_code, seconds=seconds)


def candidate(tree: str, base: str = BASE) -> Candidate:
    return Candidate(f"commit-of-{base}", base, f"commit-of-{tree}", tree)


@dataclass
class Simulated:
    """A runner that carries steps out in a world where chance decides what comes of them."""

    policy: Policy
    chance: Random
    history: list[Event] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    passed: dict[str, set[str]] = field(default_factory=dict)
    moves: int = 0
    deaths: int = 0

    def pick(self, *options: T) -> T:
        return self.chance.choice(options)

    @property
    def bound(self) -> int:
        """The steps that no run can need more than."""
        checks = len(self.policy.checks)
        goes = self.policy.attempts * (2 + checks) + DEATHS
        return 3 + goes + (BASE_MOVES + 1) * (1 + checks)

    def run(self) -> None:
        while not self.steps or not isinstance(self.steps[-1], Finished):
            assert len(self.steps) <= self.bound
            self.steps.append(decide(self.history, self.policy))
            self.carry_out(self.steps[-1])

    def carry_out(self, step: Step) -> None:
        stops = not isinstance(step, End | Finished) and self.pick(*[False] * 79, True)
        if stops:
            self.history.append(StopRequested("a person"))
            return
        match step:
            case Prepare():
                self.history += [Warned("x"), Prepared("/worktree")]
            case Attempt():
                self.attempt(step)
            case Snapshot():
                self.snapshot()
            case Judge():
                self.judge(step)
            case Place():
                self.history.append(self.place(step))
            case End():
                self.history.append(Ended(step.outcome, step.reason, step.waiting_for))
            case Finished():
                pass

    def attempt(self, step: Attempt) -> None:
        self.history.append(AttemptStarted(step.number, "command"))
        if self.deaths < DEATHS and self.pick(*[False] * 9, True):
            self.deaths += 1
            return
        seconds = self.pick(*[0.0, 1.0] * 6, step.seconds / 2, step.seconds + 1)
        error = self.pick(*[None] * 24, *ERRORS)
        asks = self.pick(*[None] * 29, "which database?")
        reply = AgentReply(
            usage=Usage(seconds=seconds),
            needs_attention=asks,
            error=AgentError(error, "it broke") if error else None,  # type: ignore[arg-type]
        )
        self.history.append(AgentReplied(step.number, reply))

    def snapshot(self) -> None:
        tree = self.pick(*TREES, *TREES, BASE)
        self.passed[tree] = set()
        refused = self.pick((), (), (), REFUSED)
        self.history.append(Offered(candidate(tree), refused=refused))

    def judge(self, step: Judge) -> None:
        verdict = self.pick(*[PASSED] * 7, FAILED, FAILED, HELD)
        if step.check == "guard" and self.refused:
            verdict = FAILED
        tree = step.candidate.tree
        self.passed[tree] = self.passed[tree] | {step.check} if verdict is PASSED else set()
        seconds = self.pick(*[0.0, 1.0] * 6, step.seconds)
        self.history += [
            CheckStarted(step.check),
            Checked(tree, result(step.check, verdict, seconds)),
        ]

    @property
    def refused(self) -> bool:
        offers = [each for each in self.history if isinstance(each, Offered | Rebased)]
        return isinstance(offers[-1], Offered) and bool(offers[-1].refused)

    def place(self, step: Place) -> Event:
        self.assert_verified(step)
        if self.moves < BASE_MOVES and self.pick(False, True):
            self.moves += 1
            tree = self.pick(step.candidate.tree, *TREES, BASE)
            self.passed.setdefault(tree, set())
            return Rebased(candidate(tree, self.pick(BASE, f"tree-base-{self.moves}")))
        if self.pick(*[False] * 4, True):
            return IntegrationHeld("conflicts", WaitingFor.CONFLICT)
        return Integrated(step.candidate.commit)

    def assert_verified(self, step: Place) -> None:
        """The law that matters most: nothing lands that did not pass everything."""
        if not step.candidate.changed and self.policy.integrate is Integrate.REPORT:
            return
        assert self.passed[step.candidate.tree] == set(self.policy.checks)

    @property
    def end(self) -> Ended:
        ended = self.history[-1]
        assert isinstance(ended, Ended)
        return ended


policies = st.builds(
    Policy,
    st.sampled_from(
        [
            (),
            ("guard",),
            ("guard", "make"),
            ("guard", "make", "lint"),
            ("guard", "make", "review"),
            ("guard", "make", "lint", "review"),
        ]
    ),
    attempts=st.integers(1, 4),
    seconds=st.sampled_from([0.5, 5.0, 50.0, 1e6]),
    integrate=st.sampled_from(Integrate),
)


@st.composite
def runs(draw: st.DrawFn) -> Simulated:
    chance = draw(st.randoms(use_true_random=False))
    simulated = Simulated(draw(policies), chance)
    simulated.history.append(Claimed("aaaaa", "run", "Greet", "base", 1))
    simulated.run()
    return simulated


@settings(max_examples=1000)
@given(runs())
def test_a_run_ends_and_lands_only_what_passed_every_check(run: Simulated) -> None:
    note(run.end.outcome)

    assert decide(run.history, run.policy) == Finished()
    placed = any(isinstance(each, Integrated) for each in run.history)
    stopped = any(isinstance(each, StopRequested) for each in run.history)
    assert (run.end.outcome is Outcome.SUCCEEDED) == placed
    assert run.end.outcome is Outcome.INTERRUPTED if stopped else True
    assert run.end.reason


@settings(max_examples=400)
@given(runs())
def test_no_run_has_more_attempts_or_more_time_than_its_policy(run: Simulated) -> None:
    attempts = [each for each in run.steps if isinstance(each, Attempt)]
    timed = [each for each in run.steps if isinstance(each, Attempt | Judge)]

    assert all(1 <= each.number <= run.policy.attempts for each in attempts)
    assert all(0 < each.seconds <= run.policy.seconds for each in timed)
    assert [each.number for each in attempts] == sorted(each.number for each in attempts)


@settings(max_examples=400)
@given(runs())
def test_every_further_attempt_is_told_what_was_wrong(run: Simulated) -> None:
    started: set[int] = set()
    for step in run.steps:
        if isinstance(step, Attempt) and step.number > 1 and step.number not in started:
            assert step.feedback is not None
            assert step.feedback.failed or step.feedback.error
            assert not any(each.ok for each in step.feedback.failed)
        if isinstance(step, Attempt):
            started.add(step.number)


seconds = st.sampled_from([-1e9, -1.0, 0.0, 1.0, 1e9, inf, nan])
texts = st.sampled_from(["", "a", "guard", "make", *TREES, BASE])
candidates = st.builds(Candidate, texts, texts, texts, texts)
results = st.builds(
    CheckResult,
    st.sampled_from(CheckKind),
    texts,
    st.sampled_from(Verdict),
    seconds=seconds,
)
agent_errors = st.builds(AgentError, st.sampled_from(ERRORS), texts)
replies = st.builds(
    AgentReply,
    usage=st.builds(Usage, seconds=seconds),
    needs_attention=st.none() | texts,
    error=st.none() | agent_errors,
)
numbers = st.integers(-1, 5)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(Claimed, texts, texts, texts, texts, numbers),
    st.builds(Warned, texts),
    st.builds(Prepared, texts),
    st.builds(AttemptStarted, numbers, texts),
    st.builds(AgentReplied, numbers, replies),
    st.builds(Offered, candidates, refused=st.sampled_from([(), REFUSED])),
    st.builds(CheckStarted, texts),
    st.builds(Checked, texts, results),
    st.builds(Rebased, candidates),
    st.builds(Integrated, texts),
    st.builds(IntegrationHeld, texts),
    st.builds(StopRequested, texts),
    st.builds(Ended, st.sampled_from(Outcome), texts),
)


@settings(max_examples=300)
@given(st.lists(events, max_size=14), policies)
def test_any_history_however_broken_has_a_next_step_with_time_for_it(
    history: list[Event], policy: Policy
) -> None:
    step = decide(history, policy)

    assert isinstance(step, Step)
    if isinstance(step, Attempt | Judge):
        assert 0 < step.seconds <= policy.seconds


def passed_in(history: Sequence[Event]) -> set[str]:
    """Return the checks that the offered tree has passed, and none of them failed, since."""
    tree, found, red = "", set[str](), set[str]()
    for each in history:
        if isinstance(each, AttemptStarted):
            tree, found, red = "", set(), set()
        elif isinstance(each, Offered) or (
            isinstance(each, Rebased) and each.candidate.tree != tree
        ):
            tree, found, red = each.candidate.tree, set(), set()
        elif isinstance(each, Checked) and each.tree == tree:
            (found if each.result.ok else red).add(each.result.name)
    return found - red


near = st.sampled_from(TREES[:2])
near_candidates = st.builds(candidate, near)
verdicts = st.sampled_from([*[PASSED] * 9, FAILED])
near_results = st.builds(result, st.sampled_from(["guard", "make"]), verdicts)
near_events: st.SearchStrategy[Event] = st.one_of(
    *[st.builds(Checked, near, near_results)] * 6,
    st.builds(Offered, near_candidates),
    st.builds(Rebased, near_candidates),
    st.just(AttemptStarted(2, "a")),
)


@settings(max_examples=1000)
@given(st.lists(near_events, min_size=2, max_size=8))
def test_no_order_of_events_places_a_tree_that_has_not_passed_every_check(
    later: list[Event],
) -> None:
    policy = Policy(("guard", "make"), 3, 1e6, Integrate.COMMIT)
    history = [*OFFERED, Offered(candidate("tree-1")), *later]

    step = decide(history, policy)

    note(type(step).__name__)
    if isinstance(step, Place):
        assert passed_in(history) >= set(policy.checks)


@settings(max_examples=300)
@given(st.lists(events, max_size=14), policies)
def test_what_ends_a_run_is_not_undone_by_what_comes_after_it(
    history: list[Event], policy: Policy
) -> None:
    kinds = {type(each) for each in history}

    step = decide(history, policy)

    note(type(step).__name__)
    assert isinstance(step, Finished) == (Ended in kinds)
    if isinstance(step, End):
        assert (step.outcome is Outcome.SUCCEEDED) == (Integrated in kinds)
        if StopRequested in kinds and not kinds & {Integrated, IntegrationHeld}:
            assert step.outcome is Outcome.INTERRUPTED
    elif not isinstance(step, Finished):
        assert not kinds & {StopRequested, Integrated, IntegrationHeld}


@given(runs())
def test_an_attempt_that_died_is_made_again_as_it_was(run: Simulated) -> None:
    for length in range(len(run.history)):
        history = run.history[:length]
        step = decide(history, run.policy)
        if isinstance(step, Attempt):
            assert decide([*history, AttemptStarted(step.number, "a")], run.policy) == step


@given(st.lists(events, max_size=10), policies, st.sampled_from([Warned("x"), CheckStarted("x")]))
def test_what_only_a_person_reads_changes_nothing(
    history: list[Event], policy: Policy, remark: Event
) -> None:
    assert decide([*history, remark], policy) == decide(history, policy)


POLICY = Policy(("guard", "make", "review"), attempts=2, seconds=100, integrate=Integrate.COMMIT)
OFFERED: tuple[Event, ...] = (Prepared("/w"), AttemptStarted(1, "a"), AgentReplied(1, AgentReply()))


def judged(guard: Verdict, make: Verdict, review: Verdict | None = None) -> list[Event]:
    """Return a history whose first attempt was judged so."""
    verdicts = [("guard", guard), ("make", make), *([("review", review)] if review else [])]
    found = [Checked("tree-1", result(name, verdict)) for name, verdict in verdicts]
    return [*OFFERED, Offered(candidate("tree-1")), *found]


def second_attempt(history: Sequence[Event], tree: str, *, refused: bool = False) -> list[Event]:
    offered = Offered(candidate(tree), refused=REFUSED if refused else ())
    return [*history, AttemptStarted(2, "a"), AgentReplied(2, AgentReply()), offered]


def test_a_run_goes_from_step_to_step() -> None:
    history: list[Event] = [Claimed("aaaaa", "run", "Greet", "base", 1)]
    made = candidate("tree-1")

    assert decide(history, POLICY) == Prepare()
    assert decide(OFFERED[:1], POLICY) == Attempt(1, 100)
    assert decide(OFFERED, POLICY) == Snapshot(1)
    assert decide([*OFFERED, Offered(made)], POLICY) == Judge("guard", made, 100)
    assert decide(judged(PASSED, PASSED), POLICY) == Judge("review", made, 98)
    assert decide(judged(PASSED, PASSED, PASSED), POLICY) == Place(made)


def test_held_by_the_guard_with_green_commands_waits_for_a_person() -> None:
    step = decide(judged(HELD, PASSED, PASSED), POLICY)

    assert step == End(Outcome.GUARDED, "held by guard")


def test_held_by_the_guard_with_red_commands_goes_back_to_the_agent_with_both() -> None:
    step = decide(judged(HELD, FAILED), POLICY)

    assert isinstance(step, Attempt)
    assert step.number == 2
    assert step.feedback is not None
    assert [each.name for each in step.feedback.failed] == ["guard", "make"]


def test_red_commands_end_the_run_when_no_attempt_is_left() -> None:
    history = judged(HELD, FAILED)
    last = [*second_attempt(history, "tree-2"), Checked("tree-2", result("guard", PASSED))]

    step = decide([*last, Checked("tree-2", result("make", FAILED))], POLICY)

    assert step == End(Outcome.CHECKS_FAILED, "failed: make")


def test_all_commands_are_run_before_the_agent_hears_but_no_review_of_red_work() -> None:
    policy = Policy(("guard", "make", "lint", "review"), 2, 100, Integrate.COMMIT)
    history = judged(PASSED, FAILED)

    assert decide(history, policy) == Judge("lint", candidate("tree-1"), 98)
    step = decide([*history, Checked("tree-1", result("lint", FAILED))], policy)
    assert isinstance(step, Attempt)


def test_work_that_only_the_reviewer_refuses_is_rejected() -> None:
    policy = Policy(POLICY.checks, 1, 100, Integrate.COMMIT)

    step = decide(judged(PASSED, PASSED, FAILED), policy)

    assert step == End(Outcome.REJECTED, "failed: review")


def test_the_same_files_as_a_failed_attempt_are_not_judged_again() -> None:
    step = decide(second_attempt(judged(PASSED, FAILED), "tree-1"), POLICY)

    assert isinstance(step, End)
    assert step.outcome is Outcome.CHECKS_FAILED


def test_removing_what_was_refused_is_mending_though_the_tree_is_the_same() -> None:
    refused: list[Event] = [*OFFERED, Offered(candidate("tree-1"), refused=REFUSED)]
    failed = [Checked("tree-1", result("guard", FAILED)), Checked("tree-1", result("make", PASSED))]

    mended = decide(second_attempt([*refused, *failed], "tree-1"), POLICY)
    not_mended = decide(second_attempt([*refused, *failed], "tree-1", refused=True), POLICY)

    assert mended == Judge("guard", candidate("tree-1"), 98)
    assert isinstance(not_mended, End)


def test_a_moved_base_is_judged_again_unless_the_tree_stayed_the_same() -> None:
    history = judged(PASSED, PASSED, PASSED)
    same, other = candidate("tree-1", "tree-b2"), candidate("tree-2", "tree-b2")

    assert decide([*history, Rebased(same)], POLICY) == Place(same)
    assert decide([*history, Rebased(other)], POLICY) == Judge("guard", other, 97)


def test_work_that_fails_only_on_the_moved_base_ends_the_run_and_says_so() -> None:
    history = [*judged(PASSED, PASSED, PASSED), Rebased(candidate("tree-2", "tree-b2"))]
    failed = [Checked("tree-2", result("guard", PASSED)), Checked("tree-2", result("make", FAILED))]

    step = decide([*history, *failed], POLICY)

    reason = "the work passes alone, but on the base as it is now fails make"
    assert step == End(Outcome.CHECKS_FAILED, reason)


@pytest.mark.parametrize(
    ("integrate", "expected"),
    [
        (Integrate.COMMIT, End(Outcome.NOTHING_CHANGED, "the agent changed no file")),
        (Integrate.REPORT, Place(candidate(BASE))),
    ],
)
def test_only_a_report_may_change_nothing(integrate: Integrate, expected: Step) -> None:
    policy = Policy(POLICY.checks, 2, 100, integrate)

    assert decide([*OFFERED, Offered(candidate(BASE))], policy) == expected


@pytest.mark.parametrize(
    ("error", "attempt", "outcome"),
    [
        ("exit", 2, Outcome.AGENT_FAILED),
        ("bad_reply", 2, Outcome.AGENT_FAILED),
        ("tampered", 2, Outcome.AGENT_FAILED),
        ("not_found", 1, Outcome.AGENT_FAILED),
        ("timeout", 1, Outcome.OUT_OF_BUDGET),
        ("stopped", 1, Outcome.INTERRUPTED),
    ],
)
def test_an_agent_that_fails_ends_the_run_as_its_error_says(
    error: str, attempt: int, outcome: Outcome
) -> None:
    reply = AgentReply(error=AgentError(error, "it broke"))  # type: ignore[arg-type]
    history = (Prepared("/w"), AttemptStarted(attempt, "a"), AgentReplied(attempt, reply))

    assert decide(history, POLICY) == End(outcome, "it broke")


@pytest.mark.parametrize("error", ["exit", "bad_reply", "tampered"])
def test_an_agent_that_fails_tries_again_and_is_told_how_it_failed(error: str) -> None:
    reply = AgentReply(error=AgentError(error, "it broke"))  # type: ignore[arg-type]

    step = decide([*OFFERED[:2], AgentReplied(1, reply)], POLICY)

    assert isinstance(step, Attempt)
    assert step.number == 2
    assert step.feedback is not None
    assert step.feedback.error == reply.error


def test_an_agent_that_breaks_does_not_lose_what_was_wrong_before() -> None:
    broken = AgentReply(error=AgentError("exit", "it broke"))
    policy = Policy(POLICY.checks, 3, 100, Integrate.COMMIT)

    history = [*judged(PASSED, FAILED), AttemptStarted(2, "a"), AgentReplied(2, broken)]
    step = decide(history, policy)

    assert isinstance(step, Attempt)
    assert step.number == 3
    assert step.feedback is not None
    assert step.feedback.error == broken.error
    assert [each.name for each in step.feedback.failed] == ["make"]


@pytest.mark.parametrize("spent", [100.0, 101.0, inf, nan])
def test_a_budget_spent_by_the_agent_leaves_no_time_for_checks(spent: float) -> None:
    reply = AgentReply(usage=Usage(seconds=spent))
    history: list[Event] = [*OFFERED[:2], AgentReplied(1, reply), Offered(candidate("tree-1"))]

    assert decide(history, POLICY) == End(
        Outcome.OUT_OF_BUDGET, "the time budget ended before `guard`"
    )


@pytest.mark.parametrize("spent", [100.0, inf, nan])
def test_a_budget_spent_by_the_agent_leaves_no_time_for_another_attempt(spent: float) -> None:
    reply = AgentReply(usage=Usage(seconds=spent), error=AgentError("exit", "it broke"))

    step = decide([*OFFERED[:2], AgentReplied(1, reply)], POLICY)

    assert step == End(Outcome.OUT_OF_BUDGET, "the time budget of 100 s is spent")


def test_a_success_says_what_verified_it() -> None:
    done = [*judged(PASSED, PASSED, PASSED), Integrated("commit")]

    assert decide(done, POLICY) == End(Outcome.SUCCEEDED, "verified by make")


SKIPPED = CheckResult(CheckKind.COMMAND, "make", PASSED)
"""As the bench has it for a check none of whose `paths` changed: no exit code."""


@pytest.mark.parametrize(
    ("tree", "found"),
    [
        ("tree-1", [result("guard", PASSED)]),
        ("tree-1", [result("guard", PASSED), SKIPPED]),
        (BASE, []),
    ],
    ids=["no command", "a command that did not run", "a report"],
)
def test_what_no_command_looked_at_is_not_said_to_be_verified(
    tree: str, found: list[CheckResult]
) -> None:
    history = [*OFFERED, Offered(candidate(tree)), *(Checked(tree, each) for each in found)]
    policy = Policy(("guard", "make"), 1, 100, Integrate.REPORT)

    step = decide([*history, Integrated("commit")], policy)

    assert step == End(Outcome.SUCCEEDED, "unverified: no command checked this work")


def test_time_that_is_said_to_be_less_than_nothing_gives_none_back() -> None:
    reply = AgentReply(usage=Usage(seconds=-50))

    offered = [*OFFERED[:2], AgentReplied(1, reply), Offered(candidate("tree-1"))]
    passed = Checked("tree-1", result("guard", PASSED, seconds=-50))

    assert decide(offered, POLICY) == Judge("guard", candidate("tree-1"), 100)
    assert decide([*offered, passed], POLICY) == Judge("make", candidate("tree-1"), 100)
