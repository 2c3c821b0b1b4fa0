"""The entry point: find the command, call it, turn errors into words and exit codes."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Sequence
from typing import NoReturn

from gitagent import __version__
from gitagent.cli.commands import BY_NAME, Command, grouped_help
from gitagent.cli.failure import report_error, report_unexpected, settle
from gitagent.cli.session import Session
from gitagent.core.errors import GitagentError, UsageError

INTERRUPTED = 130


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are errors like any other."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing and exiting."""
        raise UsageError(message, hint=f"see `{self.prog} --help`")


def main(argv: Sequence[str] | None = None) -> int:
    """Run `gitagent` with `argv`, by default the process's own, and return the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    session = Session.from_process()
    try:
        return _dispatch(session, words)
    except GitagentError as error:
        return report_error(session, error, as_json="--json" in words)
    except SystemExit as done:  # argparse's, after `--help` and `--version`
        settle(session)
        return 0 if done.code is None else int(done.code)
    except KeyboardInterrupt:
        session.say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        session.drop_output()
        return 0
    except Exception as error:  # noqa: BLE001 - the one place where a bug becomes words
        return report_unexpected(session, error, words)


def _dispatch(session: Session, words: list[str]) -> int:
    parser = root_parser()
    head, rest = _split(words)
    chosen = parser.parse_args(head)
    session.go_to(chosen.directory)
    if not rest:
        session.data(parser.format_help().rstrip())
        return 0
    command = BY_NAME.get(rest[0])
    if command is None:
        raise _unknown(rest[0])
    arguments = command_parser(command).parse_args(rest[1:])
    code = command.call(session, arguments)
    session.flush()
    return code


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


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    """Split what stands before the command from the command and its arguments."""
    at = 0
    while at < len(words) and words[at].startswith("-"):
        at += 2 if words[at] == "-C" else 1
    return words[:at], words[at:]


def _unknown(name: str) -> UsageError:
    near = difflib.get_close_matches(name, BY_NAME, n=1)
    hint = f"did you mean `gitagent {near[0]}`?" if near else "see `gitagent --help`"
    return UsageError(f"there is no command `{name}`", hint=hint)
