"""Programs that talk to the person: an editor."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from gitagent.core.errors import ExternalError


def interactive(argv: Sequence[str], *, cwd: Path, environment: Mapping[str, str]) -> int:
    """Run a program on the person's own terminal and return its exit code.

    Raises `ExternalError` when it cannot be started.
    """
    try:
        return subprocess.run(argv, cwd=cwd, env=environment, check=False).returncode  # noqa: S603
    except OSError as error:
        message = f"cannot run `{argv[0]}`: {error.strerror}"
        raise ExternalError(message) from error
