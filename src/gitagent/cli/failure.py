"""Errors for people and for programs: what went wrong, and what to type next.

What only an error needs is imported when there is one.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from gitagent.cli.session import Session
from gitagent.core.errors import ExternalError, GitagentError

BUG = 3
_MACHINE = frozenset(
    {errno.EACCES, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC, errno.EPERM, errno.EROFS}
)
"""What a full or read-only disk and missing rights look like: no bug, and no traceback."""


def report_error(session: Session, error: GitagentError, *, as_json: bool) -> int:
    """Say what went wrong and return the exit code."""
    import json

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
    settle(session)
    return error.exit_code


def report_unexpected(session: Session, error: Exception, words: Sequence[str]) -> int:
    """Say what the machine refused, or that this is a bug, and return the exit code."""
    settle(session)
    if isinstance(error, OSError) and _is_the_machines(error):
        return report_error(session, ExternalError(str(error)), as_json="--json" in words)
    session.say(f"error: this is a bug in gitagent: {type(error).__name__}: {error}")
    try:
        kept = _keep_traceback(error, words)
    except OSError as full:
        session.say(f"hint: the traceback could not be written: {full}")
    else:
        session.say(f"hint: the traceback is in {kept}; please report it")
    return BUG


def settle(session: Session) -> None:
    """Write out what is buffered; what cannot be written is given up."""
    try:
        session.flush()
    except OSError:
        session.drop_output()


def _is_the_machines(error: OSError) -> bool:
    """Say whether disk or rights are to blame; libgit2's errors have their words only."""
    text = str(error)
    words = [os.strerror(code) for code in _MACHINE] + ["No usable temporary directory"]
    return error.errno in _MACHINE or any(word in text for word in words)


def _keep_traceback(error: Exception, words: Sequence[str]) -> Path:
    import platform
    import tempfile
    import traceback

    from gitagent import __version__

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
    return Path(stream.name)
