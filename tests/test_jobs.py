"""`next --jobs`, `--all`, `--watch`: many runs at once, and every way in which they end."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from gitagent.core.errors import ExternalError
from gitagent.core.task import Task
from gitagent.runner.board import MOST_ERRORS, Board, Plan
from gitagent.views.matrix import MOST_JOBS, matrix
from support.story import PYTHON, Repo, Said
from support.waiting import eventually

GITAGENT = (PYTHON, "-m", "gitagent")
WAIT = "i=0; while [ {until} ] && [ $i -lt 400 ]; do sleep 0.05; i=$((i+1)); done"
"""Goes on when `until` does not hold any more, or after 20 seconds."""


@pytest.fixture
def repo(repo: Repo) -> Repo:
    return repo.ready()


@pytest.fixture
def log(repo: Repo) -> Path:
    path = repo.person.home / "marks.log"
    path.touch()
    return path


def marked(log: Path, inside: str = "true") -> str:
    """Return a command that writes when it starts and ends, and makes a change."""
    return (
        f"echo start $GITAGENT_TASK >> {log}; {inside}; "
        f"echo $GITAGENT_TASK > $GITAGENT_TASK; echo end $GITAGENT_TASK >> {log}"
    )


def together(log: Path, number: int) -> str:
    """Return a command that waits until `number` commands have started."""
    return WAIT.format(until=f"$(grep -c start {log}) -lt {number}")


def marks(log: Path) -> list[tuple[str, str]]:
    return [(line.split()[0], line.split()[1]) for line in log.read_text().splitlines()]


def crowds(log: Path) -> list[frozenset[str]]:
    """Return which tasks were at work after each mark."""
    now: set[str] = set()
    seen: list[frozenset[str]] = []
    for word, task in marks(log):
        now ^= {task}
        assert (task in now) is (word == "start"), "a task started twice, or ended before it began"
        seen.append(frozenset(now))
    return seen


class Runner:
    """`gitagent` in the background; what it says can be read while it runs."""

    def __init__(self, repo: Repo, *arguments: str) -> None:
        name = f"runner-{time.monotonic_ns()}"
        self._out, self._err = (repo.person.home / f"{name}.{each}" for each in ("out", "err"))
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                (*GITAGENT, *arguments),
                cwd=repo.path,
                env=repo.person.environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    @property
    def said(self) -> str:
        return self._err.read_text()

    def end(self, seconds: float = 30) -> Said:
        code = self.process.wait(seconds)
        return Said(code, self._out.read_text(), self.said)


@contextmanager
def running(repo: Repo, *arguments: str) -> Iterator[Runner]:
    runner = Runner(repo, *arguments)
    try:
        yield runner
    finally:
        runner.process.kill()
        runner.process.wait()


def is_alive(word: str) -> bool:
    """Say whether a process has `word` on its command line."""
    return any(
        word in " ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"])
    )


def claims(repo: Repo) -> str:
    return repo.git("for-each-ref", "refs/gitagent/claims")


def test_twelve_tasks_are_done_once_each_in_an_allowed_order_and_several_at_once(
    repo: Repo, log: Path
) -> None:
    tasks: list[str] = []
    needs: dict[str, list[str]] = {}
    for number in range(12):
        below = [tasks[number - 4], tasks[number - 3]] if number >= 4 else []
        options = [word for each in below for word in ("--needs", each)]
        task = repo.gitagent("add", f"Task {number}", *options)
        needs[task] = below
        tasks.append(task)
    command = marked(log, together(log, 3))

    said = repo.call("next", "--all", "--jobs", "4", "--integrate", "commit", "--command", command)

    assert said.code == 0, said.err
    seen = marks(log)
    assert sorted(task for word, task in seen if word == "start") == sorted(tasks)
    assert 3 <= max(map(len, crowds(log))) <= 4
    for task, below in needs.items():
        assert all(seen.index(("end", each)) < seen.index(("start", task)) for each in below)
    assert {repo.status(task) for task in tasks} == {"done"}
    assert repo.git("rev-list", "--count", "main") == "13"
    assert claims(repo) == ""


def test_a_job_with_nothing_to_do_comes_back_when_a_run_makes_tasks_ready(
    repo: Repo, log: Path
) -> None:
    first = repo.gitagent("add", "First")
    rest = {repo.gitagent("add", f"Task {number}", "--needs", first) for number in range(2)}
    wait = f"[ $GITAGENT_TASK = {first} ] || {{ {together(log, 3)}; }}"
    command = ("--command", marked(log, wait))

    repo.gitagent("next", "--all", "--jobs", "2", "--integrate", "commit", *command)

    assert rest in crowds(log)


def test_jobs_alone_do_one_task_each_and_count_limits_them(repo: Repo, log: Path) -> None:
    for number in range(5):
        repo.gitagent("add", f"Task {number}")

    repo.gitagent("next", "--jobs", "2", "--command", marked(log, together(log, 2)))
    assert len(marks(log)) == 4

    repo.gitagent("next", "--jobs", "2", "--count", "1", "--command", marked(log))
    assert len(marks(log)) == 6


def test_tasks_whose_paths_overlap_are_never_done_at_once(repo: Repo, log: Path) -> None:
    one = {repo.gitagent("add", f"A {n}", "--allow", "src/a/**") for n in range(2)}
    one.add(repo.gitagent("add", "A 2", "--allow", "src/**/a.py"))
    two = {repo.gitagent("add", f"B {n}", "--allow", "docs/**") for n in range(2)}
    sides = " ".join(f"{task}) f=src/a/a.py;;" for task in one)
    sides += " " + " ".join(f"{task}) f=docs/x;;" for task in two)
    command = (
        f"echo start $GITAGENT_TASK >> {log}; {together(log, 2)}; case $GITAGENT_TASK in {sides} "
        f"esac; mkdir -p $(dirname $f); echo $GITAGENT_TASK > $f; echo end $GITAGENT_TASK >> {log}"
    )

    said = repo.call("next", "--all", "--jobs", "4", "--command", command)

    assert said.code == 0, said.err
    seen = crowds(log)
    assert max(len(each & one) for each in seen) == 1
    assert max(len(each & two) for each in seen) == 1
    assert any(each & one and each & two for each in seen)
    assert {task for word, task in marks(log) if word == "end"} == one | two


def test_tasks_whose_paths_overlap_are_done_at_once_when_told_to(repo: Repo, log: Path) -> None:
    for number in range(2):
        repo.gitagent("add", f"Task {number}", "--allow", "*")

    repo.gitagent("next", "--jobs", "2", "--overlap", "--command", marked(log, together(log, 2)))

    assert max(map(len, crowds(log))) == 2


def test_json_is_a_whole_line_for_each_run(repo: Repo, log: Path) -> None:
    tasks = {repo.gitagent("add", f"Task {number} {'x' * 150}") for number in range(8)}
    noise = "yes 'words and words' | head -n 2000"

    said = repo.call("next", "--all", "--jobs", "4", "--json", "--command", marked(log, noise))

    assert said.code == 0, said.err
    runs: list[Any] = [json.loads(line) for line in said.out.splitlines()]
    assert {run["task"] for run in runs} == tasks
    assert len(runs) == len(tasks)
    about = [line.split()[0] for line in said.err.splitlines() if "attempt 1 with" in line]
    assert sorted(about) == sorted(tasks)


@pytest.fixture
def not_under_nohup() -> Iterator[None]:
    """Let SIGHUP be what it usually is: a `nohup` around the tests would be inherited."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("not_under_nohup")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_signal_ends_every_run_after_its_step_and_the_tasks_are_open_again(
    repo: Repo, log: Path, number: int
) -> None:
    tasks = [repo.gitagent("add", f"Task {each}") for each in range(3)]
    command = marked(log, f"sleep 86.{number}")

    with running(repo, "next", "--all", "--jobs", "2", "--command", command) as runner:
        eventually(lambda: len(marks(log)) == 2)
        runner.process.send_signal(number)
        said = runner.end()

    assert said.code == 130, said.err
    assert {repo.status(task) for task in tasks} == {"open"}
    assert claims(repo) == ""
    assert not is_alive(f"sleep 86.{number}")
    begun = {task for _, task in marks(log)}
    assert {repo.record(task)["outcome"] for task in begun} == {"interrupted"}
    assert len(begun) == 2


