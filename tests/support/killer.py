"""Killing, stopping and cutting off runners, and what must be true afterwards."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from support.fleet import Fleet, Runner
from support.history import Move
from support.servers import Folder
from support.story import Person, Repo

_BETWEEN = Path(__file__).with_name("git_between.py")
_REAL = shutil.which("git") or "git"


def stand_between(person: Person, **settings: object) -> Path:
    """Let this person's `git` be `git_between.py` for every call of a remote; return its folder.

    What it costs others is a millisecond of `sh`. An earlier one is replaced.
    """
    folder = person.home / "between"
    folder.mkdir(exist_ok=True)
    file = folder / "settings.json"
    file.with_suffix(".count").unlink(missing_ok=True)
    file.write_text(json.dumps({"git": _REAL, **settings}))
    script = f"""#!/bin/sh
for word; do
  case $word in
    push|fetch|ls-remote) exec {sys.executable} -I -S {_BETWEEN} {file} "$@" ;;
    -c|-*|*=*) ;;
    *) exec {_REAL} "$@" ;;
  esac
done
exec {_REAL} "$@"
"""
    (folder / "git").write_text(script)
    (folder / "git").chmod(0o755)
    person.variables["PATH"] = f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    return folder


def stand_aside(person: Person) -> None:
    """Give a person the real `git` again."""
    person.variables.pop("PATH", None)


def family(pid: int) -> list[psutil.Process]:
    """Return a process and all that descends from it; empty when it is over."""
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    return []


def send(runner: Runner, number: signal.Signals, *, whole: bool) -> None:
    """Send a signal to a runner's own process, or to its git and agent too."""
    if runner.process.poll() is not None:
        return
    if not whole:
        runner.process.send_signal(number)
        return
    for each in family(runner.process.pid):
        with suppress(psutil.NoSuchProcess):
            each.send_signal(number)


def end(runners: Iterable[Runner]) -> None:
    """Kill what still runs of these, whole families."""
    for runner in runners:
        send(runner, signal.SIGKILL, whole=True)
        runner.process.wait(30)


def left_over(folder: Path) -> list[str]:
    """Return the processes of people whose homes are in `folder`."""
    found = []
    for process in _of(folder):
        with suppress(psutil.Error):
            found.append(" ".join(process.cmdline()))
    return found


def kill_left_over(folder: Path) -> None:
    """Kill the processes of people whose homes are in `folder`."""
    for process in _of(folder):
        with suppress(psutil.Error):
            process.kill()


def _of(folder: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("HOME", "").startswith(f"{folder}/"):
                yield process


def kill_pushes(server: Folder, chance: random.Random, fraction: float) -> int:
    """Kill some of the processes that take a push on the server's side; return how many."""
    killed = 0
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            argv = process.cmdline()
            takes = "receive-pack" in " ".join(argv[:2]) and str(server.path) in argv
            if takes and chance.random() < fraction:
                process.kill()
                killed += 1
    return killed


def keep_working(
    fleet: Fleet,
    arguments: Sequence[str],
    disturb: Callable[[list[Runner]], None],
    *,
    tasks: int,
    patience: float,
) -> bool:
    """Let every clone work, restarting what ends, until all is recorded; `disturb` comes along.

    Returns whether all was done within `patience` seconds.
    """
    working: dict[Path, Runner] = {}
    deadline = time.monotonic() + patience
    looked = 0.0
    try:
        while True:
            for repo in fleet.clones:
                if repo.path not in working or working[repo.path].process.poll() is not None:
                    working[repo.path] = fleet.start(repo, *arguments)
            disturb(list(working.values()))
            if time.monotonic() - looked > 1:
                if len(recorded_tasks(fleet.server)) >= tasks:
                    return True
                if time.monotonic() > deadline:
                    return False
                looked = time.monotonic()
    finally:
        end(working.values())


def recorded_tasks(server: Folder) -> Counter[str]:
    """Return how many runs each task has in the server's tasks branch."""
    listed = server.git("ls-tree", "-r", "--name-only", "refs/heads/gitagent/tasks", "runs/")
    return Counter(line.split("/")[2] for line in listed.splitlines())


def unhealthy(repos: Iterable[Repo], server: Folder) -> list[str]:
    """Return what `git fsck --strict` says against the server and the clones."""
    said = []
    for repo in repos:
        done = repo.person.run("git", "fsck", "--strict", "--no-dangling", cwd=repo.path)
        said += [f"{repo.path}: {done.out}{done.err}"] if done.code or done.out else []
    done = next(iter(repos)).person.run(
        "git", f"--git-dir={server.path}", "fsck", "--strict", "--no-dangling", cwd=server.path
    )
    return [*said, *([f"{server.path}: {done.out}{done.err}"] if done.code or done.out else [])]


def locks(git_dir: Path, older_than: float = -1.0) -> list[Path]:
    """Return every lock and quarantine below a git dir that has not changed for some seconds."""
    found = [*(git_dir / "refs").rglob("*.lock"), *git_dir.glob("*.lock")]
    found += (git_dir / "objects").glob("tmp_objdir-incoming-*")
    return sorted(each for each in found if _age(each) > older_than)


def _age(path: Path) -> float:
    with suppress(FileNotFoundError):
        return time.time() - path.stat().st_mtime
    return float("-inf")


def remove_all(paths: Iterable[Path]) -> None:
    """Remove files and folders."""
    for each in paths:
        if each.is_dir():
            shutil.rmtree(each, ignore_errors=True)
        else:
            each.unlink(missing_ok=True)


def claims_by_commit(server: Folder, moves: Iterable[Move]) -> dict[str, dict[str, Any]]:
    """Return what every value that a claim ref ever had says, for `history.broken_rules`."""
    oids = {oid for move in moves for oid in (move.old, move.new) if oid}
    found = {}
    for oid in sorted(oids):
        message = server.git("log", "-1", "--format=%B", oid)
        word, _, body = message.partition("\n\n")
        found[oid] = {"kind": word.split(" ")[0], **json.loads(body)}
        found[oid].setdefault("continues", None)
    return found


@contextmanager
def away(server: Folder) -> Iterator[None]:
    """Take a folder remote away for the length of the block."""
    hidden = server.path.with_name(f"{server.path.name}.away")
    server.path.rename(hidden)
    try:
        yield
    finally:
        hidden.rename(server.path)


def succeeded(records: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """Return how often each task was done."""
    return Counter(each["task"] for each in records if each["outcome"] == "succeeded")
