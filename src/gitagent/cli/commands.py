"""Which commands there are: a table that can be shown without importing any of them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import argparse

    from gitagent.cli.session import Session


class Command(NamedTuple):
    """A command: its name, its group in the help, what it does, and the module it lives in.

    The module has a function `configure_<name>(parser)` and a function `<name>(session,
    arguments) -> exit code`, both with an underscore behind a name that Python keeps.
    """

    name: str
    group: str
    does: str
    module: str

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments to `parser`; this imports its module."""
        getattr(self._load(), f"configure_{self.name}")(parser)

    def call(self, session: Session, arguments: argparse.Namespace) -> int:
        """Carry the command out and return the exit code."""
        function: Callable[[Session, argparse.Namespace], int]
        function = getattr(self._load(), f"{self.name}_command")
        return function(session, arguments)

    def _load(self) -> object:
        return import_module(f"gitagent.cli.{self.module}")


START, TASKS, WORK, OFFERS, LOOK, CARE = (
    "start",
    "tasks",
    "work",
    "finished work",
    "look",
    "care",
)

COMMANDS = (
    Command("init", START, "make the queue of this repository", "setup"),
    Command("demo", START, "watch three tasks being done in a throw-away repository", "demo"),
    Command("add", TASKS, "add a task and print its id", "add"),
    Command("list", TASKS, "list open tasks", "tasks"),
    Command("show", TASKS, "show a task, its runs and its messages", "tasks"),
    Command("edit", TASKS, "edit a task's file", "edit"),
    Command("update", TASKS, "change a task", "edit"),
    Command("graph", TASKS, "draw which task needs which", "tasks"),
    Command("why", TASKS, "say why a task is not ready, down to the root cause", "tasks"),
    Command("next", WORK, "claim and do the next ready task", "work"),
    Command("run", WORK, "claim and do one task", "work"),
    Command("diff", OFFERS, "show what a run changed", "offers"),
    Command("accept", OFFERS, "land finished work on the base", "offers"),
    Command("reject", OFFERS, "send finished work back", "offers"),
    Command("drop", OFFERS, "discard a task and its work", "offers"),
    Command("status", LOOK, "show what runs now and what waits for whom", "history"),
    Command("log", LOOK, "show what happened in a task's runs", "history"),
    Command("sync", CARE, "bring the queue here and on the remote to the same state", "sync"),
    Command("lint", CARE, "check every task file and the configuration", "care"),
    Command("doctor", CARE, "say what is missing or wrong, and the mend", "care"),
    Command("completion", CARE, "print the completion script of a shell", "completion"),
)

BY_NAME = {command.name: command for command in COMMANDS}


_QUICK = {
    "list --ready": ("tasks", "list_ready"),
    "next --dry-run": ("dry", "known_next"),
}
"""What prompts, scripts and status bars call all the time: a parser would cost a fifth of it."""


def quick(session: Session, words: list[str]) -> int | None:
    """Carry out a call that needs no parser, and return the exit code; None for any other."""
    as_json = words[-1:] == ["--json"]
    found = _QUICK.get(" ".join(words[:-1] if as_json else words))
    if found is None:
        return None
    module, name = found
    call: Callable[..., int | None] = getattr(import_module(f"gitagent.cli.{module}"), name)
    return call(session, as_json=as_json)


def grouped_help() -> str:
    """Return the list of commands as the help shows it: by group, in the table's order."""
    groups = dict.fromkeys(command.group for command in COMMANDS)
    width = max(len(command.name) for command in COMMANDS)
    blocks = []
    for group in groups:
        lines = [f"  {c.name:<{width}}  {c.does}" for c in COMMANDS if c.group == group]
        blocks.append(f"{group}:\n" + "\n".join(lines))
    return "\n\n".join(blocks)
