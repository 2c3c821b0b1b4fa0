"""What the fault tests share: how much of a fault, and what must be true after it."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.fleet import Fleet, Runner, out_of_order
from support.killer import (
    send,
    succeeded,
    unhealthy,
)
from support.servers import Folder
from support.story import Repo
from support.waiting import eventually

CLAIMS = "refs/gitagent/claims/"
TASKS = "refs/heads/gitagent/tasks"
WORK = 'echo "$GITAGENT_TASK" > "$GITAGENT_TASK.txt"'
Disturb = Callable[[list[Runner]], None]
LONG = (pytest.mark.long, pytest.mark.timeout(3600))


@dataclass(frozen=True, slots=True)
class Size:
    """How much of a fault: `times` is what the fault is counted in."""

    clones: int
    tasks: int
    times: int = 0
    seed: int = 1


def chance_of(size: Size) -> random.Random:
    """Return dice that fall the same way in every run."""
    return random.Random(size.seed)  # noqa: S311 - chance, not secrecy


def sizes(sample: Size, full: Size, **variants: list[str]) -> pytest.MarkDecorator:
    """Run a test as a sample, and in full where `-m long` asks for it.

    Of the variants of one more argument, the first is sampled and all are run in full.
    """
    if not variants:
        found = [pytest.param(sample, id="sample"), pytest.param(full, id="full", marks=LONG)]
        return pytest.mark.parametrize("size", found)
    ((name, values),) = variants.items()
    each = [pytest.param(value, full, id=f"{value}-full", marks=LONG) for value in values]
    first = pytest.param(values[0], sample, id=f"{values[0]}-sample")
    return pytest.mark.parametrize(f"{name},size", [first, *each])


def named(count: int, first: int = 0) -> list[dict[str, object]]:
    """Return so many tasks; every fourth needs the one before it."""
    return [
        {
            "key": f"k{n}",
            "title": f"Task {n}",
            **({"blocked_by": [f"k{n - 1}"]} if n % 4 == 3 else {}),
        }
        for n in range(first, first + count)
    ]


def check_all_done(
    fleet: Fleet, tasks: int, status: str = "done", *, clocks_agree: bool = True
) -> None:
    """Check that each task was done by one run, that nothing is left, and that all is whole.

    Where clocks agree, also that none was begun before what it needs had ended.
    """
    for repo in fleet.clones:
        repo.gitagent("sync")
    records, known = fleet.recorded(), fleet.tasks()
    assert succeeded(records) == dict.fromkeys(known, 1)
    assert len(known) == tasks
    assert {task["status"] for task in known.values()} == {status}
    if status == "done" and clocks_agree:
        assert out_of_order(records, known) == []
    assert claims_in(fleet.server) == []
    assert unhealthy([fleet.seed, *fleet.clones], fleet.server) == []


def claims_in(server: Folder) -> list[str]:
    """Return the claims that the server holds."""
    return [ref for ref in server.refs() if ref.startswith(CLAIMS)]


def knows(repo: Repo, commit: str) -> bool:
    """Say whether a clone has heard of a commit of the remote's tasks branch."""
    argv = ("git", "merge-base", "--is-ancestor", commit, "refs/gitagent/r/tasks")
    return repo.person.run(*argv, cwd=repo.path).code == 0


def stop_in_the_middle(fleet: Fleet, repo: Repo, folder: Path, *, whole: bool = True) -> Runner:
    """Start a runner, and stop it while its agent is at work."""
    there = folder / f"{repo.path.name}.there"
    there.unlink(missing_ok=True)
    runner = fleet.start(
        repo, "next", "--json", "--command",
        f"echo mine > {repo.path.name}.txt; touch {there}; sleep 0.5",
    )  # fmt: skip
    eventually(there.exists)
    send(runner, signal.SIGSTOP, whole=whole)
    return runner
