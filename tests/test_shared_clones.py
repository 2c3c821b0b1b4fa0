"""Clones and servers as they are: shallow, single-branch, offline on both sides, crowded."""

from __future__ import annotations

import subprocess
from pathlib import Path

from support.fleet import Fleet
from support.story import Person, Repo

DO = "echo done >> work.txt"


def cloned(fleet: Fleet, folder: Path, *options: str) -> Repo:
    """Return one more clone, made with these options of `git clone`."""
    person = Person(folder / "home-odd")
    path = folder / "odd"
    url = f"file://{fleet.server.path}"
    said = person.run("git", "clone", "-q", *options, url, str(path), cwd=folder)
    assert said.code == 0, said.err
    return Repo(path, person)


def test_a_shallow_clone_works_off_the_queue_and_stays_shallow(
    fleet: Fleet, tmp_path: Path
) -> None:
    for number in range(3):
        fleet.seed.commit(f"more {number}", **{f"f{number}": "x"})
    fleet.seed.git("push", "-q", "origin", "main")
    task = fleet.seed.gitagent("add", "Something")
    fleet.seed.gitagent("sync")
    shallow = cloned(fleet, tmp_path, "--depth", "1")

    shallow.gitagent("init", "--share", "origin")

    assert shallow.gitagent("next", "--command", DO) == f"gitagent/{task}"
    assert shallow.git("rev-parse", "--is-shallow-repository") == "true"
    assert shallow.git("rev-list", "--count", "main") == "1"


def test_a_shallow_clone_gets_the_history_that_a_merge_needs(fleet: Fleet, tmp_path: Path) -> None:
    task = fleet.clones[0].gitagent("add", "Something")
    fleet.clones[0].gitagent("next", "--command", DO)
    for number in range(3):
        fleet.seed.commit(f"more {number}", **{f"f{number}": "x"})
    fleet.seed.git("push", "-q", "origin", "main")
    shallow = cloned(fleet, tmp_path, "--depth", "1")
    shallow.gitagent("init", "--share", "origin")

    shallow.gitagent("accept", task)

    assert fleet.server.git("show", "main:work.txt") == "done"
    assert fleet.server.git("show", "main:f2") == "x"


def test_a_clone_of_a_single_branch_hears_of_the_queue(fleet: Fleet, tmp_path: Path) -> None:
    task = fleet.seed.gitagent("add", "Something")
    fleet.seed.gitagent("sync")
    single = cloned(fleet, tmp_path, "--single-branch", "--branch", "main")

    single.gitagent("init", "--share", "origin")

    assert [each["id"] for each in single.json("list")] == [task]
    assert single.gitagent("next", "--command", DO) == f"gitagent/{task}"


def test_a_clone_that_only_has_the_branch_of_the_remote_is_told_how_to_share(
    fleet: Fleet, tmp_path: Path
) -> None:
    plain = cloned(fleet, tmp_path)

    said = plain.call("list")

    assert said.code == 2
    assert "gitagent init --share origin" in said.err


def test_work_on_both_sides_without_a_connection_is_joined(fleet: Fleet) -> None:
    one, two = fleet.clones
    task = one.gitagent("add", "Something")
    one.gitagent("sync")
    two.gitagent("sync")

    one.gitagent("update", task, "--priority", "0", "--label", "one")
    two.gitagent("update", task, "--title", "Something else", "--label", "two")
    ours, theirs = one.gitagent("add", "From one"), two.gitagent("add", "From two")
    for repo in (one, two, one):
        repo.gitagent("sync")

    assert one.git("rev-parse", "gitagent/tasks") == two.git("rev-parse", "gitagent/tasks")
    assert {each["id"] for each in two.json("list")} == {task, ours, theirs}
    joined = one.show(task)
    assert (joined["title"], joined["priority"]) == ("Something else", 0)
    assert set(joined["labels"]) == {"one", "two"}


def test_both_sides_changing_the_same_thing_leaves_it_to_a_person(fleet: Fleet) -> None:
    one, two = fleet.clones
    task = one.gitagent("add", "Something")
    one.gitagent("sync")
    two.gitagent("sync")
    one.gitagent("update", task, "--title", "One way")
    two.gitagent("update", task, "--title", "Another way")

    for repo in (one, two, one):
        repo.gitagent("sync")

    joined = one.show(task)
    assert (joined["status"], joined["waiting_for"]) == ("waiting", "conflict")
    whole = joined["title"] + joined["body"]
    assert "One way" in whole
    assert "Another way" in whole


def test_a_remote_with_a_hundred_thousand_refs_is_told_by_doctor_and_works(fleet: Fleet) -> None:
    one, _ = fleet.clones
    tip = fleet.server.refs()["refs/heads/main"]
    lines = "".join(f"create refs/tags/t{number} {tip}\n" for number in range(100_000))
    git = ["git", f"--git-dir={fleet.server.path}"]
    subprocess.run([*git, "update-ref", "--stdin"], input=lines.encode(), check=True)
    subprocess.run([*git, "pack-refs", "--all"], check=True)

    task = one.gitagent("add", "Something")

    assert one.gitagent("next", "--command", DO) == f"gitagent/{task}"
    assert "100003 refs" in one.call("doctor").out
    assert len(one.git("for-each-ref").splitlines()) < 20


def test_doctor_mends_what_killed_pushes_left_in_a_remote_that_is_a_folder(fleet: Fleet) -> None:
    one, _ = fleet.clones
    lock = fleet.server.lock("packed-refs", age=3600)
    assert str(lock) in one.call("doctor").out

    said = one.call("doctor", "--fix")

    assert f"removed what a killed push left in the remote: {lock}" in said.err
    assert not lock.exists()


def test_doctor_says_what_is_not_pushed(fleet: Fleet) -> None:
    one, _ = fleet.clones
    one.gitagent("add", "Something")

    said = one.call("doctor")

    assert said.code == 1
    assert "this clone has changes of the queue that the remote has not" in said.out
    one.gitagent("sync")
    assert "changes of the queue" not in one.call("doctor").out


def test_doctor_tells_of_a_server_that_takes_no_deletions(fleet: Fleet) -> None:
    one, _ = fleet.clones
    fleet.server.no_deletions()

    said = one.call("doctor")

    assert said.code == 1
    assert "takes no claims" in said.out
