"""The task graph: what is ready, in which order, and why the rest is not."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from gitagent.core.graph import Readiness, Running, TaskGraph
from gitagent.core.task import Status, Task, WaitingFor

NOW = "2026-11-21T06:00:00Z"
TIMES = ("", "2026-11-21T05:00:00Z", NOW, "2026-11-21T07:00:00Z")
UNKNOWN, BROKEN = "gone0", "brokn"
LONG = 5_000
QUICK = 2.0
"""Seconds; far above linear work on 5,000 tasks, far below quadratic."""


def graph_of(*tasks: Task) -> TaskGraph:
    return TaskGraph({each.id: each for each in tasks}, now=NOW)


def needing(edges: dict[str, Sequence[str]]) -> TaskGraph:
    return graph_of(*(Task(each, "x", blocked_by=tuple(needs)) for each, needs in edges.items()))


def ring(length: int) -> TaskGraph:
    ids = [f"t{number:04}" for number in range(length)]
    return needing({here: (after,) for here, after in pairwise([*ids, ids[0]])})


def chain(length: int) -> TaskGraph:
    ids = [f"t{number:04}" for number in range(length)]
    return needing({here: (after,) for here, after in pairwise(ids)} | {ids[-1]: ()})


@st.composite
def graphs(draw: st.DrawFn) -> TaskGraph:
    ids = [f"t{number:04}" for number in range(draw(st.integers(1, 9)))]
    needs = st.lists(st.sampled_from([*ids, UNKNOWN, BROKEN]), max_size=3, unique=True)
    mostly_done = st.sampled_from([Status.DONE] * 6 + [Status.OPEN] * 6 + list(Status))
    tasks = {
        each: Task(
            each,
            "x",
            status=draw(mostly_done),
            priority=draw(st.integers(0, 2)),
            created=draw(st.sampled_from(TIMES)),
            blocked_by=tuple(draw(needs)),
            not_before=draw(st.sampled_from((None, *TIMES))),
        )
        for each in draw(st.permutations(ids))
    }
    runs = draw(st.sets(st.sampled_from(ids), max_size=2))
    return TaskGraph(
        tasks, {r: Running(f"run-{r}", "r", 1) for r in runs}, frozenset({BROKEN}), NOW
    )


def leads_to(graph: TaskGraph, start: str, goal: str, seen: set[str]) -> bool:
    """Say by plain recursion whether `start` is `goal` or needs it."""
    if start == goal:
        return True
    if start in seen or start not in graph.tasks:
        return False
    seen.add(start)
    return any(leads_to(graph, each, goal, seen) for each in graph.tasks[start].blocked_by)


def needs_itself(graph: TaskGraph, task: Task) -> bool:
    return any(leads_to(graph, each, task.id, set()) for each in task.blocked_by)


def may_start(graph: TaskGraph, task: Task) -> bool:
    """Say what `ready` should, from the words of the design alone."""
    done = {each.id for each in graph.tasks.values() if each.status is Status.DONE}
    return (
        task.status is Status.OPEN
        and task.id not in graph.running
        and set(task.blocked_by) <= done
        and not needs_itself(graph, task)
        and not (task.not_before and task.not_before > NOW)
    )


def quickly(seconds: float) -> None:
    assert seconds < QUICK


@given(graphs())
def test_ready_is_what_is_open_with_all_it_needs_done_and_its_time_come(graph: TaskGraph) -> None:
    expected = {each.id for each in graph.tasks.values() if may_start(graph, each)}

    event(f"{min(len(expected), 3)} ready")
    assert {each.id for each in graph.ready()} == expected


@given(graphs())
def test_ready_tasks_come_by_priority_then_age_then_id(graph: TaskGraph) -> None:
    keys = [(each.priority, each.created, each.id) for each in graph.ready()]

    assert keys == sorted(keys)


@given(graphs())
def test_the_order_of_ready_tasks_does_not_hang_on_how_they_were_read(graph: TaskGraph) -> None:
    turned = TaskGraph(
        {each: graph.tasks[each] for each in reversed(list(graph.tasks))},
        graph.running,
        graph.broken,
        graph.now,
    )

    assert turned.ready() == graph.ready()


def test_priority_comes_before_age_and_age_before_the_id() -> None:
    graph = graph_of(
        Task("aaaaa", "x", priority=2, created="2026-01-02T00:00:00Z"),
        Task("zzzzz", "x", priority=2, created="2026-01-01T00:00:00Z"),
        Task("bbbbb", "x", priority=1, created="2026-01-03T00:00:00Z"),
        Task("ccccc", "x", priority=2, created="2026-01-02T00:00:00Z"),
    )

    assert [each.id for each in graph.ready()] == ["bbbbb", "zzzzz", "aaaaa", "ccccc"]


@settings(max_examples=300)
@given(graphs(), st.data())
def test_a_cycle_is_spelled_out_exactly_when_the_edges_would_close_one(
    graph: TaskGraph, data: st.DataObject
) -> None:
    task_id = data.draw(st.sampled_from(sorted(graph.tasks)))
    needs = data.draw(st.lists(st.sampled_from([*sorted(graph.tasks), UNKNOWN]), max_size=3))

    found = graph.cycle(task_id, needs)

    closes = any(leads_to(graph, each, task_id, set()) for each in needs)
    event("closes" if closes else "is fine")
    assert (found is not None) == closes
    if found is not None:
        assert found[0] == found[-1] == task_id
        assert found[1] in needs
        assert len(set(found)) == len(found) - 1
        assert all(after in graph.tasks[here].blocked_by for here, after in pairwise(found[1:]))


def test_a_cycle_through_any_of_the_new_edges_is_found() -> None:
    graph = needing({"aaaaa": (), "bbbbb": (), "ccccc": ("aaaaa",)})

    assert graph.cycle("aaaaa", ("bbbbb", "ccccc")) == ("aaaaa", "ccccc", "aaaaa")


@given(graphs(), st.data())
def test_why_ends_and_explains_each_task_once(graph: TaskGraph, data: st.DataObject) -> None:
    task_id = data.draw(st.sampled_from([*sorted(graph.tasks), UNKNOWN, BROKEN]))

    causes = graph.why(task_id)

    parents = [here.task for here, below in pairwise(causes) if below.depth > here.depth]
    assert len(parents) == len(set(parents))
    assert all(below.depth <= here.depth + 1 for here, below in pairwise(causes))
    assert {each.task for each in causes if each.root}.isdisjoint(parents)
    task = graph.tasks.get(task_id)
    is_ready = task is not None and may_start(graph, task)
    assert (causes == ()) == is_ready


@given(graphs())
def test_every_task_that_is_not_ready_says_why_in_whole_words(graph: TaskGraph) -> None:
    for task in graph.tasks.values():
        reason = graph.reason(task)
        closed = task.status in (Status.DONE, Status.CANCELLED)
        silent = may_start(graph, task) or (closed and task.id not in graph.running)
        if silent or closed:
            assert reason is None
        else:
            assert reason is not None
            assert not any(gap in reason for gap in ("needs ,", "needs :", "  "))
            assert not reason.endswith((" ", ",", ":"))


def test_a_blocked_task_shows_what_is_below_it_down_to_the_roots() -> None:
    graph = graph_of(
        Task("ships", "x", blocked_by=("bench", "pager")),
        Task("bench", "x", blocked_by=("cache",)),
        Task("pager", "x", blocked_by=("cache",)),
        Task("cache", "x", status=Status.WAITING, waiting_for=WaitingFor.ANSWER),
    )

    said = [(each.depth, each.task, each.text, each.root) for each in graph.why("ships")]

    assert said == [
        (0, "ships", "needs bench, pager", False),
        (1, "bench", "needs cache", False),
        (2, "cache", "waits for answer", True),
        (1, "pager", "needs cache", False),
        (2, "cache", "waits for answer", False),
    ]


@pytest.mark.parametrize(
    ("dependency", "words"),
    [
        (Task("below", "x", status=Status.FAILED), "below failed"),
        (Task("below", "x", status=Status.CANCELLED), "below was cancelled"),
        (Task("below", "x", status=Status.IN_REVIEW), "below is in review"),
        (Task("below", "x"), "below is ready, and not done yet"),
        (Task("other", "x"), "below does not exist"),
    ],
)
def test_the_reason_names_the_dependency_that_holds_a_task_up(dependency: Task, words: str) -> None:
    middle = Task("midst", "x", blocked_by=("below",))
    top = Task("above", "x", blocked_by=("midst",))
    graph = graph_of(dependency, middle, top)

    assert words in str(graph.reason(middle))
    assert words in str(graph.reason(top))


def gone_below(graph: TaskGraph, task_id: str, seen: set[str]) -> set[str]:
    """Return by plain recursion what `task_id` waits for in vain."""
    task = graph.tasks.get(task_id)
    if task_id in graph.running or task_id in seen:
        return set()
    seen.add(task_id)
    if task is None or task.status in (Status.FAILED, Status.CANCELLED):
        return {task_id}
    if task.status is not Status.OPEN:
        return set()
    return {gone for each in task.blocked_by for gone in gone_below(graph, each, seen)}


@settings(max_examples=300)
@given(graphs())
def test_the_reason_names_what_is_waited_for_in_vain_however_deep_it_is(graph: TaskGraph) -> None:
    for task in graph.tasks.values():
        if graph.readiness(task) is not Readiness.BLOCKED:
            continue
        gone = gone_below(graph, task.id, set())
        named = str(graph.reason(task)).split(": ", 1)[-1]
        event("in vain" if gone else "not in vain")
        assert not gone or any(each in named for each in gone)
        assert all(each in named for each in gone & set(task.blocked_by))


@pytest.mark.parametrize(
    ("status", "words"), [(Status.FAILED, "failed"), (Status.CANCELLED, "was cancelled")]
)
def test_what_is_over_is_named_before_what_is_under_way(status: Status, words: str) -> None:
    graph = graph_of(
        Task("above", "x", blocked_by=("midst",)),
        Task("midst", "x", blocked_by=("ready", "asked", "fails")),
        Task("ready", "x"),
        Task("asked", "x", status=Status.WAITING, waiting_for=WaitingFor.ANSWER),
        Task("fails", "x", status=status),
    )

    assert graph.reason(graph.tasks["above"]) == f"needs midst: fails {words}"
    assert graph.reason(graph.tasks["midst"]) == (
        "needs ready, asked, fails: ready is ready, and not done yet; asked waits for answer;"
        f" fails {words}"
    )


def test_what_hangs_on_a_cycle_is_told_of_it() -> None:
    graph = needing(
        {"above": ("chick",), "chick": ("hens0",), "hens0": ("eggs0",), "eggs0": ("hens0",)}
    )

    assert "in a cycle: " in str(graph.reason(graph.tasks["above"]))


def test_reopening_a_task_blocks_its_dependents_again() -> None:
    needs = Task("above", "x", blocked_by=("below",))

    assert graph_of(needs, Task("below", "x", status=Status.DONE)).ready() == (needs,)
    assert needs not in graph_of(needs, Task("below", "x")).ready()


def test_a_chain_of_5000_is_explained_to_its_end() -> None:
    graph = chain(LONG)
    started = time.perf_counter()

    causes = graph.why("t0000")
    reasons = [graph.reason(task) for task in graph.tasks.values()]

    quickly(time.perf_counter() - started)
    assert [each.depth for each in causes] == list(range(LONG))
    assert [each.task for each in causes if each.root] == ["t4999"]
    assert reasons[0] == "needs t0001: t4999 is ready, and not done yet"
    assert [each.id for each in graph.ready()] == ["t4999"]
    assert graph.cycle("t4999", ("t0000",)) == ("t4999", *graph.tasks)


def test_a_cycle_of_5000_is_explained_without_looking_for_it_5000_times() -> None:
    graph = ring(LONG)
    started = time.perf_counter()

    causes = graph.why("t0000")
    reasons = [graph.reason(task) for task in graph.tasks.values()]

    quickly(time.perf_counter() - started)
    assert len(causes) == LONG + 1
    assert graph.ready() == ()
    assert all(reason is not None and len(reason) < 400 for reason in reasons)
    assert causes[LONG - 1].text == (
        "needs t0000, in a cycle: t4999 -> t0000 -> t0001 -> t0002 -> t0003 -> t0004"
        " -> t0005 -> t0006 -> ..."
    )


def test_a_diamond_ladder_has_a_trillion_paths_and_is_explained_once() -> None:
    levels = 40
    edges: dict[str, Sequence[str]] = {
        f"{side}{level:04}": (f"l{level + 1:04}", f"r{level + 1:04}")
        for level in range(levels)
        for side in "lr"
    }
    graph = needing({**edges, f"l{levels:04}": (), f"r{levels:04}": ()})
    started = time.perf_counter()

    causes = graph.why("l0000")

    quickly(time.perf_counter() - started)
    assert len(causes) <= 1 + 2 * len(edges)
    assert {each.task for each in causes if each.root} == {f"l{levels:04}", f"r{levels:04}"}
    assert graph.reason(graph.tasks["l0000"]) is not None


def test_a_short_cycle_is_spelled_out_from_the_task_that_is_asked_about() -> None:
    graph = ring(3)

    assert graph.why("t0001")[0].text == "needs t0002, in a cycle: t0001 -> t0002 -> t0000 -> t0001"


def test_eight_ids_are_spelled_out_and_nine_are_cut() -> None:
    assert ring(8).why("t0000")[0].text.endswith("-> t0007 -> t0000")
    assert ring(9).why("t0000")[0].text.endswith("-> t0007 -> ...")


def test_a_task_that_needs_itself_is_a_cycle_of_one() -> None:
    graph = needing({"self0": ("self0",)})

    assert graph.why("self0")[0].text == "needs self0, in a cycle: self0 -> self0"


def test_a_task_beside_the_spelled_cycle_is_told_which_one_it_is_tied_to() -> None:
    graph = needing({"a0000": ("b0000",), "b0000": ("a0000", "c0000"), "c0000": ("b0000",)})

    assert graph.why("c0000")[0].text == ("needs b0000, tied to the cycle a0000 -> b0000 -> a0000")


def test_what_merely_needs_a_cycle_is_not_said_to_be_in_one() -> None:
    graph = needing({"hens0": ("eggs0",), "eggs0": ("hens0",), "chick": ("eggs0",)})

    assert graph.why("chick")[0].text == "needs eggs0"


def test_two_finished_tasks_that_need_each_other_do_not_hold_up_a_third() -> None:
    graph = graph_of(
        Task("hens0", "x", status=Status.DONE, blocked_by=("eggs0",)),
        Task("eggs0", "x", status=Status.DONE, blocked_by=("hens0",)),
        Task("chick", "x", blocked_by=("eggs0",)),
    )

    assert graph.readiness(graph.tasks["chick"]) is Readiness.READY


def test_a_cycle_whose_other_half_is_done_is_still_told() -> None:
    graph = graph_of(
        Task("hens0", "x", blocked_by=("eggs0",)),
        Task("eggs0", "x", status=Status.DONE, blocked_by=("hens0",)),
    )

    assert graph.reason(graph.tasks["hens0"]) == "is in a cycle: hens0 -> eggs0 -> hens0"


def test_what_a_task_holds_up_is_listed_by_id() -> None:
    graph = needing({"zzzzz": ("below",), "aaaaa": ("below",), "below": ()})

    assert graph.blocks("below") == ("aaaaa", "zzzzz")
    assert graph.blocks("aaaaa") == ()
