"""The task graph as text, Mermaid, Graphviz, SVG and JSON."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gitagent.core.graph import Readiness, Running, TaskGraph
from gitagent.core.task import Status, Task, WaitingFor
from gitagent.views.graph import FILL, graph_dot, graph_json, graph_mermaid, graph_text
from gitagent.views.picture import picture
from gitagent.views.svg import HEIGHT, WIDTH, graph_svg, layout

Golden = Callable[[str, str], None]
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = 'a "quote" ]\n--> b; <script>alert(1)</script> & `%%{init}%%` \\N #35; \x1b[31m'
DEEP = 5_000
DOT = shutil.which("dot")


def graph_of(*tasks: Task, broken: frozenset[str] = frozenset()) -> TaskGraph:
    return TaskGraph({each.id: each for each in tasks}, broken=broken)


RELEASE = TaskGraph(
    {
        each.id: each
        for each in (
            Task("setup", "Set up the package", status=Status.DONE),
            Task("pager", "Fix the pager", blocked_by=("setup",)),
            Task("cache", "日本語のタイトル", status=Status.IN_REVIEW, blocked_by=("setup",)),
            Task("bench", "Measure the cache", blocked_by=("cache",)),
            Task("ships", "Release it", blocked_by=("pager", "bench", "gone1")),
            Task("agent", "Speed up the start", priority=0),
            Task("which", "Which database?", status=Status.WAITING, waiting_for=WaitingFor.ANSWER),
            Task("hens1", "The hen", blocked_by=("eggs1",)),
            Task("eggs1", "The egg", blocked_by=("hens1",)),
            Task("chick", "The chick", blocked_by=("eggs1", "brokn")),
            Task("fails", "Drop Python 2", status=Status.FAILED),
            Task("never", "Rewrite it all", status=Status.CANCELLED),
        )
    },
    {"agent": Running("01jd3v5k8m0000000000000000", "r1", 1)},
    frozenset({"brokn"}),
)


def chain(length: int, *, closed: bool) -> TaskGraph:
    ids = [f"{number:05}" for number in range(length)]
    tasks = [Task(task, "x", blocked_by=(needed,)) for needed, task in pairwise(ids)]
    first = Task(ids[0], "x", blocked_by=(ids[-1],) if closed else ())
    return graph_of(first, *tasks)


@st.composite
def graphs(draw: st.DrawFn, *, cyclic: bool) -> TaskGraph:
    count = draw(st.integers(1, 12))
    tasks = []
    for number in range(count):
        reach = count + 2 if cyclic else number
        needs = draw(st.lists(st.integers(0, reach - 1), max_size=4)) if reach else []
        tasks.append(Task(f"t{number:04}", "x", blocked_by=tuple(f"t{n:04}" for n in needs)))
    return graph_of(*draw(st.permutations(tasks)))


def test_the_text_of_a_graph_reads_in_an_order_of_work(golden: Golden) -> None:
    golden("graph.txt", graph_text(RELEASE, RELEASE.tasks))


def test_the_mermaid_of_a_graph_is_as_it_was_reviewed(golden: Golden) -> None:
    golden("graph.mmd", graph_mermaid(RELEASE, RELEASE.tasks))


def test_the_dot_of_a_graph_is_as_it_was_reviewed(golden: Golden) -> None:
    golden("graph.dot", graph_dot(RELEASE, RELEASE.tasks))


def test_the_svg_of_a_graph_is_as_it_was_reviewed(golden: Golden) -> None:
    golden("graph.svg", graph_svg(RELEASE, RELEASE.tasks))


def test_the_json_of_a_graph_has_nodes_and_edges_and_ghosts() -> None:
    tasks = (
        Task("aaaaa", "One", status=Status.IN_REVIEW),
        Task("bbbbb", "Two\nlines", blocked_by=("aaaaa", "gone1", "brokn")),
    )

    found = graph_json(graph_of(*tasks, broken=frozenset({"brokn"})), ["aaaaa", "bbbbb"])

    assert found["nodes"] == [
        {"id": "aaaaa", "title": "One", "status": "in_review", "state": "in_review"},
        {"id": "bbbbb", "title": "Two\nlines", "status": "open", "state": "blocked"},
        {"id": "gone1", "title": None, "status": None, "state": "unknown"},
        {"id": "brokn", "title": None, "status": None, "state": "broken"},
    ]
    assert found["edges"] == [
        {"task": "bbbbb", "needs": "aaaaa"},
        {"task": "bbbbb", "needs": "gone1"},
        {"task": "bbbbb", "needs": "brokn"},
    ]


@given(graphs(cyclic=False))
def test_each_task_is_there_once_and_after_all_that_it_needs(graph: TaskGraph) -> None:
    order = [each.node.id for each in picture(graph, graph.tasks).order()]

    assert sorted(order) == sorted(graph.tasks)
    for task in graph.tasks.values():
        assert all(order.index(needed) < order.index(task.id) for needed in task.blocked_by)


@given(graphs(cyclic=True))
def test_with_cycles_and_ghosts_each_node_is_still_there_once(graph: TaskGraph) -> None:
    needed = {each for task in graph.tasks.values() for each in task.blocked_by}
    lines = graph_text(graph, graph.tasks).split("\n")
    drawn = picture(graph, graph.tasks)

    assert set(drawn.nodes) == set(graph.tasks) | needed
    assert len(lines) == len(drawn.nodes)
    assert len(set(layout(drawn).values())) == len(drawn.nodes)


def test_a_task_on_a_cycle_says_so() -> None:
    graph = graph_of(
        Task("aaaaa", "after", blocked_by=("bbbbb",)),
        Task("bbbbb", "hen", blocked_by=("ccccc",)),
        Task("ccccc", "egg", blocked_by=("bbbbb",)),
        Task("ddddd", "self", blocked_by=("ddddd",)),
    )

    assert graph_text(graph, graph.tasks).split("\n") == [
        "[ ] bbbbb  hen  (needs ccccc)  (in a cycle)",
        "├─ [ ] aaaaa  after",
        "└─ [ ] ccccc  egg",
        "[ ] ddddd  self  (needs ddddd)  (in a cycle)",
    ]


def test_a_need_that_is_not_asked_for_is_named_unless_it_is_done() -> None:
    tasks = (
        Task("aaaaa", "done", status=Status.DONE),
        Task("bbbbb", "open"),
        Task("ccccc", "wanted", blocked_by=("aaaaa", "bbbbb")),
    )

    assert graph_text(graph_of(*tasks), ["ccccc"]) == "[ ] ccccc  wanted  (needs bbbbb)"


@pytest.mark.parametrize("closed", [False, True], ids=["chain", "cycle"])
@pytest.mark.parametrize("view", [graph_text, graph_mermaid, graph_dot, graph_svg])
def test_a_graph_5000_deep_neither_recurses_nor_grows_out_of_proportion(
    view: Callable[[TaskGraph, list[str]], str], *, closed: bool
) -> None:
    graph = chain(DEEP, closed=closed)

    shown = view(graph, list(graph.tasks))

    assert shown.count(f"{DEEP - 1:05}") >= 1
    assert len(shown) < DEEP * 400


def test_beyond_the_deepest_indentation_a_task_names_what_it_needs() -> None:
    lines = graph_text(chain(30, closed=False), [f"{n:05}" for n in range(30)]).split("\n")

    assert lines[29].endswith("[ ] 00029  x  (needs 00028)")
    assert lines[29].index("[") == lines[20].index("[")


MERMAID = (
    re.compile(r"flowchart LR"),
    re.compile(
        r'  [tx]_[0-9A-Za-z]*\["(?:\[(?:[ x-]|#\d+;)\]|\?\?\?) [^"`<>\[\]%&\\]*"\]:::[a-z_]+'
    ),
    re.compile(r"  [tx]_[0-9A-Za-z]* --> [tx]_[0-9A-Za-z]*"),
    re.compile(
        r"  classDef [a-z_]+ fill:#[0-9a-f]{6},stroke:#37474f,color:#000(,stroke-dasharray:4)?"
    ),
)


def assert_is_mermaid(text: str) -> None:
    for line in text.split("\n"):
        assert any(form.fullmatch(line) for form in MERMAID), line


@given(title=st.text(), ghost=st.text(min_size=1))
@example(title='"] --> x; `[a](b)` %%{init}%%', ghost="end")
def test_no_title_and_no_id_breaks_out_of_a_mermaid_label(title: str, ghost: str) -> None:
    graph = graph_of(Task("aaaaa", title, blocked_by=(ghost,)), Task("bbbbb", HOSTILE))

    assert_is_mermaid(graph_mermaid(graph, graph.tasks))


DOT_NODE = re.compile(r'  [tx]_\w* \[label="(?:[^"\\]|\\["\\n])*", fillcolor="#[0-9a-f]{6}".*\];')
DOT_EDGE = re.compile(r"  [tx]_\w* -> [tx]_\w*;")


@given(title=st.text(), ghost=st.text(min_size=1))
@example(title='\\N "\\', ghost='"; b -> c')
def test_no_title_and_no_id_breaks_out_of_a_dot_label(title: str, ghost: str) -> None:
    graph = graph_of(Task("aaaaa", title, blocked_by=(ghost,)), Task("bbbbb", HOSTILE))

    for line in graph_dot(graph, graph.tasks).split("\n")[3:-1]:
        assert DOT_NODE.fullmatch(line) or DOT_EDGE.fullmatch(line), line


@pytest.mark.skipif(DOT is None, reason="Graphviz is not installed (no `dot`)")
def test_graphviz_reads_back_the_titles_as_they_are() -> None:
    titles = {"aaaaa": 'a "quote" \\N \\', "bbbbb": "] --> {<b>}", "ccccc": "R&D &lt; 日本語"}
    graph = graph_of(
        Task("aaaaa", titles["aaaaa"], blocked_by=("no such; node",)),
        Task("bbbbb", titles["bbbbb"], blocked_by=("aaaaa",)),
        Task("ccccc", titles["ccccc"], blocked_by=("aaaaa",)),
    )

    drawn = subprocess.run(
        [str(DOT), "-Tsvg"],
        input=graph_dot(graph, graph.tasks).encode(),
        capture_output=True,
        check=True,
        timeout=60,
    )

    shown = [each.text for each in ET.fromstring(drawn.stdout).iter(f"{SVG}text")]
    assert set(titles.values()) <= set(shown)
    assert "[ ] aaaaa" in shown
    assert "??? no such; node" in shown


def boxes(svg: str) -> list[tuple[int, int, list[str]]]:
    found = []
    for group in ET.fromstring(svg).iter(f"{SVG}g"):
        place = re.fullmatch(r"translate\((\d+) (\d+)\)", group.attrib["transform"])
        assert place is not None
        texts = [each.text or "" for each in group if each.tag != f"{SVG}rect"]
        found.append((int(place[1]), int(place[2]), texts))
    return found


@given(graphs(cyclic=True))
def test_no_two_boxes_of_an_svg_overlap(graph: TaskGraph) -> None:
    spots = boxes(graph_svg(graph, graph.tasks))

    for number, (x, y, _) in enumerate(spots):
        for other_x, other_y, _ in spots[:number]:
            assert abs(x - other_x) >= WIDTH or abs(y - other_y) >= HEIGHT


@given(title=st.text(st.characters()), ghost=st.text(st.characters(), min_size=1))
@example(title="\ufffe]]>&amp;\uffff", ghost="\ud800")
def test_no_title_and_no_id_breaks_an_svg(title: str, ghost: str) -> None:
    graph = graph_of(Task("aaaaa", title, blocked_by=(ghost,)), Task("bbbbb", HOSTILE))

    svg = graph_svg(graph, graph.tasks)

    assert len(boxes(svg)) == len({"aaaaa", "bbbbb", ghost})
    assert "<script" not in svg
    svg.encode()


def test_a_box_carries_its_marker_its_title_and_its_state_in_words() -> None:
    svg = graph_svg(RELEASE, RELEASE.tasks)

    shown = {texts[1]: texts for _, _, texts in boxes(svg)}

    assert shown["[~] cache"][0] == "cache in review: 日本語のタイトル"
    assert shown["??? gone1"][0] == "gone1 unknown: does not exist"
    assert shown["??? brokn"][2] == "has a broken file"
    assert len(shown) == len(RELEASE.tasks) + 2


def test_work_flows_from_left_to_right_in_an_svg() -> None:
    places = {texts[1][4:]: x for x, _, texts in boxes(graph_svg(RELEASE, RELEASE.tasks))}

    assert places["setup"] < places["cache"] < places["bench"] < places["ships"]
    assert places["pager"] == places["cache"]


def test_an_svg_refers_to_nothing_outside_itself() -> None:
    svg = graph_svg(RELEASE, RELEASE.tasks)

    assert re.findall(r"https?://[^\"]*|url\([^)]*\)", svg.replace("url(#tip)", "")) == [
        "http://www.w3.org/2000/svg"
    ]
    assert not re.search(r"href|<script|<image|@import|\son\w+=", svg)


def test_every_state_has_a_colour() -> None:
    states = {each.value for each in (*Readiness, *Status)} - {"held", "open"}

    assert states <= set(FILL)


@pytest.mark.parametrize("view", [graph_text, graph_mermaid, graph_dot, graph_svg])
def test_a_graph_of_nothing_is_still_a_document(
    view: Callable[[TaskGraph, list[str]], str],
) -> None:
    shown = view(graph_of(), [])

    assert shown.split("\n")[0].startswith(("flowchart", "digraph", "<svg")) or shown == ""
