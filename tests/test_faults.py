"""Faults (SECURITY section 5, F1 to F7): each as a sample for CI, and in full (`-m long`)."""

from __future__ import annotations

import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support import history
from support.faults import (
    CLAIMS,
    TASKS,
    WORK,
    Size,
    chance_of,
    check_all_done,
    claims_in,
    knows,
    named,
    sizes,
    stop_in_the_middle,
)
from support.fleet import Fleet, Runner, doubles, jain
from support.killer import (
    away,
    claims_by_commit,
    end,
    keep_working,
    kill_left_over,
    left_over,
    send,
    stand_between,
)
from support.servers import Folder, Http, folder, http
from support.story import ROOT, Repo
from support.waiting import eventually


@pytest.fixture(autouse=True)
def nothing_goes_on(tmp_path: Path) -> Iterator[None]:
    """Kill what a test that failed left running or stopped."""
    yield
    kill_left_over(tmp_path)


@sizes(Size(clones=4, tasks=40), Size(clones=12, tasks=300))
def test_f1_every_task_is_done_once_whoever_asks(tmp_path: Path, size: Size) -> None:
    with folder(tmp_path / "hub.git") as server:
        fleet = Fleet.create(tmp_path, server, size.clones)
        fleet.fill(named(size.tasks))

        codes = fleet.drain("--integrate", "report", "--command", "true")

        assert set(codes) == {0}
        shares = [len(runner.records) for runner in fleet.runners]
        assert sum(shares) == size.tasks
        check_all_done(fleet, size.tasks)
        print(f"F1: {size.tasks} tasks, {size.clones} runners, 0 doubles, Jain {jain(shares):.2f}")


@sizes(Size(clones=3, tasks=12), Size(clones=8, tasks=200))
def test_f2_replies_lost_after_they_were_applied_fail_nothing(tmp_path: Path, size: Size) -> None:
    with http(tmp_path / "hub.git") as server:
        fleet = Fleet.create(tmp_path, server, size.clones, lease=60)
        fleet.fill(named(size.tasks))
        server.faults(drop=0.05, drop_others=0.05, refuse=0.02, seed=size.seed)

        fleet.drain("--integrate", "report", "--command", "true")

        counts = server.counts()
        server.faults()
        for repo in fleet.clones:
            repo.gitagent("sync")
        recorded = {record["run"] for record in fleet.recorded()}
        phantoms = [
            record
            for runner in fleet.runners
            for record in runner.records
            if record["outcome"] != "succeeded" and record["run"] in recorded
        ]
        assert set(fleet.drain("--integrate", "report", "--command", "true")) == {0}
        assert phantoms == []
        assert counts["dropped"] > 0
        check_all_done(fleet, size.tasks)
        print(
            f"F2: {counts['pushes']} pushes, {counts['dropped']} replies lost, "
            f"{counts['refused']} answered with 500: 0 doubles, 0 phantom failures"
        )


def chaos(chance: random.Random, calm: float) -> Any:
    """Return what kills some of the runners' own processes, and stops others past a lease."""
    stopped: dict[int, tuple[Runner, float]] = {}
    counts = {"killed": 0, "stopped": 0}

    def disturb(runners: list[Runner]) -> None:
        time.sleep(chance.uniform(0.2, 2 * calm))
        now = time.monotonic()
        for pid, (runner, until) in list(stopped.items()):
            if now > until:
                send(runner, signal.SIGCONT, whole=False)
                del stopped[pid]
        runner = chance.choice(runners)
        if runner.process.pid in stopped:
            return
        if chance.random() < 0.5:
            send(runner, signal.SIGKILL, whole=False)
            counts["killed"] += 1
        elif len(stopped) < len(runners) - 1:
            send(runner, signal.SIGSTOP, whole=False)
            stopped[runner.process.pid] = (runner, now + chance.uniform(1, 9))
            counts["stopped"] += 1

    disturb.counts = counts  # type: ignore[attr-defined]
    return disturb


