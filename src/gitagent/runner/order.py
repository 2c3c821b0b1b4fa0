"""What a run will do, settled before the task is claimed: a pure function of what was said."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace

from gitagent.core.checks import CheckSpec
from gitagent.core.decide import Policy
from gitagent.core.errors import Refused, UsageError
from gitagent.core.protocols import Agent, AgentFactory, AgentSettings
from gitagent.core.task import BRANCHED, Budget, Integrate, Task
from gitagent.runner.project import Base

GUARD = "guard"
_NEEDS_FORGE = frozenset({Integrate.PR})


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line says on top of the task and the configuration."""

    agent: str | None = None
    model: str | None = None
    integrate: Integrate | None = None
    command: str | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """A task, where it starts, who does it, and how it is judged.

    `start` is the commit that the work begins on: the base's, or an offer that it is stacked on.
    """

    task: Task
    base: Base
    start: str
    agent: Agent
    model: str | None
    checks: tuple[CheckSpec, ...]
    detected: bool
    integrate: Integrate
    budget: Budget

    @property
    def policy(self) -> Policy:
        """What `decide` needs to know of this order."""
        return Policy(
            checks=(GUARD, *(each.name for each in self.checks)),
            attempts=self.budget.attempts or 1,
            seconds=self.budget.seconds or float("inf"),
            integrate=self.integrate,
        )


def make_order(
    task: Task,
    base: Base,
    wishes: Wishes,
    agents: Mapping[str, AgentFactory],
    detect: Callable[[], tuple[CheckSpec, ...]],
    search_path: str,
    *,
    offer: str | None = None,
) -> Order:
    """Return the order for `task`; raises `UsageError` or `Refused` for one that cannot be.

    `detect` gives the checks that are used until the base has a configuration. `offer` is the
    commit that the work is to be stacked on.
    """
    integrate = wishes.integrate or task.integrate or base.config.integrate
    _refuse_integrate(integrate, base)
    if offer is not None and integrate not in BRANCHED:
        message = f"{task.id} stands on an offer, and `integrate: {integrate}` cannot"
        raise Refused(message, hint="accept what it needs first, or use `--integrate branch`")
    agent = choose_agent(task, base, wishes, agents, search_path)
    detected = not base.config.exists
    own = detect() if detected else base.config.verify
    return Order(
        task=task,
        base=base,
        start=offer or base.commit,
        agent=agent,
        model=wishes.model or task.model or _settings(base, agent.name).model,
        checks=() if task.unverified else merge_checks(own, task.verify),
        detected=detected,
        integrate=integrate,
        budget=merge_budgets(base.config.budget, task.budget),
    )


def merge_checks(base: tuple[CheckSpec, ...], task: tuple[CheckSpec, ...]) -> tuple[CheckSpec, ...]:
    """Return the base's checks, then those that the task adds, each name once."""
    merged = list(base)
    for spec in task:
        if any(spec.run == each.run and spec.paths == each.paths for each in base):
            continue
        taken = {GUARD, *(each.name for each in merged)}
        merged.append(replace(spec, name=_free(spec.name, taken)))
    return tuple(merged)


def merge_budgets(base: Budget, task: Budget) -> Budget:
    """Return the base's budget with what the task's own says instead."""
    chosen = {each.name: getattr(task, each.name) for each in fields(Budget)}
    return replace(base, **{name: value for name, value in chosen.items() if value is not None})


def choose_agent(
    task: Task,
    base: Base,
    wishes: Wishes,
    agents: Mapping[str, AgentFactory],
    search_path: str,
) -> Agent:
    """Return the agent that was named, else the first one that can run.

    Raises `UsageError` for an unknown name, `Refused` when there is none that can run.
    """
    named = wishes.agent or task.agent or base.config.agent
    if named is None and wishes.command is not None:
        named = "command"
    if named is not None:
        agent = _build(named, base, wishes, agents, search_path)
        missing = agent.missing()
        if missing is not None:
            message = f"the agent `{named}` cannot run: {missing}"
            raise Refused(message, hint=_HOW)
        return agent
    for name in agents:
        agent = _build(name, base, wishes, agents, search_path)
        if agent.missing() is None:
            return agent
    message = f"no agent can run here; known are {', '.join(sorted(agents)) or 'none'}"
    raise Refused(message, hint=_HOW)


_HOW = "give a program with `--command '...'`, or set `agent:` in gitagent.yaml"


def _build(
    name: str,
    base: Base,
    wishes: Wishes,
    agents: Mapping[str, AgentFactory],
    search_path: str,
) -> Agent:
    factory = agents.get(name)
    if factory is None:
        message = f"there is no agent `{name}`; known are {', '.join(sorted(agents))}"
        near = difflib.get_close_matches(name, agents, n=1)
        raise UsageError(message, hint=f"did you mean `{near[0]}`?" if near else None)
    settings = replace(_settings(base, name), search_path=search_path)
    if wishes.command is not None:
        settings = replace(settings, command=wishes.command)
    return factory(settings)


def _settings(base: Base, name: str) -> AgentSettings:
    return base.config.agents.get(name) or AgentSettings(name=name)


def _refuse_integrate(integrate: Integrate, base: Base) -> None:
    if integrate in _NEEDS_FORGE:
        message = f"`integrate: {integrate}` needs a forge, and none is set up"
        raise Refused(message, hint="use `--integrate branch`")
    if integrate is Integrate.COMMIT and not base.config.exists:
        message = f"`integrate: commit` needs gitagent.yaml committed on `{base.branch}`"
        raise Refused(message, hint="commit the file that `gitagent init` wrote")


def _free(name: str, taken: set[str]) -> str:
    free, number = name, 2
    while free in taken:
        free, number = f"{name} ({number})", number + 1
    return free
