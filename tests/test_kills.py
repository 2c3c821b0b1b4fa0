"""Kills of runners and of the server's side (SECURITY F8), as a sample and in full (`-m long`)."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from support.faults import (
    WORK,
    Disturb,
    Size,
    chance_of,
    check_all_done,
    named,
    sizes,
)
from support.fleet import Fleet, Runner
from support.killer import (
    keep_working,
    kill_left_over,
    kill_pushes,
    left_over,
    locks,
    remove_all,
    send,
    stand_aside,
    stand_between,
)
from support.servers import Folder, folder, http, make_old
from support.waiting import eventually


@pytest.fixture(autouse=True)
def nothing_goes_on(tmp_path: Path) -> Iterator[None]:
    """Kill what a test that failed left running or stopped."""
    yield
    kill_left_over(tmp_path)


def revive(fleet: Fleet) -> None:
    """Do what people do after a crash: in each clone `doctor --fix`, and then it must work.

    The locks of killed pushes on a folder remote are aged first: ten minutes pass.
    """
    for each in locks(fleet.server.path):
        make_old(each, 700)
    fleet.seed.call("doctor", "--fix")
    assert locks(fleet.server.path) == []
    for repo in fleet.clones:
        began = time.monotonic()
        said = repo.call("sync", timeout=60)
        assert said.code == 0, said.err
        assert time.monotonic() - began < 45, said.err


def killer(chance: random.Random, counts: Counter[str], server: Folder, most: int) -> Disturb:
    """Return what kills runners at random, whole or not, and on a folder the server's side."""

    def disturb(runners: list[Runner]) -> None:
        time.sleep(chance.uniform(0.02, 0.5))
        if counts["runners"] >= most:
            return
        whole = chance.random() < 0.5
        send(chance.choice(runners), signal.SIGKILL, whole=whole)
        counts["runners"] += 1
        counts["pushes"] += kill_pushes(server, chance, 0.5) if chance.random() < 0.3 else 0

    return disturb


@sizes(
    Size(clones=4, tasks=8, times=20),
    Size(clones=8, tasks=600, times=500),
    mode=["branch", "commit"],
)
def test_kills_at_any_moment_lose_nothing(tmp_path: Path, size: Size, mode: str) -> None:
    """`times` runners are killed; the rounds are of 40 tasks."""
    with folder(tmp_path / "hub.git") as server:
        fleet = Fleet.create(tmp_path, server, size.clones, lease=60)
        chance, counts, done = chance_of(size), Counter[str](), 0
        arguments = ("next", "--all", "--json", "--integrate", mode, "--command", WORK)
        while done < size.tasks and (done == 0 or counts["runners"] < size.times):
            some = min(40, size.tasks)
            fleet.fill([{"title": f"Task {each}"} for each in range(some)])
            done += some
            most = counts["runners"] + min(40, size.times)
            disturb = killer(chance, counts, server, most)
            work_through(fleet, arguments, disturb, tasks=done)
        eventually(lambda: left_over(tmp_path) == [])
        check_all_done(fleet, done, "done" if mode == "commit" else "in_review")
        if mode == "commit":
            check_base(fleet, done)
        print(
            f"F8: {mode}: {counts['runners']} kills of runners and {counts['pushes']} of the "
            f"server's side over {done} tasks: each done once, fsck clean, no lock left"
        )


def work_through(fleet: Fleet, arguments: Sequence[str], disturb: Disturb, *, tasks: int) -> None:
    """Let the fleet work and be disturbed, in turns with a look at what was left behind."""
    for _ in range(20):
        over = keep_working(fleet, arguments, disturb, tasks=tasks, patience=40)
        revive(fleet)
        if over:
            return
    pytest.fail("the queue was not drained")


def check_base(fleet: Fleet, tasks: int) -> None:
    """Check that each task is on the base once."""
    log = fleet.server.git("log", "--format=%(trailers:key=Gitagent-Task,valueonly)", "main")
    assert Counter(log.split()) == dict.fromkeys(fleet.tasks(), 1)


STEPS = [(at, moment) for at in range(1, 12) for moment in ("before", "during", "after")]


@sizes(
    Size(clones=2, tasks=0, times=4),
    Size(clones=2, tasks=0, times=3 * len(STEPS)),
    mode=["commit", "branch"],
)
def test_a_kill_in_each_step_of_claim_landing_and_fold_loses_nothing(
    tmp_path: Path, size: Size, mode: str
) -> None:
    """The N-th call of the remote is not made, or broken off, or made but not heard of."""
    with folder(tmp_path / "hub.git") as server:
        fleet = Fleet.create(tmp_path, server, size.clones, lease=60)
        victim, other = fleet.clones
        chance = chance_of(size)
        steps = chance.sample(STEPS, size.times) if size.times < len(STEPS) else STEPS * 3
        arguments = ("next", "--json", "--integrate", mode, "--command", WORK)
        killed = 0
        for at, moment in steps:
            fleet.fill([{"title": f"Killed {moment} call {at}"}])
            kill = {"at": at, "moment": moment, "delay": chance.uniform(0, 0.03)}
            stand_between(victim.person, kill=kill)
            killed += fleet.start(victim, *arguments).process.wait(60) == -signal.SIGKILL
            stand_aside(victim.person)
            eventually(lambda: left_over(tmp_path) == [])
            revive(fleet)
            assert fleet.start(other, *arguments).process.wait(60) == 0
            victim.gitagent("sync")
        check_all_done(fleet, len(steps), "done" if mode == "commit" else "in_review")
        if mode == "commit":
            check_base(fleet, len(steps))
        assert killed > len(steps) / 2
        print(f"F8: {mode}: {killed} kills in chosen steps of claim, landing and fold: done once")


@sizes(Size(clones=3, tasks=8), Size(clones=8, tasks=200))
def test_a_server_killed_while_it_takes_pushes_loses_nothing(tmp_path: Path, size: Size) -> None:
    with http(tmp_path / "hub.git") as server:
        fleet = Fleet.create(tmp_path, server, size.clones, lease=60)
        fleet.fill(named(size.tasks))
        server.faults(kill=0.2, kill_within=0.05, seed=size.seed)
        arguments = ("next", "--all", "--json", "--integrate", "report", "--command", "true")

        def host(_: list[Runner]) -> None:
            """Mend, as a hosted server does, what is left once nobody can still be at it."""
            time.sleep(0.2)
            remove_all(locks(server.path, older_than=2))

        assert keep_working(fleet, arguments, host, tasks=size.tasks, patience=60 + 5 * size.tasks)
        killed = server.counts()["killed"]
        server.faults()
        eventually(lambda: left_over(tmp_path) == [])
        remove_all(locks(server.path))
        check_all_done(fleet, size.tasks)
        assert killed > 0
        print(f"F8: the server's side of {killed} pushes killed: {size.tasks} tasks done once each")
