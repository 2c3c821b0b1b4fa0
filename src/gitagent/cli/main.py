"""The entry point: find the command, call it, turn errors into words and exit codes."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence

from gitagent.cli.commands import BY_NAME, quick
from gitagent.cli.failure import report_error, report_unexpected, settle
from gitagent.cli.session import Session
from gitagent.core.errors import GitagentError, UsageError

INTERRUPTED = 130


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
    gc.disable()  # a call of some milliseconds frees nothing by it
    known = quick(session, words)
    if known is not None:
        session.leave(known)
    gc.enable()
    code = _parse_and_call(session, words)
    session.flush()
    return code


def _parse_and_call(session: Session, words: list[str]) -> int:
    from gitagent.cli.parsing import command_parser, root_parser

    head, rest = _split(words)
    if head or not rest:
        parser = root_parser()
        session.go_to(parser.parse_args(head).directory)
        if not rest:
            session.data(parser.format_help().rstrip())
            return 0
    command = BY_NAME.get(rest[0])
    if command is None:
        raise _unknown(rest[0])
    arguments = command_parser(command).parse_args(rest[1:])
    return command.call(session, arguments)


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    """Split what stands before the command from the command and its arguments."""
    at = 0
    while at < len(words) and words[at].startswith("-"):
        at += 2 if words[at] == "-C" else 1
    return words[:at], words[at:]


def _unknown(name: str) -> UsageError:
    import difflib

    near = difflib.get_close_matches(name, BY_NAME, n=1)
    hint = f"did you mean `gitagent {near[0]}`?" if near else "see `gitagent --help`"
    return UsageError(f"there is no command `{name}`", hint=hint)
