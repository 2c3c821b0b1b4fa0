"""What dead processes leave behind (SECURITY F11): healed if it is ours, else only named."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.faults import (
    CLAIMS,
    TASKS,
    WORK,
    named,
)
from support.fleet import Fleet
from support.killer import (
    end,
    kill_left_over,
    locks,
)
from support.servers import Folder, folder, make_old
from support.story import Repo
from support.waiting import eventually


@pytest.fixture(autouse=True)
def nothing_goes_on(tmp_path: Path) -> Iterator[None]:
    """Kill what a test that failed left running or stopped."""
    yield
    kill_left_over(tmp_path)


def test_a_fetch_that_was_killed_blocks_its_clone_for_ten_seconds_at_most(tmp_path: Path) -> None:
    with folder(tmp_path / "hub.git") as server:
        fleet = Fleet.create(tmp_path, server, 1)
        (repo,) = fleet.clones
        (task,) = fleet.fill(named(1)).values()
        left = [f"refs/gitagent/r/claims/{task}.lock", "refs/gitagent/r/tasks.lock"]
        for name in left:
            repo.write(f".git/{name}", "")
        began = time.monotonic()

        assert repo.gitagent("next", "--command", WORK) == f"gitagent/{task}"

        print(f"F11: locks of a killed fetch: healed after {time.monotonic() - began:.1f} s")
        assert locks(repo.path / ".git") == []


def foreign(repo: Repo) -> list[Path]:
    """Leave locks in a clone that may be a person's, old as they are."""
    names = ("index.lock", "HEAD.lock", "config.lock", "refs/heads/main.lock")
    files = [repo.write(f".git/{name}", "mine") for name in names]
    for each in files:
        make_old(each, 7000)
    return files


def test_f11_doctor_names_every_stale_lock_and_removes_only_ours(tmp_path: Path) -> None:
    with folder(tmp_path / "hub.git") as server:
        fleet = Fleet.create(tmp_path, server, 1)
        (repo,) = fleet.clones
        names = (
            "heads/gitagent/k3x9m",
            "gitagent/runs/x",
            "gitagent/r/tasks",
            "heads/gitagent/tasks",
        )
        ours = [repo.write(f".git/refs/{name}.lock", "") for name in names]
        theirs = [server.lock(name, 700) for name in ("packed-refs", f"{CLAIMS}k3x9m", TASKS)]
        theirs += [quarantine(server, number) for number in range(100)]
        for each in ours:
            make_old(each, 60)
        others = foreign(repo)

        said = repo.call("doctor")
        assert said.code == 1
        named_ours = [each for each in (*ours, *theirs) if str(each) in said.out]
        assert named_ours == [*ours, *theirs]

        fixed = repo.call("doctor", "--fix")
        assert [each for each in (*ours, *theirs) if each.exists()] == []
        assert [each for each in others if each.read_text() != "mine"] == []
        assert [each for each in others if str(each) not in fixed.out] == []
        for each in others:
            each.unlink()
        assert " lock " not in repo.call("doctor").out
        print(
            f"F11: {len(ours)} locks in a clone, {len(theirs)} in a folder remote healed, "
            f"{len(others)} foreign ones named and left alone"
        )


def quarantine(server: Folder, number: int) -> Path:
    """Leave what a killed `git receive-pack` leaves."""
    place = server.path / f"objects/tmp_objdir-incoming-{number:06}"
    (place / "pack").mkdir(parents=True)
    (place / "pack/tmp_pack").write_bytes(b"PACK")
    make_old(place, 700)
    return place


def test_f11_a_stale_packed_refs_lock_in_a_clone_is_named_and_healed(tmp_path: Path) -> None:
    with folder(tmp_path / "hub.git") as server:
        fleet = Fleet.create(tmp_path, server, 2)
        one, two = fleet.clones
        two.git("pack-refs", "--all")
        lock = two.write(".git/packed-refs.lock", "")
        make_old(lock, 700)

        assert str(lock) in two.call("doctor").out
        two.call("doctor", "--fix")

        assert not lock.exists()
        assert one.path.exists()


def test_f11_orphan_worktrees_are_named_and_removed(tmp_path: Path) -> None:
    with folder(tmp_path / "hub.git") as server:
        fleet = Fleet.create(tmp_path, server, 1)
        (repo,) = fleet.clones
        fleet.fill(named(1))
        there = tmp_path / "there"
        runner = fleet.start(repo, "next", "--command", f"{WORK}; touch {there}; sleep 60")
        eventually(there.exists)
        end([runner])
        slot = next((repo.person.home / ".cache/gitagent").glob("*/*"))

        assert repo.gitagent("next", "--command", WORK)

        left = repo.git("worktree", "list", "--porcelain").count("worktree ")
        print(f"F11: a killed run's worktree: {left - 1} left, its folder there: {slot.exists()}")
        assert repo.git("status", "--porcelain") == ""
