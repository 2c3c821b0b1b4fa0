"""A task as JSON, as a line of the list, and as a page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from gitagent.core.checks import CheckSpec
from gitagent.core.graph import Running, TaskGraph
from gitagent.core.message import Message, MessageKind
from gitagent.core.task import Budget, Integrate, PlanMode, Status, Task, WaitingFor
from gitagent.views.task import task_json, task_page, task_table

Golden = Callable[[str, str], None]
RUN = "01jd3v5k8m0000000000000000"
NOW = "2026-11-21T12:00:00Z"
BODY = "The last page is missing.\n\n## Acceptance criteria\n\n- [x] a test\n- [ ] the mend\n"
PAGER = Task(
    "k3x9m",
    "Fix the pager",
    body=BODY,
    priority=0,
    blocked_by=("setup", "zzzzz"),
    labels=("bug", "ui"),
    created="2026-11-20T08:30:00Z",
    source="https://example.org/issues/7",
    agent="command",
    model="small",
    verify=(CheckSpec("pytest -q", "tests", timeout=60.0),),
    integrate=Integrate.BRANCH,
    budget=Budget(attempts=3, usd=2.5, seconds=600),
    allow=("src/**",),
    plan=PlanMode.NEVER,
)
TASKS = (
    PAGER,
    Task("setup", "Set up the package", status=Status.DONE),
    Task("aaaaa", "日本語のタイトルを直す", status=Status.IN_REVIEW),
    Task("bbbbb", "Rename the option", blocked_by=("aaaaa",)),
    Task("ccccc", "Speed up the start"),
    Task("ddddd", "Which database?", status=Status.WAITING, waiting_for=WaitingFor.ANSWER),
    Task("eeeee", "Drop Python 2", status=Status.FAILED, priority=4),
    Task("fffff", "Rewrite it all", status=Status.CANCELLED),
    Task("ggggg", "Renew the certificate", not_before="2026-12-01T00:00:00Z"),
)
GRAPH = TaskGraph({each.id: each for each in TASKS}, {"ccccc": Running(RUN, "r1", 2)}, now=NOW)

CONTRACT = [
    "id",
    "title",
    "status",
    "waiting_for",
    "ready",
    "running",
    "blocked_by",
    "blocks",
    "reason",
    "priority",
    "labels",
    "source",
    "created",
    "body",
    "acceptance",
]
FRONT_MATTER = [
    "title",
    "status",
    "waiting_for",
    "priority",
    "blocked_by",
    "labels",
    "created",
    "source",
    "agent",
    "model",
    "reviewer",
    "verify",
    "integrate",
    "budget",
    "allow",
    "not_before",
    "stack",
    "plan",
]
MARKER = re.compile(r"\[[ >x?~!-]\] ")


def lone(task: Task) -> TaskGraph:
    return TaskGraph({task.id: task})


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.id)
def test_the_json_of_a_task_has_the_keys_of_the_contract_in_its_order(task: Task) -> None:
    found = list(task_json(task, GRAPH))

    assert found[: len(CONTRACT)] == CONTRACT
    assert found[len(CONTRACT) :] == [each for each in FRONT_MATTER if each not in CONTRACT]


def test_the_json_of_a_task_says_what_is_computed_of_it() -> None:
    pager = json.loads(json.dumps(task_json(PAGER, GRAPH)))

    assert pager["ready"] is False
    assert pager["reason"] == "needs zzzzz: zzzzz does not exist"
    assert pager["acceptance"] == [
        {"text": "a test", "done": True},
        {"text": "the mend", "done": False},
    ]
    assert pager["verify"] == [
        {
            "name": "tests",
            "run": "pytest -q",
            "timeout": 60.0,
            "paths": [],
            "network": "none",
            "env": [],
        }
    ]
    assert pager["budget"] == {
        "attempts": 3,
        "turns": None,
        "tokens": None,
        "usd": 2.5,
        "seconds": 600,
    }
    assert task_json(GRAPH.tasks["setup"], GRAPH)["blocks"] == ["k3x9m"]


def test_the_json_of_a_running_task_names_its_run() -> None:
    found = task_json(GRAPH.tasks["ccccc"], GRAPH)

    assert found["running"] == {"run": RUN, "runner": "r1", "epoch": 2}
    assert found["ready"] is False


def test_the_json_of_a_task_that_no_command_judges_says_none() -> None:
    free = Task("aaaaa", "Write a poem", unverified=True)

    found = task_json(free, lone(free))

    assert found["verify"] == "none"
    assert found["ready"] is True
    assert (found["running"], found["reason"]) == (None, None)


def test_the_list_shows_every_state_without_colour(golden: Golden) -> None:
    golden("list.txt", task_table(TASKS, GRAPH, 100, colour=False))


def test_the_notes_of_a_list_begin_in_one_column_beside_wide_titles() -> None:
    lines = task_table(TASKS, GRAPH, 100, colour=False).split("\n")
    notes = ("  in review, not", "  needs aaaaa", "  running as", "  waits for answer", "  not to")

    columns = {
        cell_len(line[: line.index(note)]) for line in lines for note in notes if note in line
    }

    assert len(columns) == 1


def test_colour_adds_styles_and_nothing_else() -> None:
    coloured = task_table(TASKS, GRAPH, 100, colour=True)

    assert "\x1b[31m[!]\x1b[0m eeeee" in coloured
    assert re.sub(r"\x1b\[\d+m", "", coloured) == task_table(TASKS, GRAPH, 100, colour=False)


def test_the_line_of_a_ready_task_is_its_marker_its_id_and_its_title() -> None:
    ready = Task("aaaaa", "Write a poem")

    assert task_table([ready], lone(ready), 80, colour=False) == "[ ] aaaaa  Write a poem"


def test_a_list_of_nothing_is_empty() -> None:
    assert task_table([], GRAPH, 80, colour=False) == ""


@given(titles=st.lists(st.text(), min_size=1, max_size=5), width=st.integers(40, 200))
def test_no_title_breaks_a_list(titles: list[str], width: int) -> None:
    tasks = [
        Task(f"aaaa{number}", title, blocked_by=("zzzzz",)) for number, title in enumerate(titles)
    ]
    graph = TaskGraph({each.id: each for each in tasks})

    lines = task_table(tasks, graph, width, colour=False).split("\n")

    assert len(lines) == len(tasks)
    for task, line in zip(tasks, lines, strict=True):
        assert MARKER.match(line)
        assert line[4:].startswith(task.id)
        assert "\x1b" not in line
        assert cell_len(line) <= width


def test_the_page_of_a_task_is_what_show_prints(golden: Golden) -> None:
    because = Message(
        RUN,
        "k3x9m",
        "Ann <a@b.c>",
        MessageKind.REJECTION,
        "Not yet:\nno test",
        "2026-11-20T09:00:00Z",
    )

    golden("show.txt", task_page(PAGER, GRAPH, [], [because]))


def test_the_page_of_a_task_names_a_dependency_with_a_broken_file() -> None:
    graph = replace(GRAPH, broken=frozenset({"zzzzz"}))

    assert "??? zzzzz  has a broken file" in task_page(PAGER, graph, [], [])


@given(text=st.text())
def test_no_text_of_a_task_reaches_the_terminal_as_a_command(text: str) -> None:
    hostile = f"{text}\x1b]0;owned\x07\x9b2J\r{text}"
    task = Task(
        "aaaaa", hostile, body=hostile, labels=(hostile,), source=hostile, blocked_by=(hostile,)
    )
    inbox = [Message(RUN, "aaaaa", hostile, MessageKind.NOTE, hostile, NOW)]

    for shown in (
        task_page(task, lone(task), [], inbox),
        task_table([task], lone(task), 80, colour=False),
    ):
        assert not set(shown) & {"\x1b", "\x07", "\x9b", "\r", "\x00"}
