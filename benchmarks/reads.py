"""Reads of the queue at 10 to 100,000 tasks, against what a process costs at all.

Everything is measured in one run and in turns, so that a busy machine slows all of it alike.
Exit 1 when a bound is broken. `python benchmarks/reads.py --help` says what can be chosen.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GITAGENT = (
    sys.executable,
    "-c",
    "import sys; from gitagent.cli.main import main; sys.exit(main())",
)
READY = 10
CLAIMED = 5
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
WRITTEN, REBUILT = 1000, 10_000
"""Sizes from which on a write, and a rebuild, are measured: below, a process costs more."""
NEXT = ("next", "--dry-run")
LIST = ("list", "--ready")
READS = ("next", "list", "shared")
"""The reads that are measured: `shared` is `list` in a clone with a remote and landings."""
PARSE = """
import subprocess, sys
from gitagent.store.taskfile import parse
git = ["git", "--git-dir", sys.argv[1]]
listed = subprocess.run([*git, "ls-tree", "-r", "gitagent/tasks", "tasks/"],
                        check=True, capture_output=True, text=True).stdout.splitlines()
given = "".join(line.split()[2] + "\\n" for line in listed)
said = subprocess.run([*git, "cat-file", "--batch"], check=True, capture_output=True,
                      input=given.encode()).stdout
at = 0
for line in listed:
    end = said.index(b"\\n", at)
    size = int(said[at:end].split()[2])
    path = line.split("\\t")[1]
    parse(said[end + 1 : end + 1 + size], id=path[9:-3], path=path)
    at = end + size + 2
"""


@dataclass(frozen=True)
class Bound:
    """A figure, what it may be at most, and what it was."""

    name: str
    most: float
    found: float

    @property
    def holds(self) -> bool:
        """Whether it is within the bound."""
        return self.found <= self.most


@dataclass
class Queue:
    """A repository with a queue of `size` tasks, and another clone of it."""

    folder: Path
    size: int
    times: dict[str, list[float]] = field(default_factory=dict)
    peak: int = 0
    changes: int = 0

    @property
    def here(self) -> Path:
        """The clone that reads."""
        return self.folder / "here"

    @property
    def shared(self) -> Path:
        """The same with a remote: its claims, of which some have landed, were fetched."""
        return self.folder / "shared"

    def git(self, *arguments: str, cwd: Path | None = None, stdin: bytes = b"") -> str:
        """Run git and return what it printed."""
        done = subprocess.run(
            ("git", *arguments), cwd=cwd or self.here, input=stdin, env=environment(self.folder),
            capture_output=True, check=True,
        )  # fmt: skip
        return done.stdout.decode().strip()

    def measure(self, name: str, argv: tuple[str, ...], cwd: Path | None = None) -> float:
        """Run a process to its end, and remember its milliseconds and its peak memory."""
        began = time.perf_counter()
        process = subprocess.Popen(
            argv, cwd=cwd or self.here, env=environment(self.folder), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )  # fmt: skip
        out, err = process.stdout, process.stderr
        said = [stream.read() for stream in (out, err) if stream is not None]
        _, status, usage = os.wait4(process.pid, 0)
        took = (time.perf_counter() - began) * 1000
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            sys.exit(f"{argv} failed:\n{said[1].decode()}")
        self.times.setdefault(name, []).append(took)
        if name.startswith(("unchanged", "changed")):
            self.peak = max(self.peak, usage.ru_maxrss)
        return took

    def median(self, name: str) -> float:
        """Return the median of the milliseconds."""
        return statistics.median(self.times[name])

    def change(self, clone: Path) -> None:
        """Let the other clone change one task, and fetch that into `clone`."""
        self.changes += 1
        number = self.size - 1 - self.changes % (self.size // 2)
        there = self.folder / "there.git"
        tip = self.git("rev-parse", "gitagent/tasks", cwd=there)
        data = task_file(number, f"changed {self.changes} times")
        stream = commit(f"update {self.changes}", tip) + modify(number, data) + b"\n"
        self.git("fast-import", "--quiet", "--force", cwd=there, stdin=stream)
        self.git("fetch", "-q", str(there), "+gitagent/tasks:gitagent/tasks", cwd=clone)


def environment(home: Path) -> dict[str, str]:
    """Return the environment of every process here: nothing of this machine's settings."""
    return {
        "HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "src"),
        "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.com",
        "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.com",
    }  # fmt: skip


def task_id(number: int) -> str:
    """Return the id of a task: spread over all shards, as random ones are."""
    scrambled = (number * 7_368_787 + 12_345) % (1 << 25)
    return "".join(ALPHABET[(scrambled >> 5 * place) & 31] for place in range(5))