def test_a_second_ctrl_c_kills_at_once_and_blocks_nobody(repo: Repo, log: Path) -> None:
    tasks = [repo.gitagent("add", f"Task {each}") for each in range(2)]
    stubborn = "trap '' TERM INT; while :; do sleep 0.87; done"

    with running(
        repo, "next", "--all", "--jobs", "2", "--command", marked(log, stubborn)
    ) as runner:
        eventually(lambda: len(marks(log)) == 2)
        runner.process.send_signal(signal.SIGINT)
        eventually(lambda: "stopping" in runner.said)
        asked = time.monotonic()
        runner.process.send_signal(signal.SIGINT)
        said = runner.end(5)
        seconds = time.monotonic() - asked

    assert said.code == 130, said.err
    print(f"F3 from the second Ctrl-C to the end: {seconds:.2f} s")
    assert claims(repo).count("\n") == 1  # nobody gave them back
    eventually(lambda: not is_alive("sleep 0.87"))
    assert repo.call("next", "--all", "--command", "echo x > $GITAGENT_TASK").code == 0
    assert {repo.status(task) for task in tasks} == {"in_review"}


def test_watch_does_what_is_added_later_and_ends_by_ctrl_c(repo: Repo, log: Path) -> None:
    with running(repo, "next", "--watch", "--jobs", "2", "--command", marked(log)) as runner:
        first = repo.gitagent("add", "First")
        eventually(lambda: repo.status(first) == "in_review")
        second = repo.gitagent("add", "Second")
        eventually(lambda: repo.status(second) == "in_review")
        runner.process.send_signal(signal.SIGINT)
        said = runner.end()

    assert said.code == 130
    assert "Traceback" not in said.err


