"""Many clones of one queue, a runner process in each, and what must be true in the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.servers import Folder
from support.story import PYTHON, Person, Repo

CONFIG = "version: 1\nverify: []\n"


@dataclass(slots=True)
class Runner:
    """One process of `gitagent`, and where it says things."""

    repo: Repo
    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    @property
    def records(self) -> list[dict[str, Any]]:
        """The runs that it printed, whole lines only; errors are left out."""
        lines = self.out.read_text().splitlines(keepends=True)
        printed = [json.loads(line) for line in lines if line.endswith("\n")]
        return [each for each in printed if "run" in each]


@dataclass(slots=True)
class Fleet:
    """A server, the clone that fills the queue, and the clones that drain it."""

    server: Folder
    seed: Repo
    clones: list[Repo]
    runners: list[Runner] = field(default_factory=list)

    @classmethod
    def create(
        cls, folder: Path, server: Folder, clones: int, *, config: str = CONFIG, lease: int = 1200
    ) -> Fleet:
        """Make a repository with a configuration, share its queue, and clone it."""
        seed = Repo.create(folder / "seed", Person(folder / "home-seed"))
        seed.write("gitagent.yaml", config)
        seed.commit("first")
        seed.git("remote", "add", "origin", server.url)
        seed.git("push", "-q", "origin", "main")
        server.git("symbolic-ref", "HEAD", "refs/heads/main")
        fleet = cls(server, seed, [])
        fleet._share(seed, lease)
        for number in range(clones):
            fleet.clones.append(fleet.clone(folder, str(number), lease))
        return fleet

    def clone(self, folder: Path, name: str, lease: int = 1200) -> Repo:
        """Return a new clone that shares the queue, of a person with a home of their own."""
        person = Person(folder / f"home-{name}")
        path = folder / f"clone-{name}"
        said = person.run("git", "clone", "-q", self.server.url, str(path), cwd=folder)
        assert said.code == 0, said.err
        repo = Repo(path, person)
        self._share(repo, lease)
        return repo

    def _share(self, repo: Repo, lease: int) -> None:
        repo.git("config", "gitagent.lease", str(lease))
        repo.gitagent("init", "--share", "origin")

    def fill(self, tasks: Sequence[Mapping[str, object]]) -> dict[str, str]:
        """Add tasks (`add --from` lines) and publish them; return their ids by key."""
        lines = "".join(f"{json.dumps(task)}\n" for task in tasks)
        said = self.seed.call("add", "--from", "-", stdin=lines.encode())
        assert said.code == 0, said.err
        self.seed.gitagent("sync")
        return dict(line.split() for line in said.out.splitlines())

    def start(self, repo: Repo, *arguments: str) -> Runner:
        """Start `gitagent` in a clone, in a process group of its own."""
        number = len(self.runners)
        out, err = (repo.person.home / f"{name}-{number}" for name in ("out", "err"))
        with out.open("wb") as o, err.open("wb") as e:
            process = subprocess.Popen(
                [PYTHON, "-m", "gitagent", *arguments],
                cwd=repo.path,
                env=repo.person.environment(),
                stdin=subprocess.DEVNULL,
                stdout=o,
                stderr=e,
                start_new_session=True,
            )
        runner = Runner(repo, process, out, err)
        self.runners.append(runner)
        return runner

    def drain(self, *arguments: str, timeout: float = 600) -> list[int]:
        """Start a runner in every clone, wait for all, and return their exit codes."""
        started = [self.start(repo, "next", "--all", "--json", *arguments) for repo in self.clones]
        return [runner.process.wait(timeout) for runner in started]

    def end(self) -> None:
        """Kill what still runs, with all it started, as a test that failed may leave it."""
        for runner in self.runners:
            if runner.process.poll() is None:
                os.killpg(runner.process.pid, signal.SIGKILL)
                runner.process.wait()

    def tasks(self) -> dict[str, dict[str, Any]]:
        """Return every task as a clone that has just synced has it, by id."""
        self.seed.gitagent("sync")
        return {task["id"]: task for task in self.seed.json("list", "--all")}

    def recorded(self) -> list[dict[str, Any]]:
        """Return every record in the server's tasks branch, read by plain git."""
        listed = self.server.git("ls-tree", "-r", "gitagent/tasks", "runs/").splitlines()
        return [
            json.loads(blob) for blob in _blobs(self.server, [each.split()[2] for each in listed])
        ]


def _blobs(server: Folder, oids: Sequence[str]) -> Iterator[bytes]:
    """Yield what blobs hold, by one process for all of them."""
    argv = ["git", f"--git-dir={server.path}", "cat-file", "--batch"]
    asked = "".join(f"{oid}\n" for oid in oids).encode()
    left = subprocess.run(argv, input=asked, capture_output=True, check=True).stdout
    while left:
        head, _, left = left.partition(b"\n")
        size = int(head.split()[2])
        yield left[:size]
        left = left[size + 1 :]


def doubles(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the tasks that more than one run finished."""
    done = Counter(each["task"] for each in records if each["outcome"] == "succeeded")
    return sorted(task for task, count in done.items() if count > 1)


def out_of_order(
    records: Iterable[Mapping[str, Any]], tasks: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Return the tasks that were started before something that they need had ended."""
    runs = {each["task"]: each for each in records if each["outcome"] == "succeeded"}
    return sorted(
        task
        for task, run in runs.items()
        for needed in tasks[task]["blocked_by"]
        if needed not in runs or runs[needed]["ended"] > run["started"]
    )


def jain(shares: Sequence[int]) -> float:
    """Return Jain's fairness index: 1 when all have the same, 1/n when one has everything."""
    total = sum(shares)
    return total * total / (len(shares) * sum(share * share for share in shares)) if total else 0.0
