"""What a run does next: a pure function of what has happened.

`fold` reads the history into a small state; `decide` maps the state to the next step. The
runner carries the step out and appends what came of it. The only arrow that points back
is `Attempt` with feedback (DESIGN section 6).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, assert_never

from gitagent.core.checks import CheckKind, CheckResult, Finding, Verdict
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
from gitagent.core.run import AgentReply, Candidate, Feedback
from gitagent.core.task import Integrate, WaitingFor


@dataclass(frozen=True, slots=True)
class Policy:
    """What a run may do. `checks` are the names, in order; `seconds` is wall time."""

    checks: tuple[str, ...]
    attempts: int
    seconds: float
    integrate: Integrate


@dataclass(frozen=True, slots=True)
class Prepare:
    """Make the agent's worktree."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """Let the agent work, for at most `seconds`."""

    number: int
    seconds: float
    feedback: Feedback | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Make a commit of what the agent left."""

    number: int


@dataclass(frozen=True, slots=True)
class Judge:
    """Run one check on the candidate, for at most `seconds`."""

    check: str
    candidate: Candidate
    seconds: float


@dataclass(frozen=True, slots=True)
class Place:
    """Put the work where it should go."""

    candidate: Candidate


@dataclass(frozen=True, slots=True)
class End:
    """Land the outcome."""

    outcome: Outcome
    reason: str
    waiting_for: WaitingFor | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """Nothing is left to do."""


Step: TypeAlias = Prepare | Attempt | Snapshot | Judge | Place | End | Finished


@dataclass(frozen=True, slots=True)
class State:
    """A history, folded. `spent` is in seconds.

    `feedback` is what this attempt was told. `refused` is what could not become part of the
    candidate's tree. `results` are of this tree alone. `tried` are tree and refused, of
    attempts that failed a check: mending what was refused leaves the tree as it was.
    `last` is the event to go by: the last one, unless an earlier one outweighs it.
    """

    prepared: bool = False
    attempt: int = 0
    feedback: Feedback | None = None
    reply: AgentReply | None = None
    candidate: Candidate | None = None
    refused: tuple[Finding, ...] = ()
    rebased: bool = False
    results: tuple[CheckResult, ...] = ()
    tried: frozenset[tuple[str, tuple[Finding, ...]]] = frozenset()
    spent: float = 0.0
    last: Event | None = None

    def result(self, check: str) -> CheckResult | None:
        """Return what `check` said of the candidate; None if it has not judged it."""
        return next((each for each in self.results if each.name == check), None)


def fold(history: Iterable[Event]) -> State:
    """Return the state that `history` leads to."""
    state = State()
    for event in history:
        state = _apply(state, event)
    return state


def _apply(state: State, event: Event) -> State:
    match event:
        case Claimed() | Warned() | CheckStarted():
            return state
        case Prepared():
            after = replace(state, prepared=True)
        case AttemptStarted():
            after = _next_attempt(state, event)
        case AgentReplied():
            spent = state.spent + max(event.reply.usage.seconds, 0.0)  # a NaN stays one
            after = replace(state, reply=event.reply, spent=spent)
        case Offered():
            after = replace(state, candidate=event.candidate, refused=event.refused, results=())
        case Checked():
            after = _judged(state, event)
        case Rebased():
            kept = state.results if _is_offered(state, event.candidate.tree) else ()
            after = replace(
                state, candidate=event.candidate, refused=(), rebased=True, results=kept
            )
        case Integrated() | IntegrationHeld() | StopRequested() | Ended():
            after = state
        case _:
            assert_never(event)
    return replace(after, last=max(event, state.last or event, key=_weight))


def _weight(event: Event) -> int:
    """Order what ends a run: a stop is not undone by what was under way, nor a landing by it."""
    return {StopRequested: 1, IntegrationHeld: 1, Integrated: 2, Ended: 3}.get(type(event), 0)


def _next_attempt(state: State, event: AttemptStarted) -> State:
    tried = state.tried
    if state.candidate is not None:
        tried = tried | {(state.candidate.tree, state.refused)}
    fresh = State(attempt=event.number, feedback=_feedback(state), tried=tried)
    return replace(fresh, prepared=state.prepared, spent=state.spent)


def _feedback(state: State) -> Feedback | None:
    """Return what the next attempt is told; what a lost or broken one was told still holds."""
    failed = tuple(each for each in state.results if not each.ok)
    if failed:
        return Feedback(failed=failed)
    if state.reply is not None and state.reply.error is not None:
        return replace(state.feedback or Feedback(), error=state.reply.error)
    return state.feedback


def _judged(state: State, event: Checked) -> State:
    spent = state.spent + max(event.result.seconds, 0.0)
    if not _is_offered(state, event.tree):
        return replace(state, spent=spent)
    return replace(state, results=(*state.results, event.result), spent=spent)


def _is_offered(state: State, tree: str) -> bool:
    return state.candidate is not None and state.candidate.tree == tree


def decide(history: Sequence[Event], policy: Policy) -> Step:
    """Return the next step of the run that `history` tells of."""
    state = fold(history)
    match state.last:
        case Ended():
            return Finished()
        case StopRequested():
            return End(Outcome.INTERRUPTED, f"stopped by {state.last.by}")
        case Integrated():
            return End(Outcome.SUCCEEDED, _succeeded(state))
        case IntegrationHeld():
            return End(Outcome.NEEDS_ATTENTION, state.last.reason, state.last.waiting_for)
        case _:
            return _work(state, policy)


def _work(state: State, policy: Policy) -> Step:
    if not state.prepared:
        return Prepare()
    if state.attempt == 0:
        return _attempt(state, policy, 1, None)
    if state.reply is None:
        return _attempt(state, policy, state.attempt, state.feedback)
    if state.candidate is None:
        return _after_reply(state, state.reply, policy)
    return _after_snapshot(state, state.candidate, policy)


def _attempt(state: State, policy: Policy, number: int, feedback: Feedback | None) -> Step:
    left = policy.seconds - state.spent
    if not left > 0:  # a NaN neither: what cannot be measured is spent
        return End(Outcome.OUT_OF_BUDGET, f"the time budget of {policy.seconds:g} s is spent")
    return Attempt(number, left, feedback)


def _after_reply(state: State, reply: AgentReply, policy: Policy) -> Step:
    if reply.needs_attention:
        return End(Outcome.NEEDS_ATTENTION, reply.needs_attention)
    error = reply.error
    if error is None:
        return Snapshot(state.attempt)
    if error.error_class == "stopped":
        return End(Outcome.INTERRUPTED, error.message)
    if error.error_class == "timeout":
        return End(Outcome.OUT_OF_BUDGET, error.message)
    if error.error_class == "not_found" or state.attempt >= policy.attempts:
        return End(Outcome.AGENT_FAILED, error.message)
    return _attempt(state, policy, state.attempt + 1, _feedback(state))


def _after_snapshot(state: State, candidate: Candidate, policy: Policy) -> Step:
    if not candidate.changed and not state.rebased and not state.refused:
        if policy.integrate is Integrate.REPORT:
            return Place(candidate)
        return End(Outcome.NOTHING_CHANGED, "the agent changed no file")
    if (candidate.tree, state.refused) in state.tried:
        reason = f"attempt {state.attempt} left the files as a failed attempt had them"
        return End(Outcome.CHECKS_FAILED, reason)
    return _next_check(state, candidate, policy)


def _next_check(state: State, candidate: Candidate, policy: Policy) -> Step:
    failed = [each for each in state.results if each.verdict is Verdict.FAILED]
    for name in policy.checks:
        if state.result(name) is None and not (failed and name == "review"):
            left = policy.seconds - state.spent
            if not left > 0:
                return End(Outcome.OUT_OF_BUDGET, f"the time budget ended before `{name}`")
            return Judge(name, candidate, left)
    return _conclude(state, candidate, policy, failed)


def _conclude(
    state: State, candidate: Candidate, policy: Policy, failed: list[CheckResult]
) -> Step:
    not_ok = tuple(each for each in state.results if not each.ok)
    if not not_ok:
        return Place(candidate)
    if not failed:
        return End(Outcome.GUARDED, _names(not_ok, "held by"))
    if state.rebased:
        reason = _names(failed, "the work passes alone, but on the base as it is now fails")
        return End(_failure(failed), reason)
    if state.attempt >= policy.attempts:
        return End(_failure(failed), _names(failed, "failed:"))
    return _attempt(state, policy, state.attempt + 1, _feedback(state))


def _failure(failed: Iterable[CheckResult]) -> Outcome:
    review_only = all(each.kind is CheckKind.REVIEW for each in failed)
    return Outcome.REJECTED if review_only else Outcome.CHECKS_FAILED


def _names(results: Iterable[CheckResult], text: str) -> str:
    return f"{text} {', '.join(each.name for each in results)}"


def _succeeded(state: State) -> str:
    """Say which commands ran; one whose `paths` did not change has no exit code."""
    commands = [each for each in state.results if each.kind is CheckKind.COMMAND]
    ran = [each for each in commands if each.exit_code is not None]
    return _names(ran, "verified by") if ran else "unverified: no command checked this work"
