"""Check commands and budgets: written alike in a task file and in the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gitagent.config import fields
from gitagent.config.fields import Fields, Where
from gitagent.core.errors import BadInput
from gitagent.core.task import Budget
from gitagent.core.units import format_count, format_duration
from gitagent.yaml_subset import Value, show

if TYPE_CHECKING:
    from gitagent.core.checks import CheckSpec

RESERVED = ("guard", "review")
"""Names of the checks that are no commands; results are told apart by name."""

_MOST = 10_000
NETWORK = fields.word("none", "host")
"""Reads what a command may reach."""

CHECK_FIELDS: Fields = {
    "name": fields.one_line,
    "run": fields.text,
    "timeout": fields.duration,
    "paths": fields.items(fields.one_line),
    "network": NETWORK,
    "env": fields.items(fields.variable),
}

BUDGET_FIELDS: Fields = {
    "attempts": fields.integer(1, _MOST),
    "turns": fields.integer(1, _MOST),
    "tokens": fields.count,
    "usd": fields.amount,
    "time": fields.duration,
}

_check_mapping = fields.mapping(CHECK_FIELDS)
_budget_mapping = fields.mapping(BUDGET_FIELDS)


def check(value: Value, where: Where) -> CheckSpec:
    """Read one check: a command, or a mapping that has `run`."""
    if isinstance(value, dict):
        given = _check_mapping(value, where)
    else:
        given = {"run": fields.text(value, where)}
    if "run" not in given:
        raise where.error(f"{show(where.key)} has no `run`, the command")
    from gitagent.core.checks import CheckSpec  # noqa: PLC0415  few tasks have a check

    return CheckSpec(**{"name": given["run"].strip(), **given})


def checks(value: Value, where: Where) -> tuple[CheckSpec, ...]:
    """Read a command, or a list of checks whose names differ."""
    if isinstance(value, str):
        found: tuple[CheckSpec, ...] = (check(value, where),)
    else:
        found = fields.items(check)(value, where)
    for number, each in enumerate(found):
        if each.name in RESERVED:
            raise _reserved(each.name, where.at(number))
    fields.distinct(tuple(each.name for each in found), where, "check name")
    return found


def _reserved(name: str, where: Where) -> BadInput:
    message = f"a check cannot have the name `{name}`: that is gitagent's own"
    return where.error(message, "give it another `name`")


def budget(value: Value, where: Where) -> Budget:
    """Read what may be spent."""
    return budget_of(_budget_mapping(value, where))


def budget_of(given: dict[str, Any]) -> Budget:
    """Return the budget that has been read key by key."""
    named = {"seconds" if key == "time" else key: item for key, item in given.items()}
    return Budget(**named)


def check_value(spec: CheckSpec) -> Value:
    """Return what `check` reads as `spec`, as short as can be."""
    from gitagent.core.checks import DEFAULT_TIMEOUT  # noqa: PLC0415

    given: dict[str, Value] = {"run": spec.run}
    if spec.name != spec.run.strip():
        given = {"name": spec.name, "run": spec.run}
    if spec.timeout != DEFAULT_TIMEOUT:
        given["timeout"] = format_duration(spec.timeout)
    if spec.paths:
        given["paths"] = list(spec.paths)
    if spec.network != "none":
        given["network"] = spec.network
    if spec.env:
        given["env"] = list(spec.env)
    return spec.run if len(given) == 1 else given


def budget_value(budget: Budget) -> dict[str, Value]:
    """Return what `budget` reads as the same budget; empty when nothing is limited."""
    usd = None if budget.usd is None else float(budget.usd)
    given: dict[str, Value] = {
        "attempts": budget.attempts,
        "turns": budget.turns,
        "tokens": None if budget.tokens is None else format_count(budget.tokens),
        "usd": int(usd) if usd is not None and usd.is_integer() else usd,
        "time": None if budget.seconds is None else format_duration(budget.seconds),
    }
    return {key: item for key, item in given.items() if item is not None}
