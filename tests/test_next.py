"""`next` and `run`: from a ready task to a verified commit, and every way not to get there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from support.story import PYTHON, Repo
from support.waiting import eventually

HULLO = "printf 'hullo\\n' > greeting.txt"
HELLO = "printf 'hello\\n' > greeting.txt"
CHECK = "grep -x hello greeting.txt"
TWICE = f"if grep -q 'last attempt' \"$GITAGENT_PROMPT_FILE\"; then {HELLO}; else {HULLO}; fi"


@pytest.fixture
def repo(repo: Repo) -> Repo:
    return repo.ready()


def test_a_task_becomes_one_verified_commit_on_a_branch_of_its_own(repo: Repo) -> None:
    base = repo.git("rev-parse", "HEAD")
    task = repo.gitagent("add", "Greet the world", "--verify", CHECK)

    printed = repo.gitagent("next", "--agent", "command", "--command", HELLO)

    assert printed == f"gitagent/{task}"
    assert repo.git("rev-list", f"{base}..gitagent/{task}").count("\n") == 0
    assert repo.git("show", f"gitagent/{task}:greeting.txt") == "hello"
    assert repo.status(task) == "in_review"
    record = repo.record(task)
    assert record["outcome"] == "succeeded"
    assert record["verified"] is True
    assert record["commit"] == repo.git("rev-parse", f"gitagent/{task}")
    assert [check["name"] for check in record["attempts"][0]["checks"]] == ["guard", CHECK]


def test_the_commit_is_the_persons_made_by_gitagent_and_says_where_it_comes_from(
    repo: Repo,
) -> None:
    task = repo.gitagent("add", "Greet the world", "--verify", CHECK)
    run = repo.json("next", "--command", HELLO)

    shown = repo.git("show", "-s", "--format=%an <%ae>%n%cn%n%s%n%(trailers)", run["commit"])

    author, committer, subject, *trailers = shown.splitlines()
    assert author == "Ada Lovelace <ada@example.com>"
    assert committer == "gitagent"
    assert subject == "Greet the world"
    assert f"Gitagent-Task: {task}" in trailers
    assert f"Gitagent-Run: {run['run']}" in trailers
    assert "Gitagent-Epoch: 1" in trailers
    assert "Gitagent-Agent: command" in trailers


def test_a_failed_check_is_shown_to_the_agent_and_the_second_attempt_lands(repo: Repo) -> None:
    task = repo.gitagent("add", "Greet", "--verify", f"cat greeting.txt; {CHECK}")

    run = repo.json("next", "--command", TWICE)

    assert run["outcome"] == "succeeded"
    assert [attempt["checks"][-1]["ok"] for attempt in run["attempts"]] == [False, True]
    folder = repo.path / ".git/gitagent/runs" / run["run"]
    prompt = (folder / "attempt-2/prompt.md").read_text()
    assert f"cat greeting.txt; {CHECK} failed with exit status 1" in prompt
    assert "hullo" in prompt
    assert repo.git("show", f"gitagent/{task}:greeting.txt") == "hello"


def test_work_that_never_passes_fails_the_task_and_is_kept_under_a_local_ref(repo: Repo) -> None:
    task = repo.gitagent("add", "Greet", "--verify", CHECK)
    grow = "printf 'hullo\\n' >> greeting.txt"

    run = repo.json("next", "--command", f'printf "$GITAGENT_ATTEMPT" > n.txt; {grow}', code=1)

    assert run["outcome"] == "checks_failed"
    assert len(run["attempts"]) == 3
    assert repo.status(task) == "failed"
    assert repo.git("for-each-ref", f"refs/heads/gitagent/{task}") == ""
    kept = repo.git("show", f"refs/gitagent/runs/{run['run']}:greeting.txt")
    assert kept == "hullo\nhullo\nhullo"


def test_an_attempt_that_changes_nothing_after_a_failure_ends_the_run(repo: Repo) -> None:
    repo.gitagent("add", "Greet", "--verify", CHECK)

    run = repo.json("next", "--command", HULLO, code=1)

    assert run["outcome"] == "checks_failed"
    assert len(run["attempts"]) == 2
    assert "as a failed attempt had them" in run["reason"]


def test_an_agent_that_fails_is_tried_again_with_its_own_output(repo: Repo) -> None:
    task = repo.gitagent("add", "Greet", "--verify", CHECK)
    agent = f"if [ $GITAGENT_ATTEMPT = 1 ]; then echo out of paper; exit 7; fi; {HELLO}"

    run = repo.json("next", "--command", agent)

    assert [attempt["error_class"] for attempt in run["attempts"]] == ["exit", None]
    folder = repo.path / ".git/gitagent/runs" / run["run"]
    prompt = (folder / "attempt-2/prompt.md").read_text()
    assert "ended with exit status 7" in prompt
    assert "out of paper" in prompt
    assert repo.status(task) == "in_review"


def test_what_a_failing_agent_wrote_is_kept(repo: Repo) -> None:
    repo.gitagent("add", "Greet", "--verify", CHECK)

    run = repo.json("next", "--command", f"{HULLO}; exit 1", code=1)

    assert run["outcome"] == "agent_failed"
    assert repo.git("show", f"refs/gitagent/runs/{run['run']}:greeting.txt") == "hullo"


def test_an_agent_that_changes_nothing_is_told_apart(repo: Repo) -> None:
    task = repo.gitagent("add", "Greet", "--verify", "true")

    run = repo.json("next", "--command", "true", code=1)

    assert run["outcome"] == "nothing_changed"
    assert run["commit"] is None
    assert repo.status(task) == "failed"


def test_the_prompt_comes_on_standard_input_and_in_a_file(repo: Repo) -> None:
    body = "Say it in English.\n\n## Acceptance criteria\n\n- [ ] one line\n"
    task = repo.gitagent("add", "Greet", "--body", body, "--verify", "true")

    run = repo.json("next", "--command", 'cat > in.txt; cp "$GITAGENT_PROMPT_FILE" file.txt')

    assert run["outcome"] == "succeeded"
    given = repo.git("show", f"gitagent/{task}:in.txt")
    assert given == repo.git("show", f"gitagent/{task}:file.txt")
    assert f"# Task {task}: Greet" in given
    assert "Say it in English." in given
    assert "- [ ] one line" in given
    assert "`true`" in given


def test_a_protected_path_never_lands_by_itself(repo: Repo) -> None:
    task = repo.gitagent("add", "Change the workflow", "--verify", "true")
    agent = "mkdir -p .GitHub/workflows; echo x > .GitHub/workflows/ci.yml"

    run = repo.json("next", "--command", agent, code=1)

    assert run["outcome"] == "guarded"
    assert run["branch"] is None
    shown = repo.show(task)
    assert (shown["status"], shown["waiting_for"]) == ("waiting", "answer")
    findings = run["attempts"][0]["checks"][0]["findings"]
    assert findings[0]["path"] == ".GitHub/workflows/ci.yml"
    repo.gitagent("accept", task)
    assert repo.git("show", "main:.GitHub/workflows/ci.yml") == "x"
    assert repo.status(task) == "done"


def test_moving_a_protected_file_away_is_a_change_of_it(repo: Repo) -> None:
    repo.gitagent("add", "Move it", "--verify", "true")

    run = repo.json("next", "--command", "mv gitagent.yaml other.yaml", code=1)

    assert run["outcome"] == "guarded"


def test_a_change_outside_what_the_task_allows_goes_back_to_the_agent(repo: Repo) -> None:
    task = repo.gitagent("add", "Greet", "--verify", CHECK, "--allow", "*.txt")
    agent = f"{HELLO}; if grep -q 'outside what'; then rm other.py; else echo x > other.py; fi"

    run = repo.json("next", "--command", agent)

    guard = run["attempts"][0]["checks"][0]
    assert (guard["name"], guard["ok"]) == ("guard", False)
    assert guard["findings"][0]["path"] == "other.py"
    assert repo.git("diff", "--name-only", "main", f"gitagent/{task}") == "greeting.txt"


def test_more_files_than_a_person_can_review_wait_for_that_person(repo: Repo) -> None:
    repo.gitagent("add", "Much", "--verify", "true")

    run = repo.json("next", "--command", "for i in $(seq 101); do echo $i > f$i; done", code=1)

    assert run["outcome"] == "guarded"
    assert "101 files are changed" in run["attempts"][0]["checks"][0]["findings"][0]["message"]


def test_a_check_that_takes_too_long_fails_and_says_so(repo: Repo) -> None:
    config = "version: 1\nverify: [{name: slow, run: 'sleep 60', timeout: 1s}]\n"
    repo.commit_files({"gitagent.yaml": config})
    repo.gitagent("add", "Greet")

    run = repo.json("next", "--command", "date +%N > x", code=1)

    check = run["attempts"][0]["checks"][1]
    assert (check["name"], check["ok"], check["timed_out"]) == ("slow", False, True)
    assert check["exit_code"] is None
    assert check["seconds"] < 10


def test_an_agent_out_of_time_parks_the_task_for_a_bigger_budget(repo: Repo) -> None:
    repo.commit_files({"gitagent.yaml": "version: 1\nbudget: {time: 1s}\n"})
    task = repo.gitagent("add", "Greet")

    run = repo.json("next", "--command", "sleep 60", code=1)

    assert run["outcome"] == "out_of_budget"
    shown = repo.show(task)
    assert (shown["status"], shown["waiting_for"]) == ("waiting", "budget")


def test_checks_come_from_the_base_and_not_from_what_the_agent_wrote(repo: Repo) -> None:
    repo.commit_files({"gitagent.yaml": f"version: 1\nverify: ['{CHECK}']\nprotect: []\n"})
    repo.gitagent("add", "Cheat")

    run = repo.json("next", "--command", "echo 'version: 1' > gitagent.yaml", code=1)

    assert run["outcome"] == "checks_failed"
    assert run["attempts"][0]["checks"][1]["command"] == CHECK


def test_a_check_sees_exactly_the_commit_and_nothing_the_agent_left_beside_it(repo: Repo) -> None:
    repo.commit_files({".gitignore": "cache/\n"})
    repo.gitagent("add", "Cheat", "--verify", "test -e cache/passed", "--verify", "git status -s")
    agent = "mkdir cache; touch cache/passed; echo x > x.txt"

    run = repo.json("next", "--command", agent, code=1)

    assert run["attempts"][0]["checks"][1]["exit_code"] == 1
    assert run["attempts"][0]["checks"][2]["ok"]


def test_what_the_person_ignores_everywhere_is_not_committed(repo: Repo) -> None:
    mine = repo.person.home / ".config/git/ignore"
    mine.parent.mkdir(parents=True)
    mine.write_text("*.swp\n")
    task = repo.gitagent("add", "Greet", "--verify", CHECK)

    repo.gitagent("next", "--command", f"{HELLO}; touch .greeting.txt.swp")

    assert repo.git("diff", "--name-only", "main", f"gitagent/{task}") == "greeting.txt"


def test_a_check_that_edits_files_cannot_hide_it_from_the_next_one(repo: Repo) -> None:
    repo.commit_files({"a.txt": "one\n"})
    repo.gitagent("add", "Edit", "--verify", "echo two > a.txt", "--verify", "grep -x one a.txt")

    run = repo.json("next", "--command", "echo x > b.txt")

    editing, looking = run["attempts"][0]["checks"][1:]
    assert "changed files that git tracks" in editing["findings"][0]["message"]
    assert looking["ok"]


def test_without_any_check_the_run_says_loudly_that_nothing_was_verified(repo: Repo) -> None:
    task = repo.gitagent("add", "Greet")

    said = repo.call("next", "--command", HELLO)

    assert said.code == 0
    assert "nothing verifies this task" in said.err
    assert "unverified" in said.err
    assert repo.record(task)["verified"] is False


def test_a_task_can_be_unverified_on_purpose_and_says_so_everywhere(repo: Repo) -> None:
    repo.commit_files({"gitagent.yaml": "version: 1\nverify: ['false']\n"})
    task = repo.gitagent("add", "Greet", "--verify", "none")

    said = repo.call("next", "--command", HELLO)

    assert said.code == 0
    assert repo.show(task)["verify"] == "none"
    assert repo.record(task)["verified"] is False
    assert "unverified" in repo.record(task)["reason"]


def test_a_check_that_did_not_run_verifies_nothing(repo: Repo) -> None:
    config = "version: 1\nverify: [{name: lint, run: 'false', paths: ['*.py']}]\n"
    repo.commit_files({"gitagent.yaml": config})
    task = repo.gitagent("add", "Greet")

    run = repo.json("next", "--command", HELLO)

    assert "not run" in run["attempts"][0]["checks"][1]["findings"][0]["message"]
    assert "unverified" in run["reason"]
    assert repo.record(task)["verified"] is False


def test_until_the_base_has_a_configuration_detected_checks_are_used_and_named(
    repo: Repo,
) -> None:
    repo.git("rm", "-q", "gitagent.yaml")
    repo.commit_files({"Makefile": "check:\n\tgrep -x hello greeting.txt\n"})
    repo.gitagent("add", "Greet")

    said = repo.call("next", "--command", HELLO, "--json")

    assert said.code == 0
    assert "using detected checks: `make check`" in said.err
    assert [check["name"] for check in said.json["attempts"][0]["checks"]][1] == "make check"


def test_commit_is_refused_until_the_base_has_a_configuration(repo: Repo) -> None:
    repo.git("rm", "-q", "gitagent.yaml")
    repo.commit("no configuration")
    task = repo.gitagent("add", "Greet")

    said = repo.call("next", "--command", HELLO, "--integrate", "commit")

    assert said.code == 2
    assert "needs gitagent.yaml committed on `main`" in said.err
    assert repo.status(task) == "open"


def test_commit_lands_on_the_base_and_moves_the_checkout_with_it(repo: Repo) -> None:
    task = repo.gitagent("add", "Greet", "--verify", CHECK)
    repo.write("wip.txt", "mine")

    run = repo.json("next", "--command", HELLO, "--integrate", "commit")

    assert repo.git("rev-parse", "main") == run["commit"]
    assert repo.status(task) == "done"
    assert (repo.path / "greeting.txt").read_text() == "hello\n"
    assert repo.git("status", "--porcelain") == "?? wip.txt"
    assert repo.git("for-each-ref", "refs/gitagent/claims") == ""


def test_commit_that_meets_a_file_of_the_person_waits_and_lands_by_accept(repo: Repo) -> None:
    task = repo.gitagent("add", "Greet", "--verify", CHECK)
    repo.write("greeting.txt", "my own words")

    run = repo.json("next", "--command", HELLO, "--integrate", "commit", code=1)

    assert run["outcome"] == "needs_attention"
    assert "`greeting.txt` is in the way" in run["reason"]
    assert (repo.path / "greeting.txt").read_text() == "my own words"
    (repo.path / "greeting.txt").unlink()
    repo.gitagent("accept", task)
    assert repo.status(task) == "done"


def test_commit_is_rebased_and_verified_again_when_the_base_moves_meanwhile(repo: Repo) -> None:
    task = repo.gitagent("add", "Greet", "--verify", CHECK)
    move = f"git -C {repo.path} commit -q --allow-empty-message -m moved other.txt"
    repo.write("other.txt", "1")
    repo.git("add", "other.txt")

    run = repo.json("next", "--command", f"{HELLO}; {move}", "--integrate", "commit")

    assert run["outcome"] == "succeeded"
    assert repo.git("log", "--format=%s", "-2", "main").splitlines() == ["Greet", "moved"]
    journal = (repo.path / ".git/gitagent/runs" / run["run"] / "journal.jsonl").read_text()
    events = [json.loads(line)["event"]["event"] for line in journal.splitlines()]
    rebased = events.index("rebased")
    assert events[rebased:].count("checked") == 2
    assert repo.record(task)["verified"] is True


def test_commit_of_what_somebody_else_put_on_the_base_adds_no_empty_commit(repo: Repo) -> None:
    task = repo.gitagent("add", "Greet", "--verify", CHECK)
    repo.write("greeting.txt", "hello\n")
    repo.git("add", "greeting.txt")
    same = f"git -C {repo.path} commit -q -m same greeting.txt"

    run = repo.json("next", "--command", f"{same}; {HELLO}", "--integrate", "commit")

    assert run["outcome"] == "succeeded"
    assert repo.git("log", "-1", "--format=%s", "main") == "same"
    assert repo.status(task) == "done"


def test_commit_that_conflicts_with_the_base_as_it_is_now_waits_with_the_paths(
    repo: Repo,
) -> None:
    task = repo.gitagent("add", "Greet", "--verify", CHECK)
    repo.write("greeting.txt", "mine")
    repo.git("add", "greeting.txt")
    move = f"git -C {repo.path} commit -q -m mine greeting.txt"

    run = repo.json("next", "--command", f"{move}; {HELLO}", "--integrate", "commit", code=1)

    assert run["outcome"] == "needs_attention"
    assert "greeting.txt" in run["reason"]
    assert repo.show(task)["waiting_for"] == "conflict"
    assert repo.git("show", f"refs/gitagent/runs/{run['run']}:greeting.txt") == "hello"


def test_patch_writes_a_file_that_git_applies(repo: Repo) -> None:
    task = repo.gitagent("add", "Greet", "--verify", CHECK)
    agent = f"{HELLO}; printf '\\000\\001' > b.bin"

    repo.gitagent("next", "--command", agent, "--integrate", "patch")

    record = repo.record(task)
    patch = repo.path / ".git/gitagent/runs" / record["run"] / f"{task}.patch"
    repo.git("apply", str(patch))
    assert (repo.path / "greeting.txt").read_text() == "hello\n"
    assert (repo.path / "b.bin").read_bytes() == b"\0\1"
    assert repo.git("for-each-ref", f"refs/heads/gitagent/{task}") == ""
    assert repo.status(task) == "in_review"


def test_none_leaves_the_work_in_its_worktree_and_names_the_place(repo: Repo) -> None:
    repo.gitagent("add", "Greet", "--verify", CHECK)

    said = repo.call("next", "--command", HELLO, "--integrate", "none")

    kept = list(repo.person.home.rglob("work/greeting.txt"))
    assert [path.read_text() for path in kept] == ["hello\n"]
    assert str(kept[0].parent) in said.err


def test_a_report_needs_no_change_and_is_done(repo: Repo) -> None:
    task = repo.gitagent("add", "Look around", "--integrate", "report")

    run = repo.json("next", "--command", "true")

    assert run["outcome"] == "succeeded"
    assert repo.status(task) == "done"


def test_tasks_are_done_in_an_order_that_the_graph_allows(repo: Repo) -> None:
    last = repo.gitagent("add", "Last", "--priority", "0")
    first = repo.gitagent("add", "First", "--priority", "4", "--blocks", last)
    log = repo.path / "order.log"
    agent = f"echo $GITAGENT_TASK >> {log}; echo $GITAGENT_TASK > $GITAGENT_TASK.txt"

    said = repo.call("next", "--all", "--command", agent, "--integrate", "commit")

    assert said.code == 0
    assert log.read_text().split() == [first, last]


def test_next_all_goes_on_after_a_failure_and_says_what_waits(repo: Repo) -> None:
    repo.gitagent("add", "Bad", "--verify", "false")
    repo.gitagent("add", "Good", "--verify", "true")

    said = repo.call("next", "--all", "--command", "date +%N > $GITAGENT_TASK")

    assert said.code == 1
    assert "1 task waits for `gitagent accept" in said.err
    assert "1 failed" in said.err


def test_next_prints_nothing_when_nothing_is_ready_and_says_why(repo: Repo) -> None:
    said = repo.call("next", "--command", "true", "--json")
    assert (said.code, said.out) == (0, "")
    assert "there are no tasks" in said.err


def test_run_on_a_blocked_task_is_refused_with_the_cause(repo: Repo) -> None:
    needed = repo.gitagent("add", "Needed")
    task = repo.gitagent("add", "Needs it", "--needs", needed)

    said = repo.call("run", task, "--command", HELLO)

    assert said.code == 2
    assert f"needs {needed}" in said.err
    assert f"gitagent why {task}" in said.err


def test_a_dry_run_claims_and_changes_nothing(repo: Repo) -> None:
    task = repo.gitagent("add", "Greet", "--verify", CHECK)
    before = repo.git("for-each-ref")

    said = repo.call("next", "--dry-run", "--command", HELLO, "--json")

    assert said.json["task"] == task
    assert said.json["checks"] == [{"name": CHECK, "run": CHECK}]
    assert repo.git("for-each-ref") == before


def test_no_agent_that_can_run_is_refused_before_anything_is_claimed(repo: Repo) -> None:
    task = repo.gitagent("add", "Greet")

    said = repo.call("next")

    assert said.code == 2
    assert "no agent can run here" in said.err
    assert "--command" in said.err
    assert repo.status(task) == "open"


def test_a_task_that_cannot_be_ordered_does_not_stop_the_others(repo: Repo) -> None:
    odd = repo.gitagent("add", "Odd", "--agent", "nobody", "--priority", "0")
    good = repo.gitagent("add", "Good")

    assert repo.json("next", "--command", HELLO)["task"] == good
    said = repo.call("next", "--command", HELLO)
    assert said.code == 2
    assert "there is no agent `nobody`" in said.err
    assert repo.status(odd) == "open"


def test_two_runners_on_one_machine_never_do_the_same_task(repo: Repo) -> None:
    tasks = {repo.gitagent("add", f"Task {number}") for number in range(6)}
    log = repo.path / "done.log"
    argv = [PYTHON, "-m", "gitagent", "next", "--all", "--integrate", "commit",
            "--command", f"echo $GITAGENT_TASK >> {log}; echo x > $GITAGENT_TASK"]  # fmt: skip
    environment = repo.person.environment()

    runners = [
        subprocess.Popen(argv, cwd=repo.path, env=environment, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    said = [runner.communicate(timeout=120)[1].decode() for runner in runners]

    assert [runner.returncode for runner in runners] == [0, 0, 0], said
    assert sorted(log.read_text().split()) == sorted(tasks)
    assert {repo.status(task) for task in tasks} == {"done"}
    assert repo.git("rev-list", "--count", "main") == "7"


def test_ctrl_c_ends_at_a_resumable_point_and_keeps_the_work(repo: Repo) -> None:
    task = repo.gitagent("add", "Greet")
    started = repo.path / "started"
    argv = [PYTHON, "-m", "gitagent", "next", "--command", f"{HULLO}; touch {started}; sleep 60"]
    runner = subprocess.Popen(argv, cwd=repo.path, env=repo.person.environment(),
                              stderr=subprocess.PIPE)  # fmt: skip
    eventually(started.exists)

    runner.send_signal(signal.SIGINT)
    runner.communicate(timeout=30)

    assert runner.returncode == 130
    assert repo.status(task) == "open"
    record = repo.record(task)
    assert record["outcome"] == "interrupted"
    assert repo.git("show", f"refs/gitagent/runs/{record['run']}:greeting.txt") == "hullo"
    assert repo.git("for-each-ref", "refs/gitagent/claims") == ""


def test_a_killed_runner_blocks_nothing_and_loses_nothing(repo: Repo) -> None:
    task = repo.gitagent("add", "Greet", "--verify", CHECK)
    pid_file = repo.path / "agent.pid"
    agent = f"{HULLO}; echo $$ > {pid_file}; exec sleep 60"
    argv = [PYTHON, "-m", "gitagent", "next", "--command", agent]
    runner = subprocess.Popen(argv, cwd=repo.path, env=repo.person.environment(),
                              stderr=subprocess.DEVNULL)  # fmt: skip
    eventually(lambda: pid_file.exists() and pid_file.read_text().strip() != "")
    first = repo.json("status")["running"][0]["run"]

    runner.kill()
    runner.wait(timeout=30)
    eventually(lambda: not Path(f"/proc/{int(pid_file.read_text())}").exists())

    assert repo.json("status")["running"][0]["alive"] is False
    run = repo.json("next", "--command", HELLO)
    assert run["outcome"] == "succeeded"
    record = repo.record(task)
    assert (record["epoch"], record["continues"]) == (2, first)
    kept = list(repo.person.home.rglob(f"{first}/work/greeting.txt"))
    assert [path.read_text() for path in kept] == ["hullo\n"]
    assert repo.git("fsck", "--strict", "--no-dangling") == ""


def test_a_runner_whose_claim_was_taken_lands_nothing_and_keeps_its_work(repo: Repo) -> None:
    task = repo.gitagent("add", "Greet", "--verify", CHECK)
    steal = f"git -C {repo.path} update-ref -d refs/gitagent/claims/{task}"

    run = repo.json("next", "--command", f"{HELLO}; {steal}", code=1)

    assert run["outcome"] == "lost_claim"
    assert repo.status(task) == "open"
    assert repo.git("for-each-ref", f"refs/heads/gitagent/{task}") == ""
    assert repo.git("show", f"refs/gitagent/runs/{run['run']}:greeting.txt") == "hello"


def test_a_person_who_cancels_a_task_while_it_runs_is_heard(repo: Repo) -> None:
    task = repo.gitagent("add", "Greet", "--verify", CHECK)
    cancel = f"{PYTHON} -m gitagent -C {repo.path} update {task} --status cancelled"

    repo.json("next", "--command", f"{HELLO}; {cancel}")

    assert repo.status(task) == "cancelled"
    assert repo.record(task)["outcome"] == "succeeded"


def test_nothing_of_the_environment_but_what_is_allowed_reaches_agent_and_check(
    repo: Repo,
) -> None:
    canary = "canary-7d1f"
    repo.gitagent("add", "Look", "--verify", "env > $HOME/check.env")

    names = ("SECRET_TOKEN", "GIT_AUTHOR_NAME", "ANTHROPIC_API_KEY")
    repo.given(dict.fromkeys(names, canary)).gitagent("next", "--command", "env > agent.env")

    agent = repo.git("show", f"gitagent/{repo.json('list')[0]['id']}:agent.env")
    check = (repo.person.home / "check.env").read_text()
    assert "GITAGENT_PROMPT_FILE=" in agent
    assert canary not in agent + check


def test_output_with_escapes_and_bytes_that_are_no_text_breaks_nothing(repo: Repo) -> None:
    ugly = "printf '\\033[31mred\\033]0;title\\007 \\377\\376 \\r\\n::set-output::\\n'; false"
    task = repo.gitagent("add", "Greet", "--verify", ugly)

    said = repo.call("next", "--command", HELLO, "--json")

    assert said.code == 1
    assert "\x1b" not in said.out + said.err
    assert "\x1b" not in repo.call("log", task, "-v").out
    assert os.fsencode(said.err).decode()


def test_log_shows_every_attempt_with_its_check(repo: Repo) -> None:
    task = repo.gitagent("add", "Greet", "--verify", CHECK)
    repo.gitagent("next", "--command", TWICE)

    log = repo.gitagent("log", task)

    assert "attempt 1" in log
    assert "attempt 2" in log
    assert f"check {CHECK} failed" in log
    assert f"check {CHECK} passed" in log
