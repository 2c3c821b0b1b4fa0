"""Errors for people and for programs: what went wrong, and what to type next."""

from __future__ import annotations

import json
import platform
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

from gitagent import __version__
from gitagent.cli.session import Session
from gitagent.core.errors import GitagentError


def report_error(session: Session, error: GitagentError, *, as_json: bool) -> int:
    """Say what went wrong and return the exit code."""
    session.say(f"error: {error}")
    if error.hint:
        session.say(f"hint: {error.hint}")
    if as_json:
        value = {
            "code": error.code,
            "message": error.message,
            "file": error.file,
            "line": error.line,
            "hint": error.hint,
        }
        session.data(json.dumps({"error": value}))
    session.flush()
    return error.exit_code


def report_bug(session: Session, error: Exception, words: Sequence[str]) -> None:
    """Write the traceback to a file of its own and print where it is."""
    lines = [
        f"gitagent {__version__}, Python {platform.python_version()}, {platform.platform()}",
        f"command: {' '.join(words[:1])}",  # arguments may hold secrets
        "",
        *traceback.format_exception(error),
    ]
    with tempfile.NamedTemporaryFile(
        "w", prefix="gitagent-bug-", suffix=".txt", delete=False, errors="backslashreplace"
    ) as stream:
        stream.write("\n".join(lines))
    session.say(f"error: this is a bug in gitagent: {type(error).__name__}: {error}")
    session.say(f"hint: the traceback is in {Path(stream.name)}; please report it")
