"""One queue on a remote, several clones: stories with real servers and real processes."""

from __future__ import annotations

import signal
from pathlib import Path

from support.fleet import Fleet
from support.servers import Folder, Http, http
from support.story import Repo
from support.waiting import eventually

DO = "echo done >> work.txt"
TASKS = "refs/heads/gitagent/tasks"


def queue_refs(server: Folder) -> list[str]:
    """Return the refs of the server that are the queue's, the tasks branch last."""
    found = {ref for ref in server.refs() if ref.startswith(("refs/gitagent", "refs/heads/g"))}
    return [*sorted(found - {TASKS}), *sorted(found & {TASKS})]


def test_nothing_leaves_the_machine_before_a_person_says_to_which_remote(
    repo: Repo, server: Folder
) -> None:
    repo.ready()
    repo.git("remote", "add", "origin", server.url)
    repo.git("push", "-q", "origin", "main")
    before = server.refs()

    task = repo.gitagent("add", "Something")
    repo.gitagent("next", "--command", DO)
    repo.gitagent("accept", task)

    assert server.refs() == before
    assert "init --share" in repo.call("sync").err


def test_a_clone_that_shares_takes_over_the_queue_that_is_there(fleet: Fleet) -> None:
    one, two = fleet.clones
    task = one.gitagent("add", "Something")
    assert fleet.server.git("ls-tree", "-r", "--name-only", "gitagent/tasks") == "README.md"

    one.gitagent("sync")
    two.gitagent("sync")

    assert [each["id"] for each in two.json("list")] == [task]
    assert one.git("rev-parse", "gitagent/tasks") == two.git("rev-parse", "gitagent/tasks")


def test_what_one_clone_did_is_accepted_in_another(fleet: Fleet) -> None:
    one, two = fleet.clones
    task = one.gitagent("add", "Something")

    assert one.gitagent("next", "--command", DO) == f"gitagent/{task}"
    assert queue_refs(fleet.server) == [f"refs/heads/gitagent/{task}", "refs/heads/gitagent/tasks"]
    two.gitagent("accept", task)

    assert fleet.server.git("show", "main:work.txt") == "done"
    file = fleet.server.git("show", f"gitagent/tasks:tasks/{task[:2]}/{task}.md")
    assert "status: done" in file
    assert queue_refs(fleet.server) == ["refs/heads/gitagent/tasks"]
    one.gitagent("sync")
    assert one.status(task) == "done"
    assert one.git("status", "--porcelain") == ""


def test_a_rejection_is_heard_everywhere_at_once_and_by_the_next_attempt(fleet: Fleet) -> None:
    one, two = fleet.clones
    task = one.gitagent("add", "Something")
    one.gitagent("next", "--command", DO)

    two.gitagent("reject", task, "--because", "not like this")

    assert queue_refs(fleet.server) == ["refs/heads/gitagent/tasks"]
    one.gitagent("next", "--command", "cat > prompt.txt")
    assert "not like this" in fleet.server.git("show", f"gitagent/{task}:prompt.txt")
    assert "not like this" in one.gitagent("diff", task)


def test_a_task_that_runs_elsewhere_is_not_ready(fleet: Fleet, tmp_path: Path) -> None:
    one, two = fleet.clones
    task = one.gitagent("add", "Something")
    go = tmp_path / "go"
    runner = fleet.start(one, "next", "--command", f"{DO}; until [ -e {go} ]; do sleep 0.05; done")
    claim = f"refs/gitagent/claims/{task}"
    eventually(lambda: claim in fleet.server.refs())

    said = two.call("next", "--command", DO)

    assert (said.code, said.out) == (0, "")
    assert f"{task} is running" in said.err
    go.touch()
    assert runner.process.wait(60) == 0
    assert claim not in fleet.server.refs()


def test_a_clone_that_is_behind_does_not_do_again_what_is_done(fleet: Fleet) -> None:
    one, two = fleet.clones
    one.gitagent("add", "Something")
    one.gitagent("sync")
    two.gitagent("sync")
    one.gitagent("next", "--command", DO, "--integrate", "report")

    said = two.call("next", "--command", DO)

    assert (said.code, said.out) == (0, "")
    assert len(fleet.recorded()) == 1