def task_file(number: int, more: str = "") -> bytes:
    """Return a task's file: the first ten are ready, the rest done or blocked by those."""
    blocked = number >= READY and number % 3 == 0
    status = "open" if number < READY or blocked else "done"
    needs = [task_id(number % READY)] if blocked else []
    if number >= 2 * READY and not blocked:
        needs = [task_id(number - READY)]
    lines = [
        "---",
        f"title: Fix the pager of part {number} {more}".rstrip(),
        f"status: {status}",
        *([f"blocked_by: [{', '.join(needs)}]"] if needs else []),
        f"labels: [core, part-{number % 7}]",
        f"created: 2026-11-{1 + number % 28:02}T04:00:00Z",
        "---",
        "",
        "It loses lines when the output is longer than the screen.",
        "",
        "## Acceptance criteria",
        "",
        "- [ ] no line is lost",
        "",
    ]
    return "\n".join(lines).encode()


def commit(subject: str, parent: str | None) -> bytes:
    """Return the head of a commit of the tasks branch, for fast-import."""
    lines = ["commit refs/heads/gitagent/tasks", "committer A <a@example.com> 1790000000 +0000"]
    lines += [f"data {len(subject)}", subject, *([f"from {parent}"] if parent else [])]
    return "".join(f"{line}\n" for line in lines).encode()


def modify(number: int, data: bytes) -> bytes:
    """Return one file of a commit, for fast-import."""
    task = task_id(number)
    return f"M 100644 inline tasks/{task[:2]}/{task}.md\ndata {len(data)}\n".encode() + data + b"\n"


def make(folder: Path, size: int) -> Queue:
    """Make a repository with a queue, and another clone of it."""
    queue = Queue(folder, size)
    queue.here.mkdir(parents=True)
    queue.git("init", "-q", "-b", "main")
    config = "version: 1\nbase: main\nagent: command\nagents: {command: {command: 'true'}}\n"
    (queue.here / "gitagent.yaml").write_text(f"{config}verify: [pytest -q]\n")
    queue.git("add", "-A")
    queue.git("commit", "-q", "-m", "first")
    with (folder / "stream").open("wb") as stream:  # or this process would be the largest
        stream.write(commit("init", None))
        stream.writelines(modify(number, task_file(number)) for number in range(size))
    with (folder / "stream").open("rb") as stream:
        argv = ("git", "fast-import", "--quiet")
        subprocess.run(argv, cwd=queue.here, env=environment(folder), stdin=stream, check=True)
    claim(queue)
    queue.git("clone", "-q", "--bare", "--shared", str(queue.here), str(folder / "there.git"))
    share(queue)
    return queue


def claim(queue: Queue) -> None:
    """Let runners on another machine hold some tasks."""
    empty = queue.git("hash-object", "-w", "-t", "tree", "--stdin")
    for number in range(READY, READY + CLAIMED):
        task = task_id(number)
        said = (
            f'{{"v": 1, "task": "{task}", "run": "01m7y77q5k1yq88yet2nnypnht", "runner": "r",'
            ' "host": "elsewhere", "boot": "b", "pid_ns": "n", "pid": 1, "pid_start": 1,'
            f' "epoch": 1, "lease_s": 86400, "base": "x", "nonce": "{number}"}}'
        )
        oid = queue.git("commit-tree", "-m", f"claim {task}\n\n{said}", empty)
        queue.git("update-ref", f"refs/gitagent/claims/{task}", oid)


def share(queue: Queue) -> None:
    """Make a clone that has a remote, where the same tasks are claimed, and as many have landed."""
    shutil.copytree(queue.here, queue.shared, symlinks=True)
    queue.git("config", "gitagent.remote", "origin", cwd=queue.shared)
    record = (
        '{"outcome": "succeeded", "integrate": "report", "waiting_for": null, "not_before": null}'
    )
    blob = queue.git("hash-object", "-w", "--stdin", cwd=queue.shared, stdin=record.encode())
    line = f"100644 blob {blob}\trecord.json\n".encode()
    tree = queue.git("mktree", cwd=queue.shared, stdin=line)
    for number in range(READY, READY + CLAIMED):
        claimed = queue.git("rev-parse", f"refs/gitagent/claims/{task_id(number)}")
        ref = "refs/gitagent/r/claims/"
        queue.git("update-ref", f"{ref}{task_id(number)}", claimed, cwd=queue.shared)
        task = task_id(number + CLAIMED)
        message = f"landed {task}\n\n{{}}"
        oid = queue.git("commit-tree", "-p", claimed, "-m", message, tree, cwd=queue.shared)
        queue.git("update-ref", f"{ref}{task}", oid, cwd=queue.shared)


