"""A repository to be thrown away, and its owner: nothing of the person's is used or touched.

Commands run as processes of their own, as if its owner typed them: libgit2 reads the settings
of HOME once for the whole process, so another HOME needs another process.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitagent import proc
from gitagent.cli.session import Session
from gitagent.core.checks import CheckResult, CheckSpec
from gitagent.core.errors import ExternalError
from gitagent.git.command import check_version, clean
from gitagent.runner.checks.command import Bounds, run_command
from gitagent.runner.environment import allowed

_SETTINGS = """\
[core]
\tautocrlf = false
\thooksPath = /dev/null
[commit]
\tgpgSign = false
"""
"""The owner's own settings, which go before the system's."""
_IDENTITY = {"user.name": "Demo", "user.email": "demo@example.com"}
_GITAGENT = [sys.executable, "-P", "-m", "gitagent"]
"""`-P`: what lies in the repository must not be imported in the place of our modules."""


@dataclass(frozen=True, slots=True)
class Throwaway:
    """`repository` and all that comes of working in it, inside `folder`."""

    folder: Path
    repository: Path
    environment: Mapping[str, str]
    stop: Callable[[], bool]

    def git(self, *arguments: str) -> str:
        """Run `git` and return what it printed; raises `ExternalError` when it fails."""
        return self._finish(["git", *arguments], ["git", *arguments])

    def gitagent(self, *arguments: str) -> str:
        """Run `gitagent` and return what it printed; raises `ExternalError` when it fails."""
        return self._finish([*_GITAGENT, *arguments], ["gitagent", *arguments])

    def json(self, *arguments: str) -> Any:  # noqa: ANN401 - parsed JSON is Any
        """Return what a `gitagent` command prints with `--json`."""
        return json.loads(self.gitagent(*arguments, "--json"))

    def watch(self, *arguments: str) -> None:
        """Run `gitagent`, with all that it says on standard output, as it comes."""
        line = f"exec {shlex.join([*_GITAGENT, *arguments])} 2>&1"
        proc.interactive(proc.shell(line), cwd=self.repository, environment=self.environment)

    def check(self, command: str) -> CheckResult:
        """Run a check in the repository's own checkout, as the runner does in others."""
        bounds = Bounds(
            folder=self.repository,
            environment=allowed(self.environment),
            log=self.folder / "check.log",
            seconds=60.0,
            stop=self.stop,
        )
        result = run_command(CheckSpec(run=command, name=command), bounds)
        if result is None:
            raise KeyboardInterrupt
        return result

    def _finish(self, argv: list[str], typed: list[str]) -> str:
        if self.stop():
            raise KeyboardInterrupt
        done = proc.capture(argv, cwd=self.repository, environment=self.environment)
        if done.exit_code != 0:
            said = done.stderr.decode(errors="replace").strip() or "it said nothing"
            message = f"`{shlex.join(typed)}` ended with {done.exit_code}: {said}"
            raise ExternalError(message)
        return done.stdout.decode(errors="replace").strip()


@contextmanager
def throwaway(
    session: Session, package: Path, stop: Callable[[], bool], *, keep: bool
) -> Iterator[Throwaway]:
    """Make a repository whose first commit holds the files of `package`.

    It is removed at the end of the block, with its worktrees, unless `keep` is set. Raises
    `ExternalError` where git is missing, `Refused` where it is too old.
    """
    check_version(session.environment)
    folder = Path(tempfile.mkdtemp(prefix="gitagent-demo-")).resolve()
    try:
        made = Throwaway(folder, folder / "pocket", _owner(session, folder), stop)
        _copy(package, made.repository)
        _first_commit(made)
        yield made
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
            if folder.exists():
                session.say(f"warning: `{folder}` could not be removed")


def _copy(package: Path, repository: Path) -> None:
    """Copy contents alone: what is installed may be read-only, and pip compiles it."""
    for path in package.rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            target = repository / path.relative_to(package)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())


def _owner(session: Session, folder: Path) -> dict[str, str]:
    """Return the environment of the repository's owner; `python3` is the Python we run on."""
    programs, home = folder / "bin", folder / "home"
    programs.mkdir()
    home.mkdir()
    (programs / "python3").symlink_to(sys.executable)
    (home / ".gitconfig").write_text(_SETTINGS)
    theirs = clean(session.environment)
    modules = theirs.get("PYTHONPATH", "").split(os.pathsep)
    return {
        **{name: value for name, value in theirs.items() if not name.startswith("XDG_")},
        "HOME": str(home),
        "PATH": os.pathsep.join([str(programs), theirs.get("PATH", os.defpath)]),
        "PYTHONPATH": os.pathsep.join(str(session.cwd / each) for each in modules if each),
    }


def _first_commit(made: Throwaway) -> None:
    made.git("init", "--quiet", "--initial-branch=main", "--template=")
    for key, value in _IDENTITY.items():
        made.git("config", key, value)
    made.git("add", "--all")
    made.git("commit", "--quiet", "--message=A package with two bugs")
