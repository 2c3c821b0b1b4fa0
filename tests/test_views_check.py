"""Why a task is not ready, and what checks found."""

from __future__ import annotations

from itertools import pairwise

from gitagent.core.checks import Finding, Severity
from gitagent.core.graph import TaskGraph
from gitagent.core.record import finding_json
from gitagent.core.task import Status, Task, WaitingFor
from gitagent.views.check import DEEPEST, finding_line, why_text


def graph_of(*tasks: Task) -> TaskGraph:
    return TaskGraph({each.id: each for each in tasks}, broken=frozenset({"brokn"}))


def test_why_goes_down_to_the_root_causes_and_marks_them() -> None:
    graph = graph_of(
        Task("ships", "Release it", blocked_by=("pager", "brokn")),
        Task("pager", "Fix the pager", blocked_by=("which",)),
        Task("which", "Which pager?", status=Status.WAITING, waiting_for=WaitingFor.ANSWER),
    )

    assert why_text(graph, "ships").split("\n") == [
        "ships (Release it) needs pager, brokn",
        "    pager (Fix the pager) needs which",
        "        -> which (Which pager?) waits for answer",
        "    -> brokn has a broken file: see `gitagent lint`",
    ]


def test_why_says_that_a_ready_task_is_ready() -> None:
    assert why_text(graph_of(Task("pager", "Fix it")), "pager") == "pager (Fix it) is ready"


def test_why_of_a_deep_chain_stays_in_proportion() -> None:
    ids = [f"{number:05}" for number in range(5_000)]
    tasks = [Task(task, "x", blocked_by=(needed,)) for needed, task in pairwise(ids)]

    lines = why_text(graph_of(Task(ids[0], "x"), *tasks), ids[-1]).split("\n")

    assert len(lines) == len(ids)
    assert lines[-1].strip() == "-> (4999) 00000 (x) is ready, and not done yet"
    assert max(map(len, lines)) < 4 * DEEPEST + 60


def test_findings_read_as_a_compiler_prints_them() -> None:
    findings = (
        Finding("unused import", Severity.WARNING, "src/a.py", 3, hint="remove it"),
        Finding("too large\nby far", Severity.ERROR, "a\x1b[31m.bin"),
        Finding("no test was run"),
    )

    assert [finding_line(finding_json(each)) for each in findings] == [
        "src/a.py:3: warning: unused import (remove it)",
        "a.bin: error: too large by far",
        "error: no test was run",
    ]
