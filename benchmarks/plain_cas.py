"""The obvious way, to compare with: every step is a compare-and-swap of the tasks branch.

Made of gitagent's own parts, so that both pay the same for everything else: the same files on
the branch, the same worktree, command and snapshot for each task, the same records. Only the
claim is another: a runner fetches the branch, marks a ready task `running` in a commit, pushes
that expecting the tip it read, does the work, and pushes the record in the same way. Whoever
was faster makes everybody else fetch and begin that step again.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from gitagent import proc
from gitagent.core.task import Status, Task
from gitagent.git import worktree
from gitagent.git.refs import TASKS
from gitagent.git.remote import Remote
from gitagent.git.repository import Identity, Repository
from gitagent.git.snapshot import snapshot
from gitagent.store import layout, tasks
from gitagent.store.branch import Edit, View, commit
from gitagent.store.index import Index
from support.fleet import Fleet
from support.servers import Folder

RUNNING = "running"
HERE = "refs/heads/gitagent/tasks"
WHO = Identity("plain", "plain@localhost")


def rate(
    work: Path, server: Folder, lines: list[dict[str, object]], options: argparse.Namespace
) -> float:
    """Return the tasks a second that this way does with so many runners."""
    fleet = Fleet.create(work, server, options.runners)
    fleet.fill(lines)
    deadline = time.monotonic() + options.plain_seconds
    argv = [sys.executable, __file__, server.url, str(deadline)]
    began = time.monotonic()
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    runners = [
        subprocess.Popen(argv, cwd=repo.path, env={**repo.person.environment(), **path})
        for repo in fleet.clones
    ]
    for runner in runners:
        runner.wait()
    seconds = time.monotonic() - began
    done = server.git("ls-tree", "-r", "--name-only", "gitagent/tasks", "runs/").split()
    return max(len(done), 1) / seconds


class Runner:
    """One process of the obvious way, in a clone."""

    def __init__(self, url: str) -> None:
        self.repository = Repository.find(Path.cwd(), os.environ)
        self.remote = Remote(self.repository.git, url)
        self.slot = Path(os.environ["HOME"]) / "slot" / "work"

    def run(self, deadline: float) -> None:
        """Do tasks until the deadline, or until none is left."""
        while time.monotonic() < deadline:
            task = self._claim(deadline)
            if task is None:
                continue
            self._work()
            self._step(deadline, partial(self._finish, task=task))

    def _claim(self, deadline: float) -> str | None:
        chosen: list[str] = []

        def mark(edit: Edit) -> bool:
            ready = [t for t in self._ready() if RUNNING not in t.labels]
            if not ready:
                return False
            task = random.choice(ready)
            chosen[:] = [task.id]
            tasks.rewrite(edit, task, replace(task, labels=(*task.labels, RUNNING)))
            edit.subject = f"claim {task.id}"
            return True

        return chosen[0] if self._step(deadline, mark) and chosen else None

    def _ready(self) -> tuple[Task, ...]:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return tuple(Index(self.repository).ask(lambda found: list(found.ready(now))))

    def _finish(self, edit: Edit, task: str) -> bool:
        before = tasks.read(edit.view, task)
        tasks.rewrite(edit, before, replace(before, status=Status.DONE))
        edit.write(layout.run_path(task, f"run-{task}"), b"{}" * 2048)  # about what a record is
        edit.subject = f"done {task}"
        return True

    def _work(self) -> None:
        base = self.repository.branch_commit("main") or ""
        worktree.add(self.repository, self.slot, base)
        log = self.slot.parent / "log"
        proc.run(
            ["sh", "-c", "true"], cwd=self.slot, environment=dict(os.environ), log=log,
            timeout=60, stop=lambda: False,
        )  # fmt: skip
        snapshot(self.repository.raw, self.slot, self.repository.tree_of(base), ())
        worktree.remove(self.repository, self.slot)

    def _step(self, deadline: float, change: Callable[[Edit], bool]) -> bool:
        """Change the branch by compare-and-swap, again and again until it is taken."""
        most = 0.05
        while time.monotonic() < deadline:
            self.remote.fetch([f"+{TASKS}:{HERE}"])
            tip = self.repository.refs.read(HERE)
            edit = Edit(View(self.repository, tip))
            if not change(edit):
                time.sleep(random.uniform(0, 1))
                return False
            new = commit(self.repository, edit, WHO, datetime.now(UTC))
            if new is None or self.remote.push({TASKS: (tip, new)}).placed(TASKS):
                return True
            time.sleep(random.uniform(0, most))
            most = min(2 * most, 5.0)
        return False


if __name__ == "__main__":
    Runner(sys.argv[1]).run(float(sys.argv[2]))
