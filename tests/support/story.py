"""A real repository, its owner's home, and the `gitagent` command as a real process."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PYTHON = sys.executable
ROOT = Path(__file__).resolve().parents[2]

GITCONFIG = """\
[user]
\tname = Ada Lovelace
\temail = ada@example.com
[init]
\tdefaultBranch = main
[advice]
\tdetachedHead = false
"""


@dataclass(frozen=True, slots=True)
class Said:
    """What a process said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, parsed as JSON."""
        return json.loads(self.out)


class Person:
    """Somebody with a home folder of their own, and nothing of this machine's settings."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.variables: dict[str, str] = {}
        home.mkdir(parents=True, exist_ok=True)
        (home / ".gitconfig").write_text(GITCONFIG)

    def environment(self, **more: str) -> dict[str, str]:
        """Return all of the environment that this person's processes get."""
        source = str(ROOT / "src")
        return {
            "HOME": str(self.home),
            "PATH": f"{Path(PYTHON).parent}:{os.environ['PATH']}",
            "PYTHONPATH": source,
            "PYTHONWARNINGS": "error",
            "GIT_CONFIG_NOSYSTEM": "1",
            "TMPDIR": str(self.home),
            **self.variables,
            **more,
        }

    def run(
        self, *argv: str, cwd: Path, stdin: bytes = b"", timeout: float = 120, **more: str
    ) -> Said:
        """Run a program to its end."""
        done = subprocess.run(
            argv,
            cwd=cwd,
            env=self.environment(**more),
            input=stdin,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        out = done.stdout.decode(errors="surrogateescape")
        return Said(done.returncode, out, done.stderr.decode(errors="surrogateescape"))


class Repo:
    """A git repository that somebody works in."""

    def __init__(self, path: Path, person: Person) -> None:
        self.path = path
        self.person = person

    @classmethod
    def create(cls, path: Path, person: Person, *options: str) -> Repo:
        """Make one with `git init`."""
        path.mkdir(parents=True, exist_ok=True)
        repo = cls(path, person)
        repo.git("init", "-q", *options)
        return repo

    def given(self, variables: Mapping[str, str]) -> Repo:
        """Return the same repository for the same person with more environment variables."""
        person = copy.copy(self.person)
        person.variables = {**person.variables, **variables}
        return Repo(self.path, person)

    def git(self, *arguments: str, code: int = 0) -> str:
        """Run `git` and return what it printed, without the last newline."""
        said = self.person.run("git", *arguments, cwd=self.path)
        assert said.code == code, f"git {arguments}: {said.code}\n{said.out}{said.err}"
        return said.out.removesuffix("\n")

    def write(self, path: str, text: str | bytes) -> Path:
        """Write a file, with the folders it needs."""
        target = self.path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text if isinstance(text, bytes) else text.encode())
        return target

    def commit(self, message: str = "change", **files: str) -> str:
        """Write files, commit everything, and return the commit."""
        for path, text in files.items():
            self.write(path, text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def commit_files(self, files: dict[str, str], message: str = "change") -> str:
        """As `commit`, for paths that are no Python names."""
        for path, text in files.items():
            self.write(path, text)
        return self.commit(message)

    def call(self, *arguments: str, stdin: bytes = b"", timeout: float = 120, **more: str) -> Said:
        """Run `gitagent`, whatever comes of it."""
        argv = (PYTHON, "-m", "gitagent", *arguments)
        return self.person.run(*argv, cwd=self.path, stdin=stdin, timeout=timeout, **more)

    def gitagent(self, *arguments: str, code: int = 0) -> str:
        """Run `gitagent`, expect an exit code, and return its standard output, stripped."""
        said = self.call(*arguments)
        assert said.code == code, f"gitagent {arguments}: {said.code}\n{said.out}{said.err}"
        return said.out.strip()

    def json(self, *arguments: str, code: int = 0) -> Any:
        """Run `gitagent ... --json` and return the value."""
        return json.loads(self.gitagent(*arguments, "--json", code=code))

    def ready(self, config: str | None = "version: 1\nverify: []\n") -> Repo:
        """Make a first commit with a configuration, and the queue."""
        if config is not None:
            self.write("gitagent.yaml", config)
        self.commit("first")
        self.gitagent("init")
        if config is None:
            (self.path / "gitagent.yaml").unlink(missing_ok=True)
        return self

    def show(self, task: str) -> Any:
        """Return a task as `show --json` has it."""
        return self.json("show", task)

    def status(self, task: str) -> str:
        """Return a task's stored status."""
        status: str = self.show(task)["status"]
        return status

    def record(self, task: str) -> Any:
        """Return the newest run's record from the tasks branch, read with plain git."""
        names = self.git("ls-tree", "-r", "--name-only", "gitagent/tasks", "runs/")
        paths = sorted(name for name in names.splitlines() if f"/{task}/" in name)
        return json.loads(self.git("show", f"gitagent/tasks:{paths[-1]}"))
