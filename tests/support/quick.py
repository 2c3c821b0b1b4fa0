"""`gitagent` as a process of its own that starts in milliseconds: a fork of one that is warm.

For tests that run it hundreds of times. What it does is done in a child with its own
environment, working directory and standard streams, so nothing is shared but the imports.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from support.story import PYTHON, ROOT, Person, Repo, Said

MODULES = (
    "pygit2",
    "rich.console",
    "pydantic",
    "yaml",
    "pathspec",
    "psutil",
    "shtab",
    "gitagent.cli.main",
    "gitagent.cli.add",
    "gitagent.cli.care",
    "gitagent.cli.completion",
    "gitagent.cli.edit",
    "gitagent.cli.history",
    "gitagent.cli.offers",
    "gitagent.cli.setup",
    "gitagent.cli.tasks",
    "gitagent.cli.work",
    "gitagent.agents.command",
    "gitagent.runner.doctor",
)


class Quick:
    """The warm process; use it as `with`."""

    def __enter__(self) -> Self:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'tests'}",
            "PYTHONWARNINGS": "error",
        }
        self._process = subprocess.Popen(
            [PYTHON, "-m", "support.quick"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.communicate(timeout=30)

    def call(self, repo: Repo, *arguments: str, cwd: Path | None = None) -> Said:
        """Run `gitagent` for the repository's person, whatever comes of it."""
        with tempfile.TemporaryDirectory() as folder:
            order = {
                "arguments": arguments,
                "cwd": str(cwd or repo.path),
                "environment": repo.person.environment(),
                "out": f"{folder}/out",
                "err": f"{folder}/err",
            }
            stdin, stdout = self._process.stdin, self._process.stdout
            assert stdin is not None
            assert stdout is not None
            stdin.write(json.dumps(order).encode() + b"\n")
            stdin.flush()
            code = int(stdout.readline())
            texts = [Path(folder, name).read_bytes() for name in ("out", "err")]
        return Said(code, *(text.decode(errors="surrogateescape") for text in texts))


class QuickRepo(Repo):
    """A repository whose `gitagent` is the warm one."""

    def __init__(self, path: Path, person: Person, quick: Quick) -> None:
        super().__init__(path, person)
        self._quick = quick

    def at(self, path: Path) -> QuickRepo:
        """Return the one at another place, of the same person."""
        return QuickRepo(path, self.person, self._quick)

    def call(self, *arguments: str, stdin: bytes = b"", timeout: float = 120, **more: str) -> Said:
        """Run `gitagent`, whatever comes of it; it has no standard input."""
        assert not stdin
        assert not more
        return self._quick.call(self, *arguments)


def _serve() -> None:
    for name in MODULES:
        __import__(name)
    for line in sys.stdin.buffer:
        pid = os.fork()
        if pid == 0:
            _be_gitagent(json.loads(line))
        _, status = os.waitpid(pid, 0)
        os.write(1, b"%d\n" % os.waitstatus_to_exitcode(status))


def _be_gitagent(order: dict[str, Any]) -> None:
    """Become the process that was ordered; this never returns."""
    import pygit2

    from gitagent.cli.main import main

    code = 70
    try:
        for number, name in ((0, os.devnull), (1, order["out"]), (2, order["err"])):
            opened = os.open(name, os.O_RDWR | os.O_CREAT)
            os.dup2(opened, number)
            os.close(opened)
        os.environ.clear()
        os.environ.update(order["environment"])
        tempfile.tempdir = None
        # libgit2 read HOME when it was loaded.
        pygit2.settings.search_path[pygit2.enums.ConfigLevel.GLOBAL] = os.environ["HOME"]
        os.chdir(order["cwd"])
        code = main(order["arguments"])
        sys.stdout.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    _serve()
