"""The configuration: `gitagent.yaml` of the base commit as values (DESIGN section 7)."""

from gitagent.config.reading import FILE, parse
from gitagent.config.starter import default_yaml
from gitagent.config.values import (
    Autonomy,
    Baseline,
    Config,
    Sandbox,
    SandboxMode,
    SetupStep,
    Worktree,
)

__all__ = [
    "FILE",
    "Autonomy",
    "Baseline",
    "Config",
    "Sandbox",
    "SandboxMode",
    "SetupStep",
    "Worktree",
    "default_yaml",
    "parse",
]
