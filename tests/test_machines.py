"""Machines with networks of their own drain one queue, while one of them is cut off."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from support.fleet import Fleet, doubles
from support.machines import Machine, site
from support.servers import Folder
from support.story import PYTHON, Repo
from support.waiting import eventually

LEASE = 8


def clone(fleet: Fleet, folder: Path, machine: Machine) -> Repo:
    """Return a clone that reaches the server by the machine's own line; made while it is whole."""
    repo = fleet.clone(folder, machine.name, LEASE)
    repo.git("remote", "set-url", "origin", machine.url)
    return repo


def start(machine: Machine, repo: Repo, *arguments: str) -> subprocess.Popen[bytes]:
    """Start `gitagent` on a machine; its output goes to files in the person's home."""
    with (
        (repo.person.home / "out").open("wb") as out,
        (repo.person.home / "err").open("wb") as err,
    ):
        return subprocess.Popen(
            [*machine.prefix, PYTHON, "-m", "gitagent", *arguments],
            cwd=repo.path,
            env=repo.person.environment(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )


def drained(tmp_path: Path, count: int, tasks: int) -> tuple[str, Fleet, list[Repo], list[int]]:
    """Drain a queue on `count` machines; the first is cut off while it works, for a while."""
    with site(tmp_path / "hub.git", count) as here:
        fleet = Fleet.create(tmp_path, here.server, 0, lease=LEASE)
        fleet.fill([{"key": f"t{n}", "title": f"Task {n}"} for n in range(tasks)])
        repos = [clone(fleet, tmp_path, machine) for machine in here.machines]
        sign, go = tmp_path / "sign", tmp_path / "go"
        held = f"touch {sign}; until [ -e {go} ]; do sleep 0.1; done"
        first, *others = here.machines
        how = ("next", "--json", "--integrate", "report", "--command")
        cut_off = start(first, repos[0], *how, held)
        eventually(sign.exists)
        first.cut()
        running = [
            start(machine, repo, *how, "sleep 0.1", "--all")
            for machine, repo in zip(others, repos[1:], strict=True)
        ]
        codes = [each.wait(110) for each in running]
        first.mend()
        go.touch()
        codes.append(cut_off.wait(60))
        said = (repos[0].person.home / "out").read_text()
        eventually(lambda: start(first, repos[0], "sync").wait(60) == 0)
        (repos[0].person.home / "out").write_text(said)
        return here.kind, fleet, repos, codes


def judge(fleet: Fleet, repos: list[Repo], codes: list[int], tasks: int) -> Counter[str]:
    """Assert that everything was done once, and return how many each runner did."""
    found, records = fleet.tasks(), fleet.recorded()
    assert {task["status"] for task in found.values()} == {"done"}
    assert doubles(records) == []
    assert len(records) == tasks
    assert codes == [0] * (len(codes) - 1) + [1]
    # It lost the claim; or, cut off for so long, it stopped by itself and could not even ask.
    said = json.loads((repos[0].person.home / "out").read_text())
    assert said.get("outcome") == "lost_claim" or "kept here" in said["error"]["message"]
    assert max(each["epoch"] for each in records) == 2
    assert isinstance(fleet.server, Folder)
    return Counter(each["runner"] for each in records)


def test_two_machines_one_of_them_cut_off(tmp_path: Path) -> None:
    kind, fleet, repos, codes = drained(tmp_path, 2, 5)

    shares = judge(fleet, repos, codes, 5)

    print(f"F7 two machines ({kind}): 5 tasks, each once, {dict(shares)} by runner")


@pytest.mark.long
def test_four_machines_one_of_them_cut_off(tmp_path: Path) -> None:
    kind, fleet, repos, codes = drained(tmp_path, 4, 40)

    shares = judge(fleet, repos, codes, 40)

    assert len(shares) == 3
    print(f"F7 four machines ({kind}): 40 tasks, each once, {dict(shares)} by runner")