def test_all_waits_for_what_another_process_does_and_says_so(repo: Repo, log: Path) -> None:
    first = repo.gitagent("add", "First")
    last = repo.gitagent("add", "Last", "--needs", first)
    go = repo.person.home / "go"
    wait = WAIT.format(until=f"! -e {go}")
    slow = ("next", "--integrate", "commit", "--command", marked(log, wait))
    rest = ("next", "--all", "--integrate", "commit", "--command", marked(log))

    with running(repo, *slow) as one:
        eventually(lambda: ("start", first) in marks(log))
        with running(repo, *rest) as other:
            eventually(lambda: f"waiting for what runs elsewhere: {first}" in other.said)
            go.touch()
            assert other.end().code == 0
        assert one.end().code == 0

    assert repo.status(last) == "done"
    assert marks(log)[-1] == ("end", last)


def test_without_all_nobody_waits(repo: Repo, log: Path) -> None:
    first = repo.gitagent("add", "First")
    repo.gitagent("add", "Last", "--needs", first)

    said = repo.call("next", "--jobs", "2", "--integrate", "commit", "--command", marked(log))

    assert said.code == 0, said.err
    assert repo.status(first) == "done"


MOODY = """\
from gitagent.agents.command import CommandAgent
from gitagent.core.errors import ExternalError

class Moody(CommandAgent):
    name = "moody"

    def run(self, request, desk, emit, stop):
        if "BREAK" in request.prompt:
            raise ExternalError("the disk is on fire", hint="run")
        if "BUG" in request.prompt:
            raise RuntimeError("a bug in a plug-in")
        return super().run(request, desk, emit, stop)
"""


@pytest.fixture
def moody(repo: Repo) -> Repo:
    """Return a repository in which the agent `moody` is installed, as a plug-in of anyone's is."""
    place = repo.person.home / "plugins"
    about = place / "moody-1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: moody\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[gitagent.agents]\nmoody = moody:Moody\n")
    (place / "moody.py").write_text(MOODY)
    path = f"{repo.person.environment()['PYTHONPATH']}:{place}"
    return repo.given({"PYTHONPATH": path})