def measure(queues: list[Queue], rounds: int) -> None:
    """Measure every figure, in turns."""
    steps: list[Callable[[Queue], object]] = [
        lambda queue: queue.measure("pass", (sys.executable, "-c", "pass")),
        lambda queue: queue.measure("pygit2", (sys.executable, "-c", "import pygit2")),
        *(lambda queue, what=what: queue.measure(f"unchanged {what[0]}", (*GITAGENT, *what))
          for what in (NEXT, LIST)),
        lambda queue: queue.measure("unchanged shared", (*GITAGENT, *LIST), queue.shared),
        *(lambda queue, what=what: changed(queue, what[0], what, queue.here)
          for what in (NEXT, LIST)),
        lambda queue: changed(queue, "shared", LIST, queue.shared),
    ]  # fmt: skip
    for number in range(rounds + 1):
        for queue in queues:
            for step in steps:
                step(queue)
        if number == 0:  # the first round warms caches, and remembers what `next` would do
            for queue in queues:
                queue.times.clear()
                queue.peak = 0


def changed(queue: Queue, name: str, what: tuple[str, ...], clone: Path) -> None:
    """Measure a read after one change by another clone."""
    queue.change(clone)
    queue.measure(f"changed {name}", (*GITAGENT, *what), clone)


def write(queue: Queue, times: int) -> None:
    """Measure `add`."""
    for number in range(times):
        queue.measure("add", (*GITAGENT, "add", f"One more {number}"))


def rebuild(queue: Queue) -> None:
    """Measure a read without an index, and what cannot be had for less."""
    git_dir = queue.here / ".git"
    (git_dir / "gitagent" / "index.db").unlink()
    queue.measure("cold", (*GITAGENT, *LIST))
    queue.measure("parse", (sys.executable, "-c", PARSE, str(git_dir)))


def slope(queues: list[Queue], name: str) -> float:
    """Return the exponent of growth between the smallest and the largest queue."""
    small, large = queues[0], queues[-1]
    grown = math.log(large.median(name) / small.median(name))
    return grown / math.log(large.size / small.size)


def bounds(queues: list[Queue]) -> Iterator[Bound]:
    """Yield every figure that has a bound."""
    for queue in queues:
        for what in READS:
            same, other = queue.median(f"unchanged {what}"), queue.median(f"changed {what}")
            of = f"{what}, {queue.size:,} tasks"
            yield Bound(f"unchanged / python -c pass: {of}", 5.0, same / queue.median("pass"))
            yield Bound(f"unchanged / import pygit2: {of}", 0.65, same / queue.median("pygit2"))
            yield Bound(f"changed / import pygit2: {of}", 0.8, other / queue.median("pygit2"))
        yield Bound(f"peak memory of a read in MiB, {queue.size:,} tasks", 64.0, queue.peak / 1024)
    if len(queues) > 1:
        for what in READS:
            yield Bound(f"growth, unchanged: {what}", 0.05, slope(queues, f"unchanged {what}"))
            yield Bound(f"growth, changed: {what}", 0.10, slope(queues, f"changed {what}"))
    written = [queue for queue in queues if "add" in queue.times]
    if len(written) > 1:
        yield Bound("growth, one write", 0.3, slope(written, "add"))
    cold = queues[-1]
    if "cold" in cold.times:
        ratio = cold.median("cold") / cold.median("parse")
        yield Bound(f"cold rebuild / reading and parsing: {cold.size:,} tasks", 1.3, ratio)


def report(queues: list[Queue]) -> bool:
    """Print the table, and say whether every bound holds."""
    names = list(dict.fromkeys(name for queue in queues for name in queue.times))
    print(f"{'median ms':<18}" + "".join(f"{queue.size:>10,}" for queue in queues))
    for name in names:
        cells = [f"{q.median(name):.1f}" if name in q.times else "" for q in queues]
        print(f"{name:<18}" + "".join(f"{cell:>10}" for cell in cells))
    print()
    found = list(bounds(queues))
    for each in found:
        word = "ok    " if each.holds else "BROKEN"
        print(f"{word} {each.found:8.3f} of {each.most:5.2f}  {each.name}")
    return all(each.holds for each in found)


def main() -> int:
    """Make the queues, measure, and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="10,1000,10000,100000", help="tasks of each queue")
    parser.add_argument("--rounds", type=int, default=15, help="measurements of each read")
    arguments = parser.parse_args()
    sizes = sorted(int(size) for size in arguments.sizes.split(","))
    folder = Path(tempfile.mkdtemp(prefix="gitagent-reads-"))
    try:
        queues = [make(folder / str(size), size) for size in sizes]
        measure(queues, arguments.rounds)
        for queue in queues:
            if queue.size >= WRITTEN:
                write(queue, 5)
            if queue.size >= REBUILT:
                rebuild(queue)
        return 0 if report(queues) else 1
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
