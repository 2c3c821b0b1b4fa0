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
    """A history, folded. `tried` are the trees of attempts that failed a check.

    `refused` is what could not become part of the candidate's tree; `spent` is in seconds.
    """

    prepared: bool = False
    attempt: int = 0
    reply: AgentReply | None = None
    candidate: Candidate | None = None
    refused: tuple[Finding, ...] = ()
    rebased: bool = False
    results: tuple[CheckResult, ...] = ()
    verified: frozenset[str] = frozenset()
    tried: frozenset[str] = frozenset()
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
            spent = state.spent + event.reply.usage.seconds
            after = replace(state, reply=event.reply, spent=spent)
        case Offered():
            after = replace(
                state, candidate=event.candidate, refused=event.refused, results=()
            )
        case Checked():
            after = _judged(state, event)
        case Rebased():
            kept = state.results if event.candidate.tree in state.verified else ()
            after = replace(
                state, candidate=event.candidate, refused=(), rebased=True, results=kept
            )
        case Integrated() | IntegrationHeld() | StopRequested() | Ended():
            after = state
        case _:
            assert_never(event)
    return replace(after, last=event)


def _next_attempt(state: State, event: AttemptStarted) -> State:
    failed = state.candidate.tree if state.candidate else None
    tried = state.tried | {failed} if failed else state.tried
    return replace(
        state, attempt=event.number, reply=None, candidate=None, results=(), tried=tried
    )


def _judged(state: State, event: Checked) -> State:
    results = (*state.results, event.result)
    verified = state.verified
    if all(result.ok for result in results):
        verified = verified | {event.tree}
    else:
        verified = verified - {event.tree}
    spent = state.spent + event.result.seconds
    return replace(state, results=results, verified=verified, spent=spent)


def decide(history: Sequence[Event], policy: Policy) -> Step:
    """Return the next step of the run that `history` tells of."""
    state = fold(history)
    match state.last:
        case Ended():
            return Finished()
        case StopRequested():
            return End(Outcome.INTERRUPTED, f"stopped by {state.last.by}")
        case Integrated():
            return End(Outcome.SUCCEEDED, _succeeded(policy))
        case IntegrationHeld():
            return End(Outcome.NEEDS_ATTENTION, state.last.reason, state.last.waiting_for)
        case _:
            return _work(state, policy)


def _work(state: State, policy: Policy) -> Step:
    if not state.prepared:
        return Prepare()
    if state.attempt == 0:
        return _attempt(state, policy, None)
    if state.reply is None:
        return Attempt(state.attempt, policy.seconds - state.spent)
    if state.candidate is None:
        return _after_reply(state, state.reply, policy)
    return _after_snapshot(state, state.candidate, policy)


def _attempt(state: State, policy: Policy, feedback: Feedback | None) -> Step:
    left = policy.seconds - state.spent
    if left <= 0:
        return End(Outcome.OUT_OF_BUDGET, f"the time budget of {policy.seconds:g} s is spent")
    return Attempt(state.attempt + 1, left, feedback)


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
    return _attempt(state, policy, Feedback(error=error))


def _after_snapshot(state: State, candidate: Candidate, policy: Policy) -> Step:
    if not candidate.changed and not state.rebased:
        if policy.integrate is Integrate.REPORT:
            return Place(candidate)
        return End(Outcome.NOTHING_CHANGED, "the agent changed no file")
    if candidate.tree in state.tried:
        reason = f"attempt {state.attempt} left the files as a failed attempt had them"
        return End(Outcome.CHECKS_FAILED, reason)
    if candidate.tree in state.verified and len(state.results) == len(policy.checks):
        return Place(candidate)
    return _next_check(state, candidate, policy)


def _next_check(state: State, candidate: Candidate, policy: Policy) -> Step:
    failed = [each for each in state.results if each.verdict is Verdict.FAILED]
    for name in policy.checks:
        if state.result(name) is None and not (failed and name == "review"):
            left = policy.seconds - state.spent
            if left <= 0:
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
    return _attempt(state, policy, Feedback(failed=not_ok))


def _failure(failed: Iterable[CheckResult]) -> Outcome:
    review_only = all(each.kind is CheckKind.REVIEW for each in failed)
    return Outcome.REJECTED if review_only else Outcome.CHECKS_FAILED


def _names(results: Iterable[CheckResult], text: str) -> str:
    return f"{text} {', '.join(each.name for each in results)}"


def _succeeded(policy: Policy) -> str:
    commands = [name for name in policy.checks if name not in ("guard", "review")]
    if not commands:
        return "unverified: no command checked this work"
    return f"verified by {', '.join(commands)}"
