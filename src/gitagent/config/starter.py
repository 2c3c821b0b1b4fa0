"""The configuration that `gitagent init` writes: short, and with a word on each key."""

from __future__ import annotations

from collections.abc import Sequence

from gitagent.config.reading import FILE, parse
from gitagent.yaml_subset import dump_value

_HEAD = """\
# How gitagent works in this repository. Always read from the commit that work starts from,
# so a change holds once it is committed there.
version: 1
"""
_NO_VERIFY = """\
# The commands that must exit 0 in a clean checkout of the work, in order, such as
#   - pytest -q
#   - {name: lint, run: ruff check ., timeout: 5m, paths: ["**/*.py"]}
# None were found here: until one is named, nothing is verified.
verify: []
"""
_TAIL = """\
# What becomes of work that passed: branch, commit, pr, patch, report or none
integrate: branch
# What one run may spend; `usd: 5` bounds its cost, too
budget: {attempts: 3, turns: 100, tokens: 2M, time: 45m}
# Changes of these files never land by themselves
protect: [".github/**", gitagent.yaml, .pre-commit-config.yaml, .gitmodules, .gitattributes]
"""


def default_yaml(
    base: str | None, verify: Sequence[str], agent: str | None, command: str | None
) -> str:
    """Return a configuration that `parse` reads back as the values given here.

    `command` is for the agent `command`. Raises `BadInput` when a value is not allowed.
    """
    parts = [_HEAD, _base(base), _agent(agent, command), _verify(verify), _TAIL]
    text = "".join(parts)
    parse(text.encode(), file=FILE)
    return text


def _base(base: str | None) -> str:
    said = "# The branch that work starts from and lands on\n"
    if base is None:
        return f"{said}# base: main\n"
    return f"{said}base: {dump_value(base)}\n"


def _agent(agent: str | None, command: str | None) -> str:
    said = "# Who writes the change; without it, the first agent that can run here\n"
    line = "# agent: command\n" if agent is None else f"agent: {dump_value(agent)}\n"
    if command is None:
        return said + line
    return f"{said}{line}agents:\n  command: {dump_value({'command': command})}\n"


def _verify(verify: Sequence[str]) -> str:
    if not verify:
        return _NO_VERIFY
    said = "# The commands that must exit 0 in a clean checkout of the work, in order\n"
    lines = [f"  - {dump_value([each])[1:-1]}\n" for each in verify]
    return f"{said}verify:\n{''.join(lines)}"
