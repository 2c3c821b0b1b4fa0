"""What a person does with finished work: `diff`, `accept`, `reject`, `drop`, or a merge."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.story import Repo

HELLO = "printf 'hello\\n' > greeting.txt"
CHECK = "grep -x hello greeting.txt"


@pytest.fixture
def repo(repo: Repo) -> Repo:
    return repo.ready()


def offered(repo: Repo, *options: str) -> str:
    task = repo.gitagent("add", "Greet", "--verify", CHECK, *options)
    repo.gitagent("next", "--command", HELLO)
    return task


def test_diff_prints_a_patch_that_applies(repo: Repo) -> None:
    task = offered(repo)

    patch = repo.call("diff", task).out

    assert "+hello" in patch
    said = repo.person.run("git", "apply", "--check", "-", cwd=repo.path, stdin=patch.encode())
    assert said.code == 0
    assert repo.gitagent("diff", task, "--name-only") == "greeting.txt"


def test_accept_lands_the_verified_commit_itself_when_the_base_has_not_moved(repo: Repo) -> None:
    task = offered(repo)
    commit = repo.git("rev-parse", f"gitagent/{task}")

    said = repo.call("accept", task[:3])

    assert said.out.strip() == commit == repo.git("rev-parse", "main")
    assert repo.status(task) == "done"
    assert (repo.path / "greeting.txt").read_text() == "hello\n"
    assert f"git revert {commit[:12]}" in said.err
    assert repo.git("for-each-ref", f"refs/heads/gitagent/{task}") == ""


def test_accept_rebases_and_verifies_again_when_the_base_has_moved(repo: Repo) -> None:
    task = offered(repo)
    moved = repo.commit("moved", other="x")

    said = repo.call("accept", task)

    assert said.code == 0
    assert f"check {CHECK} passed" in said.err
    assert repo.git("rev-parse", "main^") == moved
    trailer = repo.git("show", "-s", "--format=%(trailers:key=Gitagent-Task,valueonly)")
    assert trailer.strip() == task
    assert repo.status(task) == "done"


def test_accept_refuses_what_fails_on_top_of_the_base_as_it_is_now(repo: Repo) -> None:
    task = repo.gitagent("add", "Greet", "--verify", "! test -e forbidden")
    repo.gitagent("next", "--command", HELLO)
    moved = repo.commit("moved", forbidden="x")

    said = repo.call("accept", task)

    assert said.code == 1
    assert "on top of `main` as it is now" in said.err
    assert repo.git("rev-parse", "main") == moved
    assert repo.status(task) == "in_review"
    assert repo.git("for-each-ref", f"refs/heads/gitagent/{task}") != ""


def test_accept_names_the_files_in_conflict_and_changes_nothing(repo: Repo) -> None:
    task = offered(repo)
    moved = repo.commit_files({"greeting.txt": "good day\n"})

    said = repo.call("accept", task)

    assert said.code == 1
    assert "`greeting.txt`" in said.err
    assert repo.git("rev-parse", "main") == moved
    assert repo.status(task) == "in_review"


def test_accept_names_the_files_in_the_way_and_changes_nothing(repo: Repo) -> None:
    task = offered(repo)
    base = repo.git("rev-parse", "main")
    repo.write("greeting.txt", "mine")

    said = repo.call("accept", task)

    assert said.code == 1
    assert "`greeting.txt` is in the way" in said.err
    assert repo.git("rev-parse", "main") == base
    assert (repo.path / "greeting.txt").read_text() == "mine"


def test_accept_moves_a_base_that_is_not_checked_out_without_any_checkout(repo: Repo) -> None:
    repo.commit_files({"gitagent.yaml": "version: 1\nbase: main\n"})
    task = offered(repo)
    repo.git("switch", "-q", "-c", "feature")

    repo.gitagent("accept", task)

    assert repo.git("show", "main:greeting.txt") == "hello"
    assert not (repo.path / "greeting.txt").exists()
    assert repo.git("status", "--porcelain") == ""


def test_accept_lands_what_the_person_made_of_the_branch_verified_again(repo: Repo) -> None:
    task = offered(repo)
    repo.git("switch", "-q", f"gitagent/{task}")
    repo.commit("and more", more="x")
    repo.git("switch", "-q", "main")

    said = repo.call("accept", task)

    assert said.code == 0
    assert f"check {CHECK} passed" in said.err
    assert repo.git("show", "main:more") == "x"


def test_accept_twice_is_refused_in_words(repo: Repo) -> None:
    task = offered(repo)
    repo.gitagent("accept", task)

    said = repo.call("accept", task)

    assert said.code == 2
    assert "offers nothing: it is done" in said.err


def test_a_rejection_reaches_the_next_attempt_and_is_kept_as_a_message(repo: Repo) -> None:
    task = offered(repo)

    repo.gitagent("reject", task, "--because", "Say it louder\nplease")

    assert repo.status(task) == "open"
    assert repo.git("for-each-ref", f"refs/heads/gitagent/{task}") == ""
    agent = f"{HELLO}; cat > prompt.txt"
    run = repo.json("run", task, "--command", agent)
    prompt = repo.git("show", f"gitagent/{task}:prompt.txt")
    assert "A person sent the last result back" in prompt
    assert "Say it louder\nplease" in prompt
    names = repo.git("ls-tree", "-r", "--name-only", "gitagent/tasks", "inbox/").splitlines()
    assert len(names) == 1
    assert repo.record(task)["messages_read"] == [Path(names[0]).stem]
    assert run["branch"] == f"gitagent/{task}"


def test_a_rejected_branch_that_the_person_moved_stays_and_the_next_one_has_its_own_name(
    repo: Repo,
) -> None:
    task = offered(repo)
    repo.git("switch", "-q", f"gitagent/{task}")
    repo.gitagent("reject", task, "--because", "no")
    mine = repo.git("rev-parse", "HEAD")

    run = repo.json("run", task, "--command", f"{HELLO}; echo again >> other.txt")

    assert run["branch"] == f"gitagent/{task}-{run['run']}"
    assert repo.git("rev-parse", f"gitagent/{task}") == mine
    assert repo.git("show", f"{run['branch']}:other.txt") == "again"


def test_drop_cancels_and_says_how_to_get_everything_back(repo: Repo) -> None:
    task = offered(repo)
    commit = repo.git("rev-parse", f"gitagent/{task}")

    said = repo.call("drop", task)

    assert repo.status(task) == "cancelled"
    assert repo.git("for-each-ref", f"refs/heads/gitagent/{task}") == ""
    restore = next(line for line in said.err.splitlines() if "git branch" in line)
    repo.git(*restore.partition("git ")[2].split())
    assert repo.git("rev-parse", f"{task}-work") == commit
    repo.gitagent("update", task, "--status", "open")
    assert repo.status(task) == "open"


def test_dropping_a_needed_task_is_named_as_the_cause(repo: Repo) -> None:
    needed = repo.gitagent("add", "Needed")
    task = repo.gitagent("add", "Needs it", "--needs", needed)

    repo.gitagent("drop", needed)

    assert repo.show(task)["reason"] == f"needs {needed}: {needed} was cancelled"
    assert "was cancelled" in repo.gitagent("why", task)


@pytest.mark.parametrize("how", ["merge", "squash", "rebase"])
def test_an_offer_found_on_the_base_is_done_however_it_was_merged(repo: Repo, how: str) -> None:
    task = offered(repo)
    repo.commit("moved", other="x")
    branch = f"gitagent/{task}"
    if how == "merge":
        repo.git("merge", "-q", "--no-edit", branch)
    elif how == "squash":
        repo.git("merge", "-q", "--squash", branch)
        repo.git("commit", "-q", "-m", "squashed")
    else:
        repo.git("cherry-pick", branch)

    said = repo.call("list", "--all")

    assert f"[x] {task}" in said.out
    assert "found on the base" in said.err
    assert repo.status(task) == "done"


def test_a_dependent_becomes_ready_when_its_dependency_is_accepted(repo: Repo) -> None:
    task = offered(repo)
    dependent = repo.gitagent("add", "Then", "--needs", task)
    assert repo.show(dependent)["ready"] is False

    repo.gitagent("accept", task)

    assert repo.show(dependent)["ready"] is True