def test_a_runner_that_lost_its_claim_lands_nothing_and_says_who_has_it(
    fleet: Fleet, tmp_path: Path
) -> None:
    one, two = fleet.clones
    for repo in fleet.clones:
        repo.git("config", "gitagent.lease", "5")
    task = one.gitagent("add", "Something")
    go, gone = tmp_path / "go", tmp_path / "gone"
    slow = fleet.start(
        one, "next", "--json", "--command",
        f"echo slow > slow.txt; touch {gone}; until [ -e {go} ]; do sleep 0.05; done",
    )  # fmt: skip
    eventually(gone.exists)
    slow.process.send_signal(signal.SIGSTOP)
    held = f"refs/gitagent/claims/{task}"

    def taken_over() -> bool:
        return two.gitagent("next", "--command", "echo quick > quick.txt") == f"gitagent/{task}"

    eventually(taken_over)
    assert held not in fleet.server.refs()
    go.touch()
    slow.process.send_signal(signal.SIGCONT)

    assert slow.process.wait(60) == 1
    (record,) = slow.records
    assert record["outcome"] == "lost_claim"
    assert [each["epoch"] for each in fleet.recorded()] == [2]
    assert fleet.server.git("ls-tree", "--name-only", f"gitagent/{task}").split() == [
        "gitagent.yaml",
        "quick.txt",
    ]
    kept = one.git("ls-tree", "--name-only", f"refs/gitagent/runs/{record['run']}")
    assert "slow.txt" in kept


def test_a_task_that_nobody_can_do_here_does_not_stop_the_others(fleet: Fleet) -> None:
    one, _ = fleet.clones
    fleet.fill([{"title": f"Task {n}", "agent": "nobody"} for n in range(4)])
    task = one.gitagent("add", "Something")

    assert one.gitagent("next", "--command", DO) == f"gitagent/{task}"


def test_a_remote_that_does_not_answer_stops_next_before_anything_is_claimed(
    fleet: Fleet, server: Folder
) -> None:
    one, _ = fleet.clones
    server.path.rename(server.path.with_name("away.git"))

    task = one.gitagent("add", "Something")
    said = one.call("next", "--command", DO)

    assert said.code == 1
    assert "gave no answer" in said.err
    assert one.status(task) == "open"
    server.path.with_name("away.git").rename(server.path)
    assert one.gitagent("next", "--command", DO) == f"gitagent/{task}"


def test_a_landing_that_the_remote_did_not_answer_is_carried_through_by_the_next_sync(
    fleet: Fleet, server: Folder
) -> None:
    one, two = fleet.clones
    one.git("config", "gitagent.lease", "20")
    task = one.gitagent("add", "Something")
    away = server.path.with_name("away.git")

    said = one.call("next", "--command", f"{DO}; mv {server.path} {away}")

    assert said.code == 1
    assert "its work is kept here" in said.err
    assert "gitagent sync" in said.err
    away.rename(server.path)
    one.gitagent("sync")
    assert [each["outcome"] for each in fleet.recorded()] == ["succeeded"]
    two.gitagent("sync")
    assert two.status(task) == "in_review"


def test_a_tasks_branch_that_was_rewound_is_not_taken_over_in_silence(fleet: Fleet) -> None:
    one, two = fleet.clones
    first = fleet.server.refs()["refs/heads/gitagent/tasks"]
    task = one.gitagent("add", "Something")
    one.gitagent("sync")
    fleet.server.git("update-ref", "refs/heads/gitagent/tasks", first)

    for arguments in (("next", "--command", DO), ("sync",)):
        said = one.call(*arguments)
        assert said.code == 2
        assert "rewritten on the remote" in said.err
        assert "gitagent sync --restore" in said.err
    assert one.status(task) == "open"

    one.gitagent("sync", "--restore")
    two.gitagent("sync")
    assert two.status(task) == "open"


def test_a_rewritten_tasks_branch_is_taken_over_on_a_persons_word_and_the_old_one_kept(
    fleet: Fleet,
) -> None:
    one, _ = fleet.clones
    first = fleet.server.refs()["refs/heads/gitagent/tasks"]
    one.gitagent("add", "Something")
    one.gitagent("sync")
    ours = one.git("rev-parse", "gitagent/tasks")
    fleet.server.git("update-ref", "refs/heads/gitagent/tasks", first)

    one.gitagent("sync", "--accept-rewritten")

    assert one.git("rev-parse", "gitagent/tasks") == first
    assert one.git("rev-parse", f"refs/gitagent/kept/{ours}") == ours


