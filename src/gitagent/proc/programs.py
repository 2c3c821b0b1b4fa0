"""Finding programs, and handing a command line to the shell."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def shell(command: str) -> list[str]:
    """Return the argv that runs a configured command line."""
    return ["/bin/sh", "-c", command]


def find_program(name: str, search_path: str) -> Path | None:
    """Return where the program `name` is, by a PATH; None when it is nowhere.

    A `name` with a slash in it is looked up as the path it is. Relative entries of
    `search_path` are skipped: they would let the folder gitagent happens to be in choose.
    """
    entries = search_path.split(os.pathsep)
    absolute = os.pathsep.join(each for each in entries if Path(each).is_absolute())
    found = shutil.which(name, path=absolute)
    return Path(found) if found else None
