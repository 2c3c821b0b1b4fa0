"""A run, its attempts, and what an agent answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from gitagent.core.checks import CheckResult, Excerpt


@dataclass(frozen=True, slots=True)
class Usage:
    """What has been spent. `priced` is false when `usd` leaves something out."""

    turns: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    usd: float = 0.0
    priced: bool = True
    seconds: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        """Return both together; one unpriced part makes the sum unpriced."""
        return Usage(
            turns=self.turns + other.turns,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cache_read_tokens=self.cache_read_tokens + other.cache_read_tokens,
            usd=self.usd + other.usd,
            priced=self.priced and other.priced,
            seconds=self.seconds + other.seconds,
        )


@dataclass(frozen=True, slots=True)
class Candidate:
    """What an attempt offers: full object ids of base, commit and tree.

    `base_tree` is the tree of `base`; equal trees mean that nothing changed.
    """

    base: str
    base_tree: str
    commit: str
    tree: str

    @property
    def changed(self) -> bool:
        """Whether the candidate differs from its base."""
        return self.tree != self.base_tree


@dataclass(frozen=True, slots=True)
class AgentError:
    """Why an agent did not finish: a class of the backend's own error channel."""

    error_class: Literal["exit", "timeout", "stopped", "not_found", "bad_reply", "tampered"]
    message: str
    output: Excerpt = Excerpt()


@dataclass(frozen=True, slots=True)
class AgentReply:
    """What an agent says of one attempt; its word is never believed about the result.

    `structured` is the answer to `AgentRequest.schema`, not yet validated.
    """

    summary: str = ""
    usage: Usage = Usage()
    session: str | None = None
    assumptions: tuple[str, ...] = ()
    unresolved: tuple[str, ...] = ()
    needs_attention: str | None = None
    structured: object = None
    error: AgentError | None = None


@dataclass(frozen=True, slots=True)
class Feedback:
    """What goes back to the agent for its next attempt: what failed, and the evidence."""

    failed: tuple[CheckResult, ...] = ()
    error: AgentError | None = None


@dataclass(frozen=True, slots=True)
class AttemptLog:
    """One attempt as the record shows it."""

    number: int
    agent: str
    model: str | None
    checks: tuple[CheckResult, ...] = ()
    usage: Usage = Usage()
    error_class: str | None = None
    summary: str = field(default="", compare=False)
