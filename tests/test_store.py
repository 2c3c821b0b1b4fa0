"""The tasks branch under several writers, under dead ones, and with files nobody can read."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from support.story import PYTHON, Repo


@pytest.fixture
def repo(repo: Repo) -> Repo:
    return repo.ready()


def put(repo: Repo, path: str, data: bytes) -> None:
    """Write a file onto the tasks branch with plain git, as a person might."""
    index = str(repo.path / ".git/by-hand.index")
    run = repo.person.run
    blob = run("git", "hash-object", "-w", "--stdin", cwd=repo.path, stdin=data).out.strip()
    run("git", "read-tree", "gitagent/tasks", cwd=repo.path, GIT_INDEX_FILE=index)
    entry = f"100644,{blob},{path}"
    run("git", "update-index", "--add", "--cacheinfo", entry, cwd=repo.path, GIT_INDEX_FILE=index)
    tree = run("git", "write-tree", cwd=repo.path, GIT_INDEX_FILE=index).out.strip()
    parent = ("-p", "gitagent/tasks")
    commit = run("git", "commit-tree", *parent, "-m", "by hand", tree, cwd=repo.path).out.strip()
    repo.git("update-ref", "refs/heads/gitagent/tasks", commit)


def test_the_branch_is_an_orphan_with_the_layout_that_git_log_can_tell(repo: Repo) -> None:
    task = repo.gitagent("add", "Fix the pager", "--body", "It loses lines.")

    files = repo.git("ls-tree", "-r", "--name-only", "gitagent/tasks").splitlines()

    assert files == ["README.md", f"tasks/{task[:2]}/{task}.md"]
    assert repo.git("merge-base", "main", "gitagent/tasks", code=1) == ""
    log = repo.git("log", "--format=%s%n%(trailers)", "gitagent/tasks").split("\n")
    assert log[:2] == [f"add {task}: Fix the pager", f"Task: {task}"]
    text = repo.git("show", f"gitagent/tasks:tasks/{task[:2]}/{task}.md")
    assert "title: Fix the pager" in text
    assert text.endswith("It loses lines.")


def test_eight_writers_at_once_lose_nothing(repo: Repo) -> None:
    script = f'for i in 1 2 3 4; do {PYTHON} -m gitagent add "$0 $i" || exit 1; done'
    writers = [
        subprocess.Popen(["sh", "-c", script, f"writer {n}"], cwd=repo.path,
                         env=repo.person.environment(), stdout=subprocess.PIPE)
        for n in range(8)
    ]  # fmt: skip
    printed = [writer.communicate(timeout=120)[0].decode().split() for writer in writers]

    assert all(writer.returncode == 0 for writer in writers)
    ids = {task for lines in printed for task in lines}
    assert len(ids) == 32
    assert {task["id"] for task in repo.json("list")} == ids
    assert repo.git("rev-list", "--count", "gitagent/tasks") == "33"


def test_a_lock_that_a_dead_process_left_is_healed(repo: Repo) -> None:
    lock = repo.path / ".git/refs/heads/gitagent/tasks.lock"
    lock.touch()
    long_ago = time.time() - 60
    os.utime(lock, (long_ago, long_ago))
    said = repo.call("doctor")
    assert (said.code, str(lock) in said.out) == (1, True)

    repo.gitagent("add", "Still works")

    assert not lock.exists()


def test_a_foreign_lock_is_named_and_left_alone(repo: Repo) -> None:
    repo.commit_files({"gitagent.yaml": "version: 1\nbase: main\nintegrate: commit\n"})
    repo.git("switch", "-q", "-c", "feature")
    task = repo.gitagent("add", "Greet")
    lock = repo.path / ".git/refs/heads/main.lock"
    lock.touch()
    os.utime(lock, (0, 0))

    said = repo.call("next", "--command", "echo x > x", timeout=90)

    assert lock.exists()
    assert said.code in (1, 3)
    assert "main" in said.err
    lock.unlink()
    assert repo.status(task) in ("open", "waiting")


def test_a_broken_file_is_named_and_hides_no_other(repo: Repo) -> None:
    good = repo.gitagent("add", "Good")
    put(repo, "tasks/bb/bbbbb.md", b"---\ntitle: x\nstatus: nearly\n---\n")
    dependent = repo.gitagent("add", "Needs a broken one", "--needs", good)
    put(repo, "tasks/cc/ccccc.md", b"---\ntitle: y\nblocked_by: [bbbbb]\n---\n")

    listed = repo.call("list")
    lint = repo.call("lint")

    assert "tasks/bb/bbbbb.md:3:" in listed.err
    assert {good, dependent, "ccccc"} == {task["id"] for task in repo.json("list")}
    assert (lint.code, "tasks/bb/bbbbb.md:3: error:" in lint.out) == (2, True)
    assert "bbbbb has a broken file" in repo.show("ccccc")["reason"]
    said = repo.call("show", "bbbbb")
    assert (said.code, "tasks/bb/bbbbb.md:3" in said.err) == (2, True)


def test_unknown_keys_and_everything_else_survive_an_update(repo: Repo) -> None:
    text = b"---\n# mine\ntitle:   'x'\nteam: core # ours\npriority: 1\n---\nbody  \n\n"
    put(repo, "tasks/bb/bbbbb.md", text)

    repo.gitagent("update", "bbbbb", "--priority", "3")

    after = repo.person.run("git", "cat-file", "blob", "gitagent/tasks:tasks/bb/bbbbb.md",
                            cwd=repo.path).out  # fmt: skip
    assert after == text.decode().replace("priority: 1", "priority: 3")


def test_reopening_a_done_task_blocks_its_dependents_again(repo: Repo) -> None:
    first = repo.gitagent("add", "First")
    second = repo.gitagent("add", "Second", "--needs", first)
    repo.gitagent("update", first, "--status", "done")
    assert repo.show(second)["ready"] is True

    repo.gitagent("update", first, "--status", "open")

    assert repo.show(second)["ready"] is False


def test_the_same_source_is_added_once(repo: Repo) -> None:
    url = "https://example.com/issues/7"
    first = repo.gitagent("add", "From an issue", "--source", url)
    assert repo.gitagent("add", "From an issue, again", "--source", url) == first
    assert len(repo.json("list")) == 1


def test_a_landing_that_was_not_folded_counts_for_readers_and_is_folded_by_the_next_writer(
    repo: Repo,
) -> None:
    task = repo.gitagent("add", "Greet")
    repo.gitagent("next", "--command", "echo x > x")
    fold = repo.git("rev-parse", "gitagent/tasks")
    claim = repo.git("log", "-1", "--format=%H", f"{fold}^")
    record = json.dumps(repo.record(task))
    blob = repo.person.run("git", "hash-object", "-w", "--stdin", cwd=repo.path,
                           stdin=record.encode()).out.strip()  # fmt: skip
    entry = f"100644 blob {blob}\trecord.json\n".encode()
    tree = repo.person.run("git", "mktree", cwd=repo.path, stdin=entry).out.strip()
    work = repo.git("rev-parse", f"gitagent/{task}")
    landed = repo.git("commit-tree", "-m", f"landed {task}\n\n{{}}", "-p", claim, "-p", work, tree)
    # as it was after the landing and before the fold:
    repo.git("update-ref", "refs/heads/gitagent/tasks", f"{fold}^")
    repo.git("branch", "-D", f"gitagent/{task}")
    repo.git("update-ref", f"refs/gitagent/claims/{task}", landed)

    assert repo.status(task) == "in_review"
    repo.call("next", "--command", "true")

    assert repo.git("rev-parse", f"gitagent/{task}") == work
    assert repo.git("for-each-ref", "refs/gitagent/claims") == ""
    assert repo.record(task)["outcome"] == "succeeded"


def test_writes_to_the_queue_are_synced_to_the_disk(repo: Repo, tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    trace = tmp_path / "trace"
    calls = "trace=fsync,fdatasync,rename,renameat,renameat2"
    strace = ("strace", "-f", "-o", str(trace), "-e", calls)

    argv = (*strace, PYTHON, "-m", "gitagent", "add", "Durable")
    assert repo.person.run(*argv, cwd=repo.path).code == 0

    lines = trace.read_text().splitlines()
    moved = next(i for i, line in enumerate(lines) if "heads/gitagent/tasks" in line)
    synced = sum("sync(" in line for line in lines[:moved])
    print(f"D15: {synced} syncs before the ref of the queue moves")
    assert synced >= 5  # blob, two trees, their parent, the commit


def test_a_claim_from_before_the_last_start_of_the_machine_is_given_back_by_doctor(
    repo: Repo,
) -> None:
    task = repo.gitagent("add", "Greet")
    claim = {"v": 1, "task": task, "run": "01m7y77q5k1yq88yet2nnypnht", "runner": "r",
             "host": socket.gethostname(), "boot": "another", "pid_ns": "n", "pid": 1,
             "pid_start": 1, "epoch": 1, "lease_s": 1200, "base": "x", "nonce": "n"}  # fmt: skip
    empty = repo.git("hash-object", "-w", "-t", "tree", "/dev/null")
    message = f"claim {task}\n\n{json.dumps(claim)}"
    oid = repo.git("commit-tree", "-m", message, empty)
    repo.git("update-ref", f"refs/gitagent/claims/{task}", oid)
    assert repo.show(task)["running"] == {"run": claim["run"], "runner": "r", "epoch": 1}

    assert f"{task} was claimed before" in repo.call("doctor").out
    assert f"gave back {task}" in repo.call("doctor", "--fix").err

    assert repo.show(task)["ready"] is True


def test_a_run_killed_after_it_moved_the_base_is_recorded_and_not_done_again(
    repo: Repo,
) -> None:
    task = repo.gitagent("add", "Greet", "--verify", "test -e x", "--integrate", "commit")
    done = repo.json("next", "--command", "echo x >> x")
    fold = repo.git("rev-parse", "gitagent/tasks")
    # as it was after the base moved and before the landing:
    claim = next(
        line.split()[0]
        for line in repo.git("cat-file", "--batch-all-objects", "--batch-check").splitlines()
        if line.split()[1] == "commit"
        and repo.git("show", "-s", "--format=%s", line.split()[0]) == f"claim {task}"
    )
    repo.git("update-ref", "refs/heads/gitagent/tasks", f"{fold}^")
    repo.git("update-ref", f"refs/gitagent/claims/{task}", claim)

    again = repo.json("next", "--command", "echo x >> x")

    assert (again["outcome"], again["commit"]) == ("succeeded", done["commit"])
    assert repo.git("rev-list", "--count", "main") == "2"
    assert repo.status(task) == "done"
    assert repo.record(task)["verified"] is True
    assert repo.record(task)["continues"] == done["run"]
