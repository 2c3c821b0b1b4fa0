"""The parsers of the command line: one for what stands before the command, one for each command."""

from __future__ import annotations

import argparse
from typing import NoReturn

from gitagent import __version__
from gitagent.cli.commands import Command, grouped_help
from gitagent.core.errors import UsageError


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are errors like any other."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing and exiting."""
        raise UsageError(message, hint=f"see `{self.prog} --help`")


def root_parser() -> Parser:
    """Return the parser of what stands before the command."""
    parser = Parser(
        prog="gitagent",
        usage="gitagent [-C DIR] COMMAND [ARGUMENTS]",
        description="A task queue for coding agents that lives in the repository itself.",
        epilog=grouped_help() + "\n\n`gitagent COMMAND --help` says more of a command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-C", dest="directory", metavar="DIR", help="work as if started in DIR")
    parser.add_argument("--version", action="version", version=f"gitagent {__version__}")
    return parser


def command_parser(command: Command) -> Parser:
    """Return the parser of one command; this imports the module that it lives in."""
    description = f"{command.does[0].upper()}{command.does[1:]}."
    parser = Parser(prog=f"gitagent {command.name}", description=description)
    command.configure(parser)
    return parser
