"""Reads that find the index fresh: what they import, and that they say what the slow way says."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from gitagent.git.plain import find
from support.story import PYTHON, Repo

HEAVY = {"pygit2", "yaml", "pydantic", "anthropic", "github3", "rich", "psutil", "subprocess"}
CONFIG = """\
version: 1
agent: command
agents: {command: {command: 'true', model: m}}
verify: [{name: unit, run: pytest -q}, ruff .]
"""
WORK = "echo x > x"


@pytest.fixture
def repo(repo: Repo) -> Repo:
    return repo.ready(CONFIG)


def imported(repo: Repo, *arguments: str) -> tuple[str, set[str]]:
    """Run `gitagent` as its console script does; return what it printed, and the modules."""
    program = "import sys; from gitagent.cli.main import main; sys.exit(main())"
    said = repo.person.run(
        PYTHON, "-X", "importtime", "-c", program, *arguments, cwd=repo.path
    )  # fmt: skip
    assert said.code == 0, said.err
    lines = [line for line in said.err.splitlines() if line.startswith("import time:")]
    modules = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}
    assert "gitagent" in modules
    return said.out, modules


FORMS = [
    ("list",), ("list", "--ready"), ("list", "--ready", "--json"), ("list", "--json"),
    ("list", "--all"), ("list", "--status", "open"), ("list", "--label", "core"),
    ("list", "--search", "gre"), ("show", "{first}", "--json"), ("why", "{second}"),
    ("graph",), ("next", "--dry-run"), ("next", "--dry-run", "--json"),
]  # fmt: skip


def test_a_read_that_finds_the_index_fresh_imports_nothing_heavy(repo: Repo) -> None:
    first = repo.gitagent("add", "Greet", "--label", "core")
    second = repo.gitagent("add", "Greet again", "--needs", first)
    repo.gitagent("next", "--dry-run")
    for form in FORMS:
        words = [word.format(first=first, second=second) for word in form]
        repo.gitagent(*words)
        fast, modules = imported(repo, *words)
        (repo.path / ".git/gitagent/index.db").unlink()

        slow = repo.gitagent("next", "--dry-run") if form[0] == "next" else repo.gitagent(*words)

        assert fast.strip().endswith(slow) or "--json" in words
        assert first in fast
        assert modules & HEAVY == set(), form


def test_a_change_by_another_clone_is_read_without_pygit2_and_without_a_process(
    repo: Repo, tmp_path: Path
) -> None:
    task = repo.gitagent("add", "Greet")
    repo.gitagent("list")
    other = Repo(tmp_path / "other", repo.person)
    repo.person.run("git", "clone", "-q", str(repo.path), str(other.path), cwd=tmp_path)
    other.git("branch", "-q", "gitagent/tasks", "origin/gitagent/tasks")
    other.gitagent("update", task, "--title", "Greet all", "--priority", "0")
    repo.git("fetch", "-q", str(other.path), "gitagent/tasks:gitagent/tasks")

    printed, modules = imported(repo, "list", "--ready")

    assert "p0  Greet all" in printed
    assert modules & {"pygit2", "pydantic", "subprocess"} == set()


def test_packed_objects_and_refs_are_read_too(repo: Repo) -> None:
    tasks = [repo.gitagent("add", f"Task {n}") for n in range(3)]
    repo.git("gc", "-q")
    (repo.path / ".git/gitagent/index.db").unlink()

    printed, modules = imported(repo, "list", "--json")

    assert {task["id"] for task in json.loads(printed)} == set(tasks)
    assert "pygit2" not in modules


def dry(repo: Repo, *options: str) -> tuple[str, str]:
    """Return what `next --dry-run` says at first, and when it is asked again."""
    said = [repo.call("next", "--dry-run", *options) for _ in range(2)]
    assert [each.code for each in said] == [0, 0], said
    assert said[0] == said[1]
    return said[1].out, said[1].err


def without_an_index(repo: Repo, *options: str) -> tuple[str, str]:
    """Return what the slow way says."""
    (repo.path / ".git/gitagent/index.db").unlink()
    said = repo.call("next", "--dry-run", *options)
    return said.out, said.err


def test_a_dry_run_follows_whatever_it_depends_on(repo: Repo) -> None:
    first = repo.gitagent("add", "First")
    second = repo.gitagent("add", "Second", "--verify", "test -e x", "--priority", "3")
    third = repo.gitagent("add", "Third", "--priority", "4")
    assert json.loads(dry(repo, "--json")[0]) == {
        "task": first, "title": "First", "base": "main", "commit": repo.git("rev-parse", "main"),
        "agent": "command", "model": "m", "integrate": "branch",
        "checks": [{"name": "unit", "run": "pytest -q"}, {"name": "ruff .", "run": "ruff ."}],
    }  # fmt: skip
    # another commit on the base, another configuration, another branch, another task
    tip = repo.commit("more", **{"a.txt": "a\n"})
    assert json.loads(dry(repo, "--json")[0])["commit"] == tip
    repo.commit_files({"gitagent.yaml": CONFIG.replace("pytest -q", "pytest -x")})
    assert "verified by `pytest -x`" in dry(repo)[1]
    repo.git("switch", "-q", "-c", "feature")
    assert "from `feature`" in dry(repo)[1]
    repo.commit_files({"gitagent.yaml": f"{CONFIG}base: main\n"})
    assert "from `main`" in dry(repo)[1]
    repo.gitagent("update", first, "--status", "done")
    assert "verified by `test -e x`" in dry(repo)[1]
    repo.gitagent("update", second, "--status", "cancelled")
    assert dry(repo)[0].strip() == third
    assert dry(repo) == without_an_index(repo)
    for options in (("--integrate", "commit"), ("--model", "other"), ("--command", "false")):
        assert dry(repo, *options) == without_an_index(repo, *options)
    repo.gitagent("update", third, "--status", "done")
    assert "no task is open" in dry(repo)[1]


def test_a_dry_run_that_cannot_be_is_refused_every_time(repo: Repo) -> None:
    repo.gitagent("add", "First")
    dry(repo)
    repo.commit_files({"gitagent.yaml": "version: 1\nagent: nobody\n"})
    for _ in range(2):
        said = repo.call("next", "--dry-run")
        assert (said.code, "there is no agent `nobody`" in said.err) == (2, True)
    repo.commit_files({"gitagent.yaml": "version: 9\n"})
    assert repo.call("next", "--dry-run").code == 2


def test_an_offer_that_is_merged_is_noticed_by_a_read_that_found_nothing_new_before(
    repo: Repo,
) -> None:
    task = repo.gitagent("add", "Greet", "--verify", "test -e x")
    repo.commit_files({"gitagent.yaml": "version: 1\nverify: []\n"})
    repo.gitagent("next", "--command", WORK)
    repo.gitagent("list")
    printed, modules = imported(repo, "list")
    assert (task in printed, "pygit2" in modules) == (True, False)

    repo.git("merge", "-q", f"gitagent/{task}")
    said = repo.call("list", "--all")

    assert f"{task} is done" in said.err
    assert repo.status(task) == "done"


def test_a_broken_file_is_named_once_by_every_read(repo: Repo) -> None:
    repo.gitagent("add", "Greet")
    stream = b"commit refs/heads/gitagent/tasks\ncommitter A <a@b> 1790000000 +0000\ndata 1\nx\n"
    stream += b"from refs/heads/gitagent/tasks^0\nM 100644 inline tasks/bb/bbbbb.md\ndata 1\nx\n"
    said = repo.person.run("git", "fast-import", "--quiet", cwd=repo.path, stdin=stream)
    assert said.code == 0, said.err

    forms = {("list",): 1, ("list", "--ready"): 1, ("next", "--dry-run"): 1, ("show", "bbbbb"): 2}
    for words, times in [*forms.items()] * 2:
        assert repo.call(*words).err.count("tasks/bb/bbbbb.md:1") == times


def test_the_task_of_a_dead_process_is_next(repo: Repo) -> None:
    task = repo.gitagent("add", "Greet")
    dry(repo)
    killed = "kill -9 $PPID $(ps -o ppid= -p $PPID)"
    repo.call("next", "--command", killed)
    claims = repo.git("for-each-ref", "refs/gitagent/claims")
    assert task in claims

    assert dry(repo)[0].strip() == task


def test_unusual_repositories_are_left_to_libgit2(repo: Repo, tmp_path: Path) -> None:
    environment = repo.person.environment()
    assert find(repo.path, environment) is not None
    assert find(tmp_path, environment) is None
    below = repo.path / "a/b"
    below.mkdir(parents=True)
    place = find(below, environment)
    assert place is not None
    assert place.common_dir == repo.path / ".git"
    repo.git("worktree", "add", "-q", str(tmp_path / "linked"), "-b", "linked")
    linked = find(tmp_path / "linked", environment)
    assert linked is not None
    assert (linked.common_dir, linked.git_dir.parent.name) == (place.common_dir, "worktrees")
    bare = Repo.create(tmp_path / "bare.git", repo.person, "--bare")
    assert find(bare.path, environment) is not None
    repo.git("config", "gitagent.remote", "origin")
    shared = find(repo.path, environment)
    assert shared is not None
    assert shared.shared

    config = repo.path / ".git/config"
    usual = config.read_text()
    unusual = [
        "[include]\n\tpath = x\n", "[extensions]\n\tpartialClone = origin\n",
        "[core]\n\trepositoryformatversion = 1\n", '[remote "o"]\n\tpromisor = true\n',
        "[core]\n\tworktree = /\n", "[a]\n\tb = x\\\n[core]\n", "[core] bare = false\n",
        '[includeIf "gitdir:/"]\n\tpath = x\n',
    ]  # fmt: skip
    for more in unusual:
        config.write_text(usual + more)
        assert find(repo.path, environment) is None, more
    config.write_text(usual)
    shutil.move(repo.path / ".git", tmp_path / "moved")
    os.symlink(tmp_path / "moved", repo.path / ".git")
    assert find(repo.path, environment) is None
