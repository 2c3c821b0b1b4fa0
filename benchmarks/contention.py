"""Many runners, one queue: every task once, in order, fairly, and faster than the obvious way.

    python benchmarks/contention.py                          32 runners, 1,000 tasks, a folder
    python benchmarks/contention.py --server http
    python benchmarks/contention.py --integrate commit       without the bound on pushes
    python benchmarks/contention.py --runners 8 --tasks 100  a quick look

Each runner is a process of `gitagent next --all` in a clone of its own of one bare remote. The
obvious way is every step by compare-and-swap of the tasks branch (`benchmarks/plain_cas.py`),
measured in the same run. Exits 1 on a task that was done twice or not at all, one that was
done before what it needs, or a bound that is broken.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src"), str(ROOT / "benchmarks")]

import plain_cas  # noqa: E402 - the path is set above

from support.fleet import Fleet, doubles, jain, out_of_order  # noqa: E402
from support.servers import Folder, folder, http  # noqa: E402

LEAST_JAIN = 0.9
MOST_PUSHES = 3.5
LEAST_SPEED = 3.0
"""Bounds of the issue this was built for: fairness, pushes a task, tasks a second over plain."""
_LATEST = 3600.0


@dataclass(frozen=True)
class Result:
    """What one suite showed."""

    tasks: int
    seconds: float
    missing: list[str]
    doubles: list[str]
    disorder: list[str]
    again: int
    shares: list[int]
    pushes: int
    codes: Counter[int]

    @property
    def rate(self) -> float:
        """Tasks a second."""
        return (self.tasks - len(self.missing)) / self.seconds


def tasks(count: int, edges: int, seed: int) -> list[dict[str, Any]]:
    """Return lines for `add --from`: `count` tasks, each needing up to `edges` earlier ones."""
    rng = random.Random(seed)
    lines: list[dict[str, Any]] = []
    for number in range(count):
        # Not the newest: a chain would leave nothing to be done side by side.
        earlier = [f"t{each}" for each in range(max(0, number - 64))]
        needs = rng.sample(earlier, min(len(earlier), rng.randint(0, edges)))
        lines.append({"key": f"t{number}", "title": f"Task {number}", "blocked_by": needs})
    return lines


def suite(work: Path, server: Folder, options: argparse.Namespace) -> Result:
    """Drain a queue with many runners and return what came of it."""
    fleet = Fleet.create(work, server, options.runners)
    traces = [_traced(repo.person.home) for repo in fleet.clones]
    fleet.fill(tasks(options.tasks, 3, options.seed))
    server.git("gc", "-q")
    print(f"  {options.runners} clones and {options.tasks} tasks are ready", flush=True)
    command = f"sleep {options.work}" if options.work else "true"
    if options.integrate == "commit":
        command += "; echo $GITAGENT_TASK > $GITAGENT_TASK.txt"
    began = time.monotonic()
    codes = Counter(
        fleet.drain("--integrate", options.integrate, "--command", command, timeout=_LATEST)
    )
    seconds = time.monotonic() - began
    print(f"  drained after {seconds:.1f} s", flush=True)
    return judge(fleet, seconds, codes, traces)


def judge(fleet: Fleet, seconds: float, codes: Counter[int], traces: Sequence[Path]) -> Result:
    """Look at what the server holds, and at what the runners said."""
    records, found = fleet.recorded(), fleet.tasks()
    shares = Counter(each["runner"] for each in records if each["outcome"] == "succeeded")
    done = {each["task"] for each in records if each["outcome"] == "succeeded"}
    idle = len(fleet.clones) - len(shares)
    return Result(
        tasks=len(found),
        seconds=seconds,
        missing=sorted(found.keys() - done) + _not_done(found),
        doubles=doubles(records) + _twice_on_the_base(fleet),
        disorder=out_of_order(records, found),
        again=sum(_landed_again(repo.path) for repo in fleet.clones),
        shares=[*shares.values(), *[0] * max(idle, 0)],
        pushes=sum(_pushes(trace) for trace in traces),
        codes=codes,
    )


def _not_done(found: dict[str, dict[str, Any]]) -> list[str]:
    return sorted(task for task, each in found.items() if each["status"] != "done")


def _twice_on_the_base(fleet: Fleet) -> list[str]:
    """Return the tasks that more than one commit of the base names."""
    log = fleet.server.git("log", "--format=%(trailers:key=Gitagent-Task,valueonly)", "main")
    return sorted(task for task, count in Counter(log.split()).items() if count > 1)


def _landed_again(clone: Path) -> int:
    """Count the runs of a clone whose landing was not known at the first try."""
    journals = clone.glob(".git/gitagent/runs/*/journal.jsonl")
    return sum("landed at try" in journal.read_text() for journal in journals)


def _traced(home: Path) -> Path:
    """Let every `git` of this person write down how it was called, by their own settings."""
    folder = home / "trace2"
    folder.mkdir()
    with (home / ".gitconfig").open("a") as config:
        config.write(f"[trace2]\n\teventTarget = {folder}\n")
    return folder


def _pushes(trace: Path) -> int:
    """Count the pushes among the calls of `git` that were traced."""
    return sum(
        json.loads(line)["argv"].count("push")
        for file in trace.iterdir()
        for line in file.read_text().splitlines()
        if '"event":"start"' in line and '"push"' in line and '"--porcelain"' in line
    )


def report(name: str, result: Result) -> None:
    """Print what a suite showed."""
    print(f"{name}:")
    print(f"  {result.tasks} tasks in {result.seconds:.1f} s: {result.rate:.2f} a second")
    print(f"  missing {len(result.missing)}, double {len(result.doubles)}, "
          f"out of order {len(result.disorder)}, landings tried again {result.again}")  # fmt: skip
    print(f"  Jain {jain(result.shares):.3f} (from {min(result.shares)} to {max(result.shares)}), "
          f"{result.pushes / result.tasks:.2f} pushes a task, exit codes {dict(result.codes)}",
          flush=True)  # fmt: skip


def broken(result: Result, plain: float, options: argparse.Namespace) -> list[str]:
    """Return the bounds that do not hold."""
    speed = result.rate / plain if plain else float("inf")
    bounds = {
        "every task once": not (result.missing or result.doubles),
        "in an order the graph allows": not result.disorder,
        "every runner ended well": set(result.codes) == {0},
        "no landing tried again": result.again == 0,
        f"Jain at least {LEAST_JAIN}": jain(result.shares) >= LEAST_JAIN,
        f"at most {MOST_PUSHES} pushes a task": options.integrate != "report"
        or result.pushes <= MOST_PUSHES * result.tasks,
        f"at least {LEAST_SPEED} times as fast as plain": options.integrate != "report"
        or speed >= LEAST_SPEED,
    }
    return [name for name, holds in bounds.items() if not holds]


def main() -> int:
    """Run the suites and return the exit code."""
    options = _options()
    serve = {"folder": folder, "http": http}[options.server]
    with tempfile.TemporaryDirectory(prefix="contention-") as temporary:
        work = Path(temporary)
        print(f"{options.runners} runners over {options.server}, integrate: {options.integrate}")
        with serve(work / "hub.git") as server:
            _as_hosted(server)
            result = suite(work, server, options)
        report("gitagent", result)
        plain = 0.0
        if options.integrate == "report" and options.plain_seconds:
            (work / "plain").mkdir()
            with serve(work / "plain" / "hub.git") as server:
                _as_hosted(server)
                lines = tasks(options.tasks, 3, options.seed)
                plain = plain_cas.rate(work / "plain", server, lines, options)
            print(f"plain compare-and-swap: {plain:.2f} a second, {result.rate / plain:.1f} times")
    for name in (wrong := broken(result, plain, options)):
        print(f"BROKEN: {name}")
    return 1 if wrong else 0


def _as_hosted(server: Folder) -> None:
    """Let the server not look for work to do after each push: hosted ones do that elsewhere."""
    server.configure("receive.autogc", "false")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runners", type=int, default=32)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--server", choices=["folder", "http"], default="folder")
    parser.add_argument("--integrate", choices=["report", "commit"], default="report")
    parser.add_argument("--work", type=float, default=0.0, help="seconds that a task takes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plain-seconds", type=float, default=60.0,
                        help="for how long the plain way is measured; 0 leaves it out")  # fmt: skip
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