def test_an_error_of_one_run_stops_neither_the_others_nor_what_comes_next(moody: Repo) -> None:
    broken = moody.gitagent("add", "BREAK", "--priority", "0")
    good = {moody.gitagent("add", f"Task {number}") for number in range(3)}

    said = moody.call(
        "next",
        "--all",
        "--jobs",
        "2",
        "--agent",
        "moody",
        "--command",
        "echo x > made.txt",
        "--json",
    )

    assert said.code == 1, said.err
    assert f"{broken} broke off" in said.err
    assert "error: the disk is on fire" in said.err
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert {line["task"] for line in lines if "task" in line} == good
    assert [line["error"]["message"] for line in lines if "error" in line] == [
        "the disk is on fire"
    ]
    assert {moody.status(task) for task in good} == {"in_review"}
    assert moody.status(broken) == "open"


def test_five_errors_in_a_row_stop_everything_with_that_error(moody: Repo) -> None:
    tasks = [moody.gitagent("add", f"BREAK {number}") for number in range(7)]

    said = moody.call("next", "--all", "--agent", "moody", "--command", "true")

    assert said.code == 1
    assert said.err.count(" broke off") == MOST_ERRORS
    assert said.err.rstrip().splitlines()[-2] == "error: the disk is on fire"
    assert {moody.status(task) for task in tasks} == {"open"}


def test_a_bug_in_one_run_is_raised_when_the_others_have_stopped(moody: Repo, log: Path) -> None:
    good = moody.gitagent("add", "Good")
    bad = moody.gitagent("add", "BUG")
    go = f"{together(log, 1)}; sleep 86"

    with running(
        moody, "next", "--all", "--jobs", "2", "--agent", "moody", "--command", marked(log, go)
    ) as runner:
        said = runner.end()

    assert said.code == 3, said.err
    assert "this is a bug in gitagent: RuntimeError: a bug in a plug-in" in said.err
    assert moody.record(good)["outcome"] == "interrupted"
    assert moody.status(bad) == "open"


def test_a_task_that_cannot_be_ordered_is_said_when_all_others_are_done(
    repo: Repo, log: Path
) -> None:
    repo.gitagent("add", "Odd", "--agent", "nobody", "--priority", "0")
    good = {repo.gitagent("add", f"Task {number}") for number in range(3)}

    said = repo.call("next", "--all", "--jobs", "2", "--command", marked(log))

    assert said.code == 2
    assert "there is no agent `nobody`" in said.err
    assert {task for _, task in marks(log)} == good


PLAN = Plan(jobs=2, count=None, waits=True, watch=False, overlap=False)


def test_a_task_is_reserved_between_the_question_and_the_claim() -> None:
    board = Board(PLAN)
    assert board.enter(0)
    assert board.enter(1)

    assert not board.avoid(0, Task("aaaaa", "One", allow=("src/**",)))
    assert board.avoid(1, Task("aaaaa", "One", allow=("src/**",)))
    assert board.avoid(1, Task("bbbbb", "Two", allow=("src/a",)))
    assert not board.avoid(1, Task("ccccc", "Three"))
    assert not board.avoid(0, Task("bbbbb", "Two", allow=("src/a",)))
    assert board.avoid(1, Task("bbbbb", "Two", allow=("src/a",)))
    assert not board.avoid(1, Task("aaaaa", "One", allow=("docs/**",)))


def test_a_run_that_leaves_its_task_open_is_not_begun_again_at_once() -> None:
    board = Board(PLAN)
    task = Task("aaaaa", "One")
    record: Any = {"task": task.id, "status": "open"}
    board.enter(0)
    assert not board.avoid(0, task)
    board.claimed(0)

    board.ended(0, record)

    board.enter(0)
    assert board.avoid(0, task)


def test_jobs_that_find_nothing_do_not_wake_each_other_for_ever() -> None:
    board = Board(PLAN)
    board.enter(0)
    board.enter(1)
    began = board.round

    one, other = board.found_nothing(0), board.found_nothing(1)

    assert (one.others, other.others) == (True, False)
    assert board.round == began


def test_errors_of_looking_for_a_task_are_one_while_all_rest() -> None:
    board = Board(Plan(jobs=8, count=None, waits=True, watch=True, overlap=False))
    error = ExternalError("no answer")
    for job in range(8):
        board.enter(job)

    for job in range(8):
        assert board.failed(job, error) is None

    assert board.fatal is None
    assert board.resting() > 0


