"""`add`, `edit`, `update` and `completion`: changing tasks, by hand or by options."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.story import Repo


@pytest.fixture
def repo(repo: Repo) -> Repo:
    return repo.ready()


def editing(repo: Repo, script: str) -> Repo:
    return repo.given({"EDITOR": f"sed -i {script}"})


def test_edit_opens_the_file_in_the_editor_that_git_would_use(repo: Repo) -> None:
    task = repo.gitagent("add", "Fix the pager", "--body", "It loses lines.")

    editing(repo, "'s/loses/drops/'").gitagent("edit", task)

    assert repo.show(task)["body"] == "It drops lines.\n"
    assert repo.git("log", "-1", "--format=%s", "gitagent/tasks") == f"edit {task}: Fix the pager"


def test_an_edit_that_is_wrong_changes_nothing_and_is_kept(repo: Repo) -> None:
    task = repo.gitagent("add", "Fix the pager")
    before = repo.git("rev-parse", "gitagent/tasks")

    said = editing(repo, "'s/status: open/status: opened/'").call("edit", task)

    assert said.code == 2
    assert f"tasks/{task[:2]}/{task}.md:3" in said.err
    assert "opened" in said.err
    assert "open, waiting, in_review, done, failed, cancelled" in said.err.replace("`", "")
    assert repo.git("rev-parse", "gitagent/tasks") == before
    kept = Path(said.err.rpartition("your text is in ")[2].strip())
    assert "status: opened" in kept.read_text()


def test_an_editor_that_fails_changes_nothing(repo: Repo) -> None:
    task = repo.gitagent("add", "Fix the pager")

    said = repo.given({"EDITOR": "false"}).call("edit", task)

    assert (said.code, "nothing was changed" in said.err) == (2, True)


def test_the_body_comes_from_a_file_standard_input_or_the_editor(repo: Repo) -> None:
    body = repo.write("body.md", "From a file.\n")
    first = repo.gitagent("add", "One", "--body-file", str(body))
    second = repo.call("add", "Two", "--body-file", "-", stdin=b"From stdin.\n").out.strip()
    third = editing(repo, "'$aFrom the editor.'").gitagent("add", "Three", "--edit")

    bodies = [repo.show(task)["body"] for task in (first, second, third)]
    assert bodies == ["From a file.\n", "From stdin.\n", "From the editor.\n"]


def test_update_sets_and_takes_away_in_one_commit(repo: Repo) -> None:
    first = repo.gitagent("add", "First")
    task = repo.gitagent("add", "Old", "--needs", first, "--label", "a", "--label", "b")
    before = int(repo.git("rev-list", "--count", "gitagent/tasks"))

    repo.gitagent(
        "update", task, "--title", "New", "--not-needs", first, "--not-label", "a",
        "--label", "c", "--priority", "0", "--integrate", "patch", "--model", "m",
    )  # fmt: skip

    shown = repo.show(task)
    assert (shown["title"], shown["blocked_by"], shown["labels"]) == ("New", [], ["b", "c"])
    assert (shown["priority"], shown["integrate"], shown["model"]) == (0, "patch", "m")
    assert int(repo.git("rev-list", "--count", "gitagent/tasks")) == before + 1


def test_an_update_that_changes_nothing_makes_no_commit(repo: Repo) -> None:
    task = repo.gitagent("add", "Same", "--priority", "1")
    before = repo.git("rev-parse", "gitagent/tasks")

    repo.gitagent("update", task, "--priority", "1")

    assert repo.git("rev-parse", "gitagent/tasks") == before


def test_a_status_that_cannot_be_reached_is_refused_in_words(repo: Repo) -> None:
    task = repo.gitagent("add", "Finished")
    repo.gitagent("update", task, "--status", "done")

    said = repo.call("update", task, "--status", "cancelled")

    assert said.code == 2
    assert "is done; it cannot become cancelled" in said.err
    assert repo.status(task) == "done"


def test_a_task_cannot_need_itself_and_the_error_names_no_file_that_nobody_has_seen(
    repo: Repo,
) -> None:
    task = repo.gitagent("add", "Self")

    said = repo.call("update", task, "--needs", task)

    assert said.code == 2
    assert said.err.startswith(f"error: the task `{task}` needs itself")


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_is_made_from_the_commands_themselves(repo: Repo, shell: str) -> None:
    script = repo.gitagent("completion", shell)

    assert "--integrate" in script
    if shell == "bash":
        assert repo.person.run("bash", "-n", cwd=repo.path, stdin=script.encode()).code == 0
        ask = f"{script}\nCOMP_WORDS=(gitagent ne); COMP_CWORD=1; _shtab_gitagent; echo $COMPREPLY"
        assert repo.person.run("bash", "-c", ask, cwd=repo.path).out.strip() == "next"


def test_what_is_not_ready_says_why_and_the_graph_shows_it(repo: Repo) -> None:
    first = repo.gitagent("add", "First")
    second = repo.gitagent("add", "Second", "--needs", first)

    why = repo.json("why", second)
    assert why["causes"][0] == {
        "task": second, "text": f"needs {first}", "depth": 0, "root": False,
    }  # fmt: skip
    assert repo.json("graph")["edges"] == [{"task": second, "needs": first}]
    for form in ("text", "mermaid", "dot", "svg"):
        assert first in repo.gitagent("graph", "--format", form)
