"""Which checks a repository seems to have: read from its base, used until it says so itself."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from gitagent.core.checks import CheckSpec

Read = Callable[[str], bytes | None]
"""Gives the bytes of a file of the base; None when there is no such file."""


def detect_checks(read: Read, files: frozenset[str]) -> tuple[CheckSpec, ...]:
    """Return the checks that the files of the base suggest; `files` are the top-level names."""
    found = [
        *_python(read, files),
        *_node(read),
        *(["cargo test"] if "Cargo.toml" in files else []),
        *(["go test ./..."] if "go.mod" in files else []),
        *(["mvn -q verify"] if "pom.xml" in files else []),
    ]
    return tuple(CheckSpec(run=run, name=run) for run in found or _make(read))


def _python(read: Read, files: frozenset[str]) -> list[str]:
    settings = (read("pyproject.toml") or b"") + (read("setup.cfg") or b"")
    configured = bool({"pytest.ini", "tox.ini", "conftest.py"} & files) or b"pytest" in settings
    packaged = bool({"pyproject.toml", "setup.py", "setup.cfg"} & files)
    tests = "tests" in files or "test" in files
    if configured or (packaged and tests):
        return ["python -m pytest -q"]
    return ["python -m unittest -q"] if packaged or tests else []


def _node(read: Read) -> list[str]:
    try:
        package = json.loads(read("package.json") or b"{}")
        script = package.get("scripts", {}).get("test", "")
    except (ValueError, AttributeError):
        return []
    if not isinstance(script, str) or not script or "no test specified" in script:
        return []
    return ["npm test"]


def _make(read: Read) -> list[str]:
    makefile = read("Makefile") or b""
    for target in (b"check", b"test"):
        if re.search(rb"^%s\s*:" % target, makefile, re.MULTILINE):
            return [f"make {target.decode()}"]
    return []
