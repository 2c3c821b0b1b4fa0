"""`gitagent.yaml` to values: one table of fields for each mapping."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gitagent.config import fields, specs
from gitagent.config.fields import Fields, Where
from gitagent.config.values import (
    DEFAULT_BUDGET,
    DEFAULT_DAY_USD,
    VERSION,
    Autonomy,
    Baseline,
    Config,
    Sandbox,
    SandboxMode,
    SetupStep,
    Worktree,
)
from gitagent.core.protocols import AgentSettings
from gitagent.core.task import Budget, Integrate, PlanMode
from gitagent.yaml_subset import Value, decode, load

FILE = "gitagent.yaml"


def parse(data: bytes | None, *, file: str = FILE) -> Config:
    """Return what the file `data` says; None is no file.

    Raises `BadInput` with file and line for a key or a value that is not allowed.
    """
    if data is None:
        return Config()
    document = load(decode(data, file=file), file=file)
    if document.value is None:
        return Config(exists=True)
    given = _config(document.value, Where(document))
    budget, day_usd = given.pop("budget", (DEFAULT_BUDGET, DEFAULT_DAY_USD))
    return Config(exists=True, budget=budget, day_usd=day_usd, **given)


def _version(value: Value, where: Where) -> int:
    if value == VERSION and isinstance(value, int) and not isinstance(value, bool):
        return VERSION
    raise where.wrong(f"{VERSION}", value, "a later version needs a newer gitagent")


def _agents(value: Value, where: Where) -> dict[str, AgentSettings]:
    given = fields.entries(value, where)
    return {
        fields.name(key, where.at(key)): _settings(key, item, where.at(key))
        for key, item in given.items()
    }


def _settings(name: str, value: Value, where: Where) -> AgentSettings:
    return AgentSettings(name=name, **_agent({} if value is None else value, where))


def _reviewer(value: Value, where: Where) -> str | None:
    if value == "none":
        return None
    if isinstance(value, str):
        return fields.name(value, where)
    found: str | None = _reviewer_mapping(value, where).get("agent")
    if found is None:
        raise where.error("`reviewer` has no `agent`", "write `{agent: NAME}` or `none`")
    return found


def _setup_step(value: Value, where: Where) -> SetupStep:
    if isinstance(value, str):
        return SetupStep(fields.text(value, where))
    given = _setup(value, where)
    if "run" not in given:
        raise where.error(f"`{where.key}` has no `run`, the command")
    return SetupStep(**given)


def _budget(value: Value, where: Where) -> tuple[Budget, float | None]:
    given: dict[str, Any] = _budget_mapping(value, where)
    day_usd = given.pop("day_usd", DEFAULT_DAY_USD)
    own = specs.budget_of(given)
    said = {key: item for key in Budget.__slots__ if (item := getattr(own, key)) is not None}
    return replace(DEFAULT_BUDGET, **said), day_usd


def _sandbox(value: Value, where: Where) -> Sandbox:
    return Sandbox(**_sandbox_mapping(value, where))


def _worktree(value: Value, where: Where) -> Worktree:
    return Worktree(**_worktree_mapping(value, where))


_texts = fields.items(fields.one_line)
_variables = fields.items(fields.variable)
_budget_mapping = fields.mapping({**specs.BUDGET_FIELDS, "day_usd": fields.amount})
_reviewer_mapping = fields.mapping({"agent": fields.name})
_setup = fields.mapping(
    {"run": fields.text, "network": specs.NETWORK, "env": _variables, "inputs": _texts}
)
_sandbox_mapping = fields.mapping({"mode": fields.choice(SandboxMode), "read": _texts})
_worktree_mapping = fields.mapping({"include": _texts, "slots": fields.integer(1, 1000)})
_agent = fields.mapping(
    {
        "command": fields.text,
        "model": fields.argument,
        "tools": _texts,
        "env": _variables,
        "base_url": fields.argument,
        "effort": fields.argument,
        "auth": fields.word("key", "subscription"),
    }
)
_FIELDS: Fields = {
    "version": _version,
    "base": fields.argument,
    "agent": fields.name,
    "agents": _agents,
    "fallback": fields.items(fields.name),
    "reviewer": _reviewer,
    "plan": fields.choice(PlanMode),
    "autonomy": fields.choice(Autonomy),
    "setup": fields.items(_setup_step),
    "verify": specs.checks,
    "baseline": fields.choice(Baseline),
    "integrate": fields.choice(Integrate),
    "budget": _budget,
    "protect": _texts,
    "sandbox": _sandbox,
    "worktree": _worktree,
    "notify": _texts,
}
_config = fields.mapping(_FIELDS)
