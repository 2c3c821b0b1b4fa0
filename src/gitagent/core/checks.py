"""Checks: anything that judges a candidate, and what it found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

DEFAULT_TIMEOUT = 600.0
"""Seconds a check may take unless its `timeout` says otherwise."""


class Severity(StrEnum):
    """How bad a finding is; only `error` makes a check fail."""

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


class Verdict(StrEnum):
    """What a check says of a candidate."""

    PASSED = "passed"
    FAILED = "failed"  # the agent can mend it
    HELD = "held"  # only a person may let it through


class CheckKind(StrEnum):
    """Who judges."""

    GUARD = "guard"
    COMMAND = "command"
    REVIEW = "review"


@dataclass(frozen=True, slots=True)
class CheckSpec:
    """A command that must exit 0 in a clean checkout of the candidate.

    `timeout` is in seconds. `paths` are globs; empty means every candidate.
    """

    run: str
    name: str
    timeout: float = DEFAULT_TIMEOUT
    paths: tuple[str, ...] = ()
    network: Literal["none", "host"] = "none"
    env: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One located remark. `path` is relative to the repository, `line` starts at 1."""

    message: str
    severity: Severity = Severity.ERROR
    path: str | None = None
    line: int | None = None
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The bounded part of an output that is kept: its head, its tail, and what was cut.

    `omitted` counts the bytes between `head` and `tail`; 0 when nothing was cut.
    """

    head: str = ""
    tail: str = ""
    omitted: int = 0

    def text(self) -> str:
        """Return head and tail with a line between them that says what is missing."""
        if not self.omitted:
            return self.head + self.tail
        return f"{self.head}\n[... {self.omitted} bytes cut here ...]\n{self.tail}"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check said of one tree.

    `exit_code` is None for a check that is not a command, or one that was killed.
    `seconds` is wall time. `log` is the file that holds the whole output.
    """

    kind: CheckKind
    name: str
    verdict: Verdict
    command: str | None = None
    exit_code: int | None = None
    timed_out: bool = False
    preexisting: bool = False
    seconds: float = 0.0
    findings: tuple[Finding, ...] = ()
    output: Excerpt = Excerpt()
    log: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the candidate may pass this check."""
        return self.verdict is Verdict.PASSED
