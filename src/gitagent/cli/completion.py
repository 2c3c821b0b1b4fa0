"""`completion`: the completion script of a shell, made by shtab from the parsers themselves."""

from __future__ import annotations

import argparse

from gitagent.cli.session import Session

_SHELLS = ("bash", "zsh", "tcsh")


def configure_completion(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `completion`."""
    parser.add_argument("shell", choices=_SHELLS, help="which shell's script to print")


def completion_command(session: Session, arguments: argparse.Namespace) -> int:
    """Print the script; `eval "$(gitagent completion bash)"` switches it on."""
    import shtab

    session.data(shtab.complete(_whole_parser(), shell=arguments.shell))
    return 0


def _whole_parser() -> argparse.ArgumentParser:
    """Return one parser with every command in it, which only completion needs."""
    from gitagent.cli.commands import COMMANDS

    parser = argparse.ArgumentParser(prog="gitagent")
    parser.add_argument("-C", dest="directory", metavar="DIR", help="work as if started in DIR")
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(dest="command")
    for command in COMMANDS:
        command.configure(commands.add_parser(command.name, help=command.does))
    return parser
