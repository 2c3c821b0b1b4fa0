"""What happens in a run, as frozen values.

The journal of a run is a sequence of these: those that carry a result are what `decide`
reads, all of them are what a person sees. A line of a journal is an `Entry`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from gitagent.core.checks import CheckResult, Finding
from gitagent.core.outcome import Outcome
from gitagent.core.run import AgentReply, Candidate
from gitagent.core.task import WaitingFor


@dataclass(frozen=True, slots=True)
class Claimed:
    """The task is this run's. `base` is the commit it starts from."""

    task: str
    run: str
    title: str
    base: str
    epoch: int
    continues: str | None = None
    event: Literal["claimed"] = "claimed"


@dataclass(frozen=True, slots=True)
class Warned:
    """Something a person must know, such as that nothing will be verified."""

    text: str
    event: Literal["warned"] = "warned"


@dataclass(frozen=True, slots=True)
class Prepared:
    """The agent's worktree is there, at the base."""

    worktree: str
    event: Literal["prepared"] = "prepared"


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    """The agent begins; `number` starts at 1."""

    number: int
    agent: str
    model: str | None = None
    event: Literal["attempt_started"] = "attempt_started"


@dataclass(frozen=True, slots=True)
class AgentReplied:
    """The agent ended, well or not."""

    number: int
    reply: AgentReply
    event: Literal["agent_replied"] = "agent_replied"


@dataclass(frozen=True, slots=True)
class Offered:
    """The worktree's files are a commit now; `paths` are the changed ones, at most 100.

    `refused` names what could not become part of a tree, and was left out.
    """

    candidate: Candidate
    paths: tuple[str, ...] = ()
    files: int = 0
    refused: tuple[Finding, ...] = ()
    event: Literal["offered"] = "offered"


@dataclass(frozen=True, slots=True)
class CheckStarted:
    """A check begins."""

    name: str
    event: Literal["check_started"] = "check_started"


@dataclass(frozen=True, slots=True)
class Checked:
    """A check judged the tree with the id `tree`."""

    tree: str
    result: CheckResult
    event: Literal["checked"] = "checked"


@dataclass(frozen=True, slots=True)
class Rebased:
    """The base moved; this is the work on top of the base as it is now."""

    candidate: Candidate
    event: Literal["rebased"] = "rebased"


@dataclass(frozen=True, slots=True)
class Integrated:
    """The work is where it should go: `ref` names it, `url` where there is one.

    `run` is the one that had put it there already, when this one only found it.
    """

    commit: str
    ref: str | None = None
    url: str | None = None
    run: str | None = None
    event: Literal["integrated"] = "integrated"


@dataclass(frozen=True, slots=True)
class IntegrationHeld:
    """The work passed, but a person must make room for it."""

    reason: str
    waiting_for: WaitingFor = WaitingFor.ANSWER
    event: Literal["integration_held"] = "integration_held"


@dataclass(frozen=True, slots=True)
class StopRequested:
    """Ctrl-C, SIGTERM or `gitagent stop`."""

    by: str
    event: Literal["stop_requested"] = "stop_requested"


@dataclass(frozen=True, slots=True)
class Ended:
    """How the run ended; nothing comes after it."""

    outcome: Outcome
    reason: str
    waiting_for: WaitingFor | None = None
    event: Literal["ended"] = "ended"


Event: TypeAlias = (
    Claimed
    | Warned
    | Prepared
    | AttemptStarted
    | AgentReplied
    | Offered
    | CheckStarted
    | Checked
    | Rebased
    | Integrated
    | IntegrationHeld
    | StopRequested
    | Ended
)


@dataclass(frozen=True, slots=True)
class Entry:
    """An event and when it happened (RFC 3339, UTC)."""

    at: str
    event: Event
