"""Plug-ins: a name becomes an object, by entry point; built-ins are registered the same way."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from gitagent.core.protocols import Agent, AgentFactory, AgentSettings

AGENTS = "gitagent.agents"


def agents() -> Mapping[str, AgentFactory]:
    """Return the agents that are installed, by name; each is imported when it is first built."""
    return {each.name: _lazy(each) for each in sorted(entry_points(group=AGENTS))}


def _lazy(entry: EntryPoint) -> AgentFactory:
    def build(settings: AgentSettings) -> Agent:
        factory = cast("AgentFactory", entry.load())
        return factory(settings)

    return build
