"""Arguments that several commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitagent.core.task import Integrate

if TYPE_CHECKING:
    import argparse


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add `--json`."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_task(parser: argparse.ArgumentParser) -> None:
    """Add the task that a command is about."""
    parser.add_argument("task", metavar="ID", help="the task's id, or the start of it")


def add_work(parser: argparse.ArgumentParser) -> None:
    """Add what `next` and `run` take."""
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    parser.add_argument("--agent", help="who does it (default: as the base's gitagent.yaml says)")
    parser.add_argument("--model", help="the model that the agent uses")
    parser.add_argument("--command", metavar="CMD", help="the program of the agent `command`")
    add_integrate(parser)
    add_json(parser)


def add_integrate(parser: argparse.ArgumentParser) -> None:
    """Add `--integrate`."""
    parser.add_argument(
        "--integrate",
        choices=[each.value for each in Integrate],
        help="what becomes of work that passed",
    )