def test_a_matrix_holds_what_a_job_needs_and_says_what_did_not_fit() -> None:
    tasks = [Task(f"t{number:04}", f"Task\n{number}", labels=("a",)) for number in range(300)]

    value, left_out = matrix(tasks)

    assert left_out == 300 - MOST_JOBS
    assert len(value["include"]) == MOST_JOBS
    assert value["include"][0] == {
        "id": "t0000", "title": "Task\n0", "priority": 2, "labels": ["a"],
        "agent": None, "model": None,
    }  # fmt: skip
    assert "\n" not in json.dumps(value)
    assert matrix([]) == ({"include": []}, 0)


class Terminal:
    """A real terminal of `width` columns, with `gitagent` in it."""

    def __init__(self, repo: Repo, width: int, *arguments: str, **more: str) -> None:
        self._near, far = pty.openpty()
        fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", 30, width, 0, 0))
        self.process = subprocess.Popen(
            (*GITAGENT, *arguments),
            cwd=repo.path,
            env=repo.person.environment(TERM="xterm-256color", **more),
            stdin=far,
            stdout=far,
            stderr=far,
            start_new_session=True,
        )
        os.close(far)
        self.shown = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            while data := os.read(self._near, 65536):
                self.shown += data.decode(errors="replace")
        except OSError:  # the last one who had the terminal open is gone
            return

    def end(self) -> int:
        code = self.process.wait(30)
        self._reader.join(5)
        os.close(self._near)
        return code


@pytest.mark.parametrize(("width", "more"), [(100, {}), (24, {"NO_COLOR": "1"})])
def test_a_terminal_shows_a_live_line_for_each_run_and_takes_it_away(
    repo: Repo, log: Path, width: int, more: dict[str, str]
) -> None:
    tasks = [repo.gitagent("add", f"Task {number}") for number in range(2)]
    go = repo.person.home / "go"
    wait = WAIT.format(until=f"! -e {go}")

    terminal = Terminal(repo, width, "next", "--jobs", "2", "--command", marked(log, wait), **more)
    for task in tasks:
        eventually(lambda task=task: f"{task}  attempt 1" in terminal.shown)  # type: ignore[misc]
    go.touch()
    code = terminal.end()

    assert code == 0, terminal.shown
    assert "\x1b[?25l" in terminal.shown  # the cursor is hidden,
    assert terminal.shown.rindex("\x1b[?25h") > terminal.shown.rindex("\x1b[?25l")  # and back
    screen = screen_of(terminal.shown, width)
    assert not any("attempt 1, command" in line for line in screen), screen
    assert all(any(f"gitagent/{task}" in line for line in screen) for task in tasks)
    assert ("\x1b[1m" in terminal.shown) is not bool(more)


def screen_of(text: str, width: int) -> list[str]:
    """Return all lines that a terminal has shown in the end; what rich does not use fails."""
    rows, at, column = [""], 0, 0
    for found in re.finditer(
        r"\x1b\[(?P<code>[?0-9;]*)(?P<name>[a-zA-Z])|(?P<char>.)", text, re.DOTALL
    ):
        match found["name"], found["char"]:
            case "m" | "h" | "l", None:
                pass
            case "A", None:
                at -= int(found["code"] or 1)
            case "K", None:
                assert found["code"] == "2"
                rows[at] = ""
            case None, "\r":
                column = 0
            case None, "\n":
                at += 1
            case None, char:
                assert char.isprintable(), found
                if column == width:
                    at, column = at + 1, 0
                rows += [""] * (at + 1 - len(rows))
                rows[at] = rows[at][:column].ljust(column) + char + rows[at][column + 1 :]
                column += 1
            case _:
                raise AssertionError(found)
        rows += [""] * (at + 1 - len(rows))
    return rows


def test_list_prints_the_matrix_on_one_line_for_a_jobs_output(repo: Repo) -> None:
    repo.ready()
    first = repo.gitagent("add", "First", "--priority", "0", "--label", "docs")
    second = repo.gitagent("add", "Second")
    repo.gitagent("add", "Blocked", "--needs", first)

    said = repo.call("list", "--matrix")

    assert said.out.count("\n") == 1
    assert [each["id"] for each in said.json["include"]] == [first, second]
    assert said.json["include"][0]["labels"] == ["docs"]
    assert repo.call("list", "--matrix", "--label", "none").json == {"include": []}