def test_a_deleted_tasks_branch_is_put_back_on_a_persons_word(fleet: Fleet) -> None:
    one, _ = fleet.clones
    one.gitagent("add", "Something")
    one.gitagent("sync")
    ours = fleet.server.refs()["refs/heads/gitagent/tasks"]
    fleet.server.git("update-ref", "-d", "refs/heads/gitagent/tasks")

    said = one.call("sync")
    assert (said.code, "deleted on the remote" in said.err) == (2, True)

    one.gitagent("sync", "--restore")
    assert fleet.server.refs()["refs/heads/gitagent/tasks"] == ours


def test_claims_live_below_heads_where_the_server_takes_nothing_else(
    tmp_path: Path, server: Folder
) -> None:
    server.only_branches()
    fleet = Fleet.create(tmp_path, server, 1)
    (one,) = fleet.clones
    one.gitagent("add", "Something")
    seen = tmp_path / "seen"

    one.gitagent("next", "--command", f"{DO}; git --git-dir={server.path} for-each-ref > {seen}")

    assert "refs/heads/gitagent-claims/" in seen.read_text()
    assert fleet.recorded()[0]["outcome"] == "succeeded"
    assert not [ref for ref in server.refs() if "claims" in ref]


def test_a_server_that_takes_no_claims_anywhere_is_refused_by_init(
    repo: Repo, server: Folder
) -> None:
    repo.ready()
    server.hook("pre-receive", "exit 1")

    said = repo.call("init", "--share", server.url)

    assert said.code == 2
    assert "cannot hold a queue" in said.err
    assert "gitagent.remote" not in repo.git("config", "--local", "--list")


def test_commit_lands_on_the_remotes_base_however_often_it_moves(fleet: Fleet) -> None:
    one, two = fleet.clones
    fleet.fill([{"title": f"Task {n}"} for n in range(6)])
    command = "echo done > $GITAGENT_TASK.txt"

    codes = [
        runner.process.wait(120)
        for runner in [
            fleet.start(repo, "next", "--count", "3", "--integrate", "commit", "--command", command)
            for repo in (one, two)
        ]
    ]

    assert codes == [0, 0]
    assert fleet.server.git("rev-list", "--count", "main") == "7"
    trailers = fleet.server.git("log", "--format=%(trailers:key=Gitagent-Task,valueonly)", "main")
    assert len(set(trailers.split())) == 6
    assert {task["status"] for task in fleet.tasks().values()} == {"done"}
    assert not [ref for ref in fleet.server.refs() if "claims" in ref]


def test_a_protected_base_leaves_the_work_for_a_person(fleet: Fleet) -> None:
    one, _ = fleet.clones
    task = one.gitagent("add", "Something")
    one.gitagent("sync")
    fleet.server.protect("refs/heads/main")

    said = one.call("next", "--command", DO, "--integrate", "commit")

    assert said.code == 1
    assert "does not take the work on `main`" in said.err
    assert one.status(task) == "waiting"


def test_replies_that_are_lost_after_the_server_applied_them_change_nothing(tmp_path: Path) -> None:
    with http(tmp_path / "hub.git") as server:
        assert isinstance(server, Http)
        fleet = Fleet.create(tmp_path, server, 2)
        fleet.fill([{"title": f"Task {n}"} for n in range(8)])
        server.faults(drop=0.2, seed=7)
        runners = [
            fleet.start(repo, "next", "--count", "4", "--json", "--integrate", "report",
                        "--command", "true")
            for repo in fleet.clones
        ]  # fmt: skip
        for runner in runners:
            runner.process.wait(120)
        dropped = server.counts()["dropped"]
        server.faults()

        tasks = fleet.tasks()

        assert dropped > 0
        assert len(fleet.recorded()) == sum(task["status"] == "done" for task in tasks.values())
        assert {task["status"] for task in tasks.values()} <= {"done", "open"}
