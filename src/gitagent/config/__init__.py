"""The configuration: `gitagent.yaml` of the base commit as values (DESIGN section 7)."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

_HOMES = {"FILE": "reading", "parse": "reading", "default_yaml": "starter"}


def __getattr__(name: str) -> object:
    """Import what is asked for: a task file is read by `fields` and `specs` alone (PEP 562)."""
    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'values')}"), name)
