"""Stacked tasks: started from an offer, and put on top of it again when it changes."""

from __future__ import annotations

import pytest

from support.story import Repo

CONFIG = "version: 1\nverify: [test -e ground.txt]\n"
GROUND = "echo one > ground.txt"
TOP = "cat ground.txt > top.txt; echo top >> top.txt"


@pytest.fixture
def repo(repo: Repo) -> Repo:
    repo.write("gitagent.yaml", CONFIG)
    repo.commit("first")
    repo.gitagent("init")
    return repo


def stacked(repo: Repo) -> tuple[str, str]:
    """Add two tasks, the second one stacked on the first; return their ids."""
    ground = repo.gitagent("add", "Ground")
    top = repo.gitagent("add", "Top", "--needs", ground, "--stack")
    return ground, top


def test_a_stacked_task_starts_from_the_offer_of_what_it_needs(repo: Repo) -> None:
    ground, top = stacked(repo)
    assert [each["id"] for each in repo.json("list", "--ready")] == [ground]
    repo.gitagent("next", "--command", GROUND)
    assert [each["id"] for each in repo.json("list", "--ready")] == [top]

    assert repo.gitagent("next", "--command", TOP) == f"gitagent/{top}"

    assert repo.git("rev-parse", f"gitagent/{top}^") == repo.git("rev-parse", f"gitagent/{ground}")
    assert repo.git("show", f"gitagent/{top}:top.txt") == "one\ntop"


def test_an_offer_is_put_on_top_again_and_verified_again_when_its_ground_changes(
    repo: Repo,
) -> None:
    ground, top = stacked(repo)
    repo.gitagent("next", "--command", GROUND)
    repo.gitagent("next", "--command", TOP)
    repo.gitagent("reject", ground, "--because", "not like this")
    repo.gitagent("run", ground, "--command", "echo two > ground.txt; echo > more.txt")

    assert repo.gitagent("next", "--command", "false") == f"gitagent/{top}"

    assert repo.git("rev-parse", f"gitagent/{top}^") == repo.git("rev-parse", f"gitagent/{ground}")
    files = repo.git("ls-tree", "--name-only", f"gitagent/{top}").split()
    assert files == ["gitagent.yaml", "ground.txt", "more.txt", "top.txt"]
    assert repo.git("show", f"gitagent/{top}:ground.txt") == "two"
    assert repo.record(top)["verified"]


def test_work_that_conflicts_with_its_changed_ground_is_done_anew(repo: Repo) -> None:
    ground, top = stacked(repo)
    repo.gitagent("next", "--command", GROUND)
    repo.gitagent("next", "--command", "echo mine > ground.txt")
    repo.gitagent("reject", ground, "--because", "not like this")
    repo.gitagent("run", ground, "--command", "echo two > ground.txt")

    repo.gitagent("next", "--command", "echo again >> ground.txt")

    assert repo.git("show", f"gitagent/{top}:ground.txt") == "two\nagain"


def test_a_stack_is_accepted_from_the_ground_up(repo: Repo) -> None:
    ground, top = stacked(repo)
    repo.gitagent("next", "--command", GROUND)
    repo.gitagent("next", "--command", TOP)

    said = repo.call("accept", top)
    assert said.code == 2
    assert f"{top} stands on {ground}, which is not accepted yet" in said.err

    repo.gitagent("accept", ground)
    repo.gitagent("accept", top)
    assert repo.git("show", "main:top.txt") == "one\ntop"
    assert repo.git("log", "--format=%s", "main").splitlines() == ["Top", "Ground", "first"]


def test_a_task_that_stands_on_two_offers_waits_for_one_of_them(repo: Repo) -> None:
    one, two = repo.gitagent("add", "One"), repo.gitagent("add", "Two")
    top = repo.gitagent("add", "Top", "--needs", one, "--needs", two, "--stack")
    repo.gitagent("next", "--command", "echo > ground.txt; echo > 1.txt")
    repo.gitagent("next", "--command", "echo > ground.txt; echo > 2.txt")
    assert repo.json("list", "--ready") == []

    repo.gitagent("accept", one)

    assert [each["id"] for each in repo.json("list", "--ready")] == [top]


def test_commit_does_not_land_what_stands_on_an_offer(repo: Repo) -> None:
    ground, _ = stacked(repo)
    repo.gitagent("next", "--command", GROUND)

    said = repo.call("next", "--command", TOP, "--integrate", "commit")

    assert said.code == 2
    assert "stands on an offer" in said.err
    assert repo.status(ground) == "in_review"
