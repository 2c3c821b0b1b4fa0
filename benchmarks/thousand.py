"""A thousand tasks with three thousand edges, from JSON Lines to the base, four at a time.

    python benchmarks/thousand.py
    python benchmarks/thousand.py --tasks 100 --jobs 2

Added in one commit, listed, drawn, and worked off by `next --all --jobs 4` with the agent
`command` under `integrate: commit`. Exits 1 unless each was done once, each is one commit of
the base, and each came after all that it needs.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src")]

from support.story import Person, Repo, Said  # noqa: E402 - the path is set above

CONFIG = 'version: 1\nverify: ["test -d done"]\n'
COMMAND = 'mkdir -p done && echo "$GITAGENT_TASK" > "done/$GITAGENT_TASK"'
T = TypeVar("T")


def workload(tasks: int, edges: int, seed: int) -> list[dict[str, Any]]:
    """Return lines for `add --from` with exactly so many edges, all to earlier tasks."""
    rng = random.Random(seed)
    pairs: set[tuple[int, int]] = set()
    while len(pairs) < min(edges, tasks * (tasks - 1) // 2):
        needed, task = sorted(rng.sample(range(tasks), 2))
        pairs.add((task, needed))
    needs: dict[int, list[str]] = {}
    for task, needed in sorted(pairs):
        needs.setdefault(task, []).append(f"t{needed}")
    return [
        {"key": f"t{each}", "title": f"Task {each}", "blocked_by": needs.get(each, [])}
        for each in range(tasks)
    ]


def timed(what: str, do: Callable[[], T]) -> T:
    """Do it, and print how long it took."""
    began = time.monotonic()
    value = do()
    print(f"  {what}: {time.monotonic() - began:.1f} s", flush=True)
    return value


def called(repo: Repo, *arguments: str, stdin: bytes = b"") -> Said:
    """Run `gitagent`; anything but success ends the benchmark."""
    said = repo.call(*arguments, stdin=stdin, timeout=7200)
    if said.code != 0:
        raise SystemExit(f"gitagent {arguments}: {said.code}\n{said.err}")
    return said


def wrong(repo: Repo, ids: dict[str, str]) -> list[str]:
    """Return what does not hold at the end."""
    tasks = {task["id"]: task for task in called(repo, "list", "--all", "--json").json}
    log = repo.git("log", "--reverse", "--format=%(trailers:key=Gitagent-Task,valueonly)", "main")
    order = {task: at for at, task in enumerate(log.split())}
    found = []
    if len(log.split()) != len(order):
        found.append("a task has more than one commit on the base")
    if order.keys() != set(ids.values()):
        found.append(f"{len(set(ids.values()) - order.keys())} tasks are not on the base")
    if any(task["status"] != "done" for task in tasks.values()):
        found.append("a task is not done")
    if any(order[n] > order[t] for t, task in tasks.items() for n in task["blocked_by"]
           if t in order and n in order):  # fmt: skip
        found.append("a task came before one that it needs")
    if repo.git("status", "--porcelain"):
        found.append("the checkout is not clean")
    return found


def main() -> int:
    """Run it and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--edges", type=int, default=3000)
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="thousand-") as temporary:
        work = Path(temporary)
        repo = Repo.create(work / "repo", Person(work / "home")).ready(CONFIG)
        lines = workload(options.tasks, options.edges, options.seed)
        edges = sum(len(line["blocked_by"]) for line in lines)
        print(f"{options.tasks} tasks, {edges} edges, {options.jobs} jobs", flush=True)
        data = "".join(f"{json.dumps(line)}\n" for line in lines).encode()
        said = timed("add --from", lambda: called(repo, "add", "--from", "-", stdin=data))
        ids = dict(line.split() for line in said.out.splitlines())
        timed("list", lambda: called(repo, "list"))
        timed("graph", lambda: called(repo, "graph"))
        timed("graph as svg", lambda: called(repo, "graph", "--format", "svg"))
        arguments = ("next", "--all", "--jobs", str(options.jobs), "--json")
        how = ("--integrate", "commit", "--command", COMMAND)
        began = time.monotonic()
        said = timed("next --all", lambda: called(repo, *arguments, *how))
        rate = len(said.out.splitlines()) / (time.monotonic() - began)
        print(f"  {rate:.2f} tasks a second")
        found = wrong(repo, ids)
    for each in found:
        print(f"BROKEN: {each}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
