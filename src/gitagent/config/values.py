"""What the configuration says, as frozen values with their defaults (DESIGN section 7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from gitagent.core.checks import CheckSpec
from gitagent.core.protocols import AgentSettings
from gitagent.core.task import Budget, Integrate, PlanMode

VERSION = 1
DEFAULT_BUDGET = Budget(attempts=3, turns=100, tokens=2_000_000, seconds=2700.0)
DEFAULT_DAY_USD = 50.0
DEFAULT_PROTECT = (
    ".github/**",
    "gitagent.yaml",
    ".pre-commit-config.yaml",
    ".gitmodules",
    ".gitattributes",
)


class Autonomy(StrEnum):
    """What agents may start by themselves."""

    NONE = "none"
    FOLLOW_UPS = "follow-ups"


class Baseline(StrEnum):
    """Whether what failed at the base already counts against a task."""

    NEW_FAILURES = "new-failures"
    STRICT = "strict"


class SandboxMode(StrEnum):
    """Whether agents and checks must be confined."""

    AUTO = "auto"
    REQUIRED = "required"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class SetupStep:
    """A command run at the base before any agent; `inputs` are the files it depends on."""

    run: str
    network: Literal["none", "host"] = "none"
    env: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sandbox:
    """How processes are confined; `read` are more paths that they may read."""

    mode: SandboxMode = SandboxMode.AUTO
    read: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Worktree:
    """`include` are ignored files that an agent needs; `slots` bounds the pool."""

    include: tuple[str, ...] = ()
    slots: int = 4


@dataclass(frozen=True, slots=True)
class Config:
    """What the configuration says, with the defaults for what it does not say.

    `exists` tells a file that says nothing from no file. `day_usd` is what all runs of a day
    may spend, in US dollars; None is no limit.
    """

    exists: bool = False
    version: int = VERSION
    base: str | None = None
    agent: str | None = None
    agents: Mapping[str, AgentSettings] = field(default_factory=dict)
    fallback: tuple[str, ...] = ()
    reviewer: str | None = None
    plan: PlanMode = PlanMode.AUTO
    autonomy: Autonomy = Autonomy.NONE
    setup: tuple[SetupStep, ...] = ()
    verify: tuple[CheckSpec, ...] = ()
    baseline: Baseline = Baseline.NEW_FAILURES
    integrate: Integrate = Integrate.BRANCH
    budget: Budget = DEFAULT_BUDGET
    day_usd: float | None = DEFAULT_DAY_USD
    protect: tuple[str, ...] = DEFAULT_PROTECT
    sandbox: Sandbox = Sandbox()
    worktree: Worktree = Worktree()
    notify: tuple[str, ...] = ()