@sizes(Size(clones=3, tasks=6), Size(clones=6, tasks=100), kind=["folder", "http"])
def test_f3_what_clones_saw_of_the_claims_is_linearizable(
    tmp_path: Path, size: Size, kind: str
) -> None:
    with {"folder": folder, "http": http}[kind](tmp_path / "hub.git") as server:
        fleet = Fleet.create(tmp_path, server, size.clones, lease=5)
        fleet.fill(named(size.tasks))
        before, moved = server.refs(), tmp_path / "moves"
        server.hook("reference-transaction", history.hook(moved))
        logs = [tmp_path / f"calls-{number}" for number in range(size.clones)]
        for repo, log in zip(fleet.clones, logs, strict=True):
            stand_between(repo.person, log=str(log))
        if isinstance(server, Http):
            server.faults(drop=0.05, drop_others=0.02, seed=size.seed)
        end([stop_in_the_middle(fleet, fleet.clones[0], tmp_path)])  # one takeover at least
        disturb = chaos(chance_of(size), 0.8)

        assert keep_working(
            fleet,
            ("next", "--all", "--json", "--integrate", "report", "--command",
             "sleep $(shuf -n 1 -e 0 0.5 1 3)"),
            disturb,
            tasks=size.tasks,
            patience=60 + 10 * size.tasks,
        )  # fmt: skip

        eventually(lambda: left_over(tmp_path) == [])
        if isinstance(server, Http):
            server.faults()
        ops = history.read_logs(logs, refusals_count=kind == "folder")
        wrong = [
            ref for ref, each in ops.items() if not history.is_linearizable(each, before.get(ref))
        ]
        assert wrong == []
        moves = [each for each in history.read_moves(moved) if each.ref.startswith(CLAIMS)]
        claims = claims_by_commit(server, moves)
        assert history.broken_rules(moves, claims) == []
        check_all_done(fleet, size.tasks)
        landings = [each for each in moves if each.new and claims[each.new]["kind"] == "landed"]
        takeovers = [
            each
            for each in moves
            if each.old and each.new and claims[each.old]["run"] != claims[each.new]["run"]
        ]
        assert takeovers != []
        seen = [op for each in ops.values() for op in each]
        unknown = sum(each.result is history.Result.UNKNOWN for each in seen)
        print(
            f"F3: {kind}: {len(seen)} operations on {len(ops)} refs ({unknown} without a reply), "
            f"{len(landings)} landings, {len(takeovers)} takeovers, {disturb.counts}: "
            "linearizable, no rule broken"
        )


@sizes(Size(clones=3, tasks=12), Size(clones=8, tasks=120), how=["rewound", "replaced", "deleted"])
def test_f4_a_tasks_branch_rewritten_during_work_is_noticed_by_all(
    tmp_path: Path, size: Size, how: str
) -> None:
    with folder(tmp_path / "hub.git") as server:
        fleet = Fleet.create(tmp_path, server, size.clones)
        fleet.fill(named(size.tasks))
        first = server.refs()[TASKS]
        command = ("next", "--all", "--json", "--integrate", "report", "--command", "sleep 0.3")
        fleet.seed.gitagent("next", *command[3:])  # what a rewind to `first` takes away
        runners = [fleet.start(repo, *command) for repo in fleet.clones]
        tip = server.refs()[TASKS]
        eventually(lambda: all(knows(repo, tip) for repo in fleet.clones))
        eventually(lambda: claims_in(server) != [])

        rewrite(server, first, how)

        codes = [runner.process.wait(90) for runner in runners]
        said = [runner.err.read_text() for runner in runners]
        assert all("on the remote; nothing was changed here" in each for each in said), said
        assert all("gitagent sync --restore" in each for each in said)
        assert 0 not in codes
        assert server.refs().get(TASKS) in (None, first, *server.refs().values())
        for repo in fleet.clones:
            assert repo.call("sync").code in (0, 2)
            repo.gitagent("sync", "--restore")
        fleet.seed.gitagent("sync", "--restore")
        assert set(fleet.drain(*command[2:])) == {0}
        check_all_done(fleet, size.tasks)
        print(f"F4: {how}: noticed by {len(codes)} of {len(codes)} runners, all brought back")


def rewrite(server: Folder, first: str, how: str) -> None:
    """Do to the tasks branch what nobody should."""
    if how == "deleted":
        server.git("update-ref", "-d", TASKS)
        return
    tree = server.git("rev-parse", f"{first}^{{tree}}")
    other = server.git(
        "-c", "user.name=M", "-c", "user.email=m@example.com", "commit-tree", "-m", "mine", tree
    )
    server.git("update-ref", TASKS, other if how == "replaced" else first)


def test_f4_a_claim_whose_queue_was_rewritten_at_that_moment_is_given_back(tmp_path: Path) -> None:
    with folder(tmp_path / "hub.git") as server:
        fleet = Fleet.create(tmp_path, server, 1)
        fleet.fill(named(1))
        deletes = f"case $r in {CLAIMS}*) git update-ref -d {TASKS} ;; esac"
        server.hook("post-receive", f"while read o n r; do {deletes}; done")

        said = fleet.clones[0].call("next", "--command", WORK)

        assert (said.code, "deleted on the remote" in said.err) == (2, True)
        assert claims_in(server) == []


def fake_time(shift: str, folder: Path) -> dict[str, str]:
    """Return the variables that let a process, and git, see a wrong wall clock.

    The monotonic clock stays right: no machine's goes wrong by a day.
    """
    if shutil.which("faketime") is None:
        pytest.skip("install faketime")
    said = subprocess.run(
        ["faketime", "-f", "+0", "env"], capture_output=True, text=True, check=True
    )
    library = next(line for line in said.stdout.splitlines() if line.startswith("LD_PRELOAD="))
    return {
        "LD_PRELOAD": library.partition("=")[2],
        "FAKETIME": shift,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "PYTHONPATH": f"{_working_sleep(folder)}:{ROOT / 'src'}",
    }


def _working_sleep(folder: Path) -> Path:
    """Return a folder for PYTHONPATH: libfaketime 0.9.10 breaks `clock_nanosleep` (EINVAL)."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(
        "import threading, time\ntime.sleep = lambda seconds: threading.Event().wait(seconds)\n"
    )
    return folder


SHIFTS = ("+24h", "-24h", "+24h x2", "-24h x0.5")
LEASE = 6


@sizes(Size(clones=4, tasks=8, times=1), Size(clones=16, tasks=200, times=6))
def test_f5_wrong_clocks_change_nothing(tmp_path: Path, size: Size) -> None:
    with http(tmp_path / "hub.git") as server:
        fleet = Fleet.create(tmp_path, server, size.clones, lease=LEASE)
        fleet.fill(named(size.tasks))
        moved = tmp_path / "moves"
        server.hook("reference-transaction", history.hook(moved))
        for number, repo in enumerate(fleet.clones):
            repo.person.variables.update(fake_time(SHIFTS[number % len(SHIFTS)], tmp_path / "site"))
        held = [stop_in_the_middle(fleet, repo, tmp_path) for repo in fleet.clones[: size.times]]

        rest = [
            fleet.start(repo, "next", "--all", "--integrate", "report", "--command", "true")
            for repo in fleet.clones[size.times :]
        ]  # fmt: skip
        codes = [runner.process.wait(600) for runner in rest]
        for runner in held:
            runner.process.send_signal(signal.SIGCONT)
        lost = [runner.process.wait(120) for runner in held]

        assert set(codes) == {0}
        assert set(lost) == {1}
        assert {runner.records[0]["outcome"] for runner in held} == {"lost_claim"}
        for repo in fleet.clones:
            repo.person.variables.clear()
        check_all_done(fleet, size.tasks, clocks_agree=False)
        waits = takeover_waits(server, moved)
        assert len(waits) == size.times
        assert min(waits) >= LEASE - 0.1
        assert max(waits) < 5 * LEASE
        print(
            f"F5: clocks {', '.join(SHIFTS)}: 0 doubles, {len(waits)} takeovers "
            f"{min(waits):.1f} to {max(waits):.1f} s after the last sign of life (lease {LEASE} s)"
        )


def takeover_waits(server: Folder, moved: Path) -> list[float]:
    """Return for how long each claim that was taken over had stood still."""
    moves = [each for each in history.read_moves(moved) if each.ref.startswith(CLAIMS)]
    claims = claims_by_commit(server, moves)
    since = {each.new: each.at for each in moves if each.new}
    return [
        each.at - since[each.old]
        for each in moves
        if each.old and each.new and claims[each.old]["run"] != claims[each.new]["run"]
    ]


@sizes(Size(clones=5, tasks=0, times=1), Size(clones=8, tasks=0, times=25))
def test_f6_a_runner_stopped_past_its_lease_lands_nothing(tmp_path: Path, size: Size) -> None:
    with http(tmp_path / "hub.git") as server:
        fleet = Fleet.create(tmp_path, server, size.clones + 1, lease=5)
        *slow, taker = fleet.clones
        chance, lost, landed = chance_of(size), 0, 0
        for _ in range(size.times):
            fleet.fill([{"title": f"Task {each}"} for each in range(size.clones)])
            runners = [stop_somewhere(fleet, repo, tmp_path, chance) for repo in slow]
            quick = ("next", "--all", "--json", "--command", "echo quick > quick.txt")
            assert fleet.start(taker, *quick).process.wait(110) == 0
            for runner in runners:
                send(runner, signal.SIGCONT, whole=True)
                runner.process.wait(60)
            recorded = {record["run"] for record in fleet.recorded()}
            for runner in runners:
                for record in runner.records:
                    came_through = record["outcome"] == "succeeded"
                    assert came_through == (record["run"] in recorded), record
                    assert came_through or is_kept(runner, record), record
                    landed, lost = landed + came_through, lost + (not came_through)
        check_all_done(fleet, size.times * size.clones, "in_review")
        assert lost > 0
        print(
            f"F6: {size.times * size.clones} runners stopped past the lease: {lost} woke and "
            f"landed nothing, {landed} had landed before, 0 doubles"
        )


def stop_somewhere(fleet: Fleet, repo: Repo, folder: Path, chance: random.Random) -> Runner:
    """Stop a runner while its agent works, or at any moment; all of it, or only its process."""
    whole = chance.random() < 0.5
    if chance.random() < 0.6:
        return stop_in_the_middle(fleet, repo, folder, whole=whole)
    runner = fleet.start(repo, "next", "--json", "--command", WORK)
    time.sleep(chance.uniform(0.3, 3))
    send(runner, signal.SIGSTOP, whole=whole)
    return runner


def is_kept(runner: Runner, record: dict[str, Any]) -> bool:
    """Say whether a run that lost its claim says so, and its work is in its clone."""
    kept = runner.repo.person.run(
        "git", "rev-parse", f"refs/gitagent/runs/{record['run']}^{{commit}}", cwd=runner.repo.path
    )
    said = re.search(r"was lost: run \w{26} ", record["reason"])
    return kept.code == 0 and record["outcome"] == "lost_claim" and said is not None


TICKS = "while :; do date +%s.%N >> {ticks}; echo more >> paid.txt; sleep 0.05; done"


@sizes(
    Size(clones=1, tasks=1),
    Size(clones=1, tasks=1, times=60),
    how=["is silent", "is gone", "refuses"],
)
def test_f7_paid_work_ends_within_a_lease_of_being_cut_off(
    tmp_path: Path, size: Size, how: str
) -> None:
    lease, ticks = max(12, size.times), tmp_path / "ticks"
    with http(tmp_path / "hub.git") as server:
        fleet = Fleet.create(tmp_path, server, size.clones, lease=lease)
        (task,) = fleet.fill(named(size.tasks)).values()
        (repo,) = fleet.clones
        runner = fleet.start(repo, "next", "--json", "--command", TICKS.format(ticks=ticks))
        eventually(ticks.exists)
        cut = time.time()
        with cut_off(server, how):
            runner.process.wait(100 + 3 * lease)
            worked = float(ticks.read_text().split()[-1]) - cut

        assert worked <= lease
        assert repo.git("for-each-ref", "--format=x", "refs/gitagent/runs/") == "x"
        repo.gitagent("sync")
        (record,) = fleet.recorded()
        assert record["outcome"] == "interrupted"
        assert fleet.seed.gitagent("sync", code=0) == ""
        assert fleet.seed.status(task) == "open"
        check_no_claims(fleet)
        print(f"F7: the remote {how}: paid work ended after {worked:.1f} s (lease {lease} s)")


@contextmanager
def cut_off(server: Http, how: str) -> Iterator[None]:
    """Let a remote not be there, answer with an error, or not answer at all."""
    if how == "is gone":
        with away(server):
            yield
        return
    server.faults(**({"refuse": 1.0, "status": 503} if how == "refuses" else {"delay": 3600.0}))
    try:
        yield
    finally:
        server.faults()


def check_no_claims(fleet: Fleet) -> None:
    assert claims_in(fleet.server) == []
    assert doubles(fleet.recorded()) == []


@sizes(Size(clones=2, tasks=1, times=1), Size(clones=2, tasks=1, times=20))
def test_f7_what_was_taken_over_meanwhile_is_not_done_twice(tmp_path: Path, size: Size) -> None:
    path = tmp_path / "hub.git"
    with http(path) as server, http(path) as other:
        fleet = Fleet.create(tmp_path, server, size.clones, lease=5)
        cut, free = fleet.clones
        cut.git("remote", "set-url", "origin", other.url)
        for number in range(size.times):
            go = tmp_path / f"go-{number}"
            fleet.fill(named(1, number))
            waits = f"echo cut > cut.txt; until [ -e {go} ]; do sleep 0.05; done"
            slow = fleet.start(cut, "next", "--json", "--command", waits)
            eventually(lambda: claims_in(server) != [])
            other.faults(refuse=1.0)
            quick = ("next", "--all", "--command", "echo free > free.txt")
            assert fleet.start(free, *quick).process.wait(60) == 0
            go.touch()
            slow.process.wait(60)
            other.faults()
            cut.gitagent("sync")
            assert cut.git("for-each-ref", "--format=x", "refs/gitagent/landings/") == ""
        check_all_done(fleet, size.times, "in_review")
        print(f"F7: {size.times} runs cut off and taken over: done once each")
