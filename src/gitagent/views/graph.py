"""The task graph as text, Mermaid, Graphviz and JSON.

In all of them work flows from what is needed to what needs it, and a dependency that does
not exist or cannot be read is a node of its own. The SVG is in `views.svg`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gitagent.core.graph import TaskGraph
from gitagent.text import one_line
from gitagent.views.picture import BROKEN, UNKNOWN, Node, Picture, Placed, picture
from gitagent.views.terminal import crop
from gitagent.views.words import NO_TASK

DEEPEST = 16
"""Steps of indentation in the text; deeper tasks stay there and name what they need."""
_TITLE = 60
_DRAWN_TITLE = 40

FILL = {
    "ready": "#ffffff",
    "blocked": "#eceff1",
    "scheduled": "#e8eaf6",
    "running": "#b3e5fc",
    "waiting": "#fff3c4",
    "in_review": "#e1d5f5",
    "done": "#c8e6c9",
    "failed": "#ffcdd2",
    "cancelled": "#cfd8dc",
    UNKNOWN: "#ffffff",
    BROKEN: "#ffffff",
}
"""A light colour for each state; every one is legible under black text."""


def graph_json(graph: TaskGraph, ids: Iterable[str]) -> dict[str, object]:
    """Return `{"nodes": [{id, title, status, state}], "edges": [{task, needs}]}`.

    `state` is ready, blocked, scheduled or running where that is computed, else the status;
    for what is needed but no readable task it is `unknown` or `broken`, and the rest null.
    """
    drawn = picture(graph, ids)
    nodes = [
        {
            "id": each.id,
            "title": graph.tasks[each.id].title if each.id in graph.tasks else None,
            "status": each.status,
            "state": each.state,
        }
        for each in drawn.nodes.values()
    ]
    return {
        "nodes": nodes,
        "edges": [{"task": user, "needs": needed} for needed, user in drawn.edges],
    }


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a node stands in the text: what is before it and before what is below it."""

    before: str
    below: str
    depth: int


def graph_text(graph: TaskGraph, ids: Iterable[str]) -> str:
    """Return the tasks `ids` as a tree in an order of work.

    A task stands below the last of what it needs, so each is there once and after all that
    it needs; one that needs several, or is on a cycle, names them.
    """
    drawn = picture(graph, ids)
    order = drawn.order()
    last = {each.parent: each.node.id for each in order}
    places: dict[str | None, _Place] = {None: _Place("", "", -1)}
    lines = []
    for each in order:
        place = _place(places[each.parent], last=last[each.parent] == each.node.id)
        places[each.node.id] = place
        lines.append(place.before + _text(each, drawn, graph, deep=place.depth >= DEEPEST))
    return "\n".join(lines)


def _place(above: _Place, *, last: bool) -> _Place:
    depth = above.depth + 1
    if depth == 0:
        return _Place("", "", 0)
    branch = "└─ " if last else "├─ "
    below = above.below if depth >= DEEPEST else above.below + ("   " if last else "│  ")
    return _Place(above.below + branch, below, depth)


def _text(placed: Placed, drawn: Picture, graph: TaskGraph, *, deep: bool) -> str:
    node = placed.node
    said = f"{node.marker} {one_line(node.id, _TITLE)}  {crop(node.title, _TITLE)}"
    needs = _to_name(node, drawn, graph)
    if needs and (len(needs) > 1 or deep or placed.parent not in needs):
        said = f"{said}  (needs {one_line(', '.join(needs), 2 * _TITLE)})"
    return f"{said}  (in a cycle)" if placed.closes_cycle else said


def _to_name(node: Node, drawn: Picture, graph: TaskGraph) -> tuple[str, ...]:
    """Return what `node` needs, but for what is done and not drawn."""
    task = graph.tasks.get(node.id)
    if task is None:
        return ()
    missing = graph.missing(task)
    return tuple(n for n in dict.fromkeys(task.blocked_by) if n in drawn.nodes or n in missing)


def graph_mermaid(graph: TaskGraph, ids: Iterable[str]) -> str:
    """Return the graph as a Mermaid flowchart, as GitHub renders it in Markdown."""
    drawn = picture(graph, ids)
    lines = ["flowchart LR"]
    for node in drawn.nodes.values():
        said = _mermaid(f"{one_line(node.id, _TITLE)}: {_drawn(node)}")
        label = f"{_mermaid_marker(node)} {said}"
        lines.append(f'  {_name(node.id)}["{label}"]:::{node.state}')
    lines.extend(f"  {_name(a)} --> {_name(b)}" for a, b in drawn.edges)
    for state in dict.fromkeys(node.state for node in drawn.nodes.values()):
        dashed = ",stroke-dasharray:4" if state in (UNKNOWN, BROKEN) else ""
        lines.append(f"  classDef {state} fill:{FILL[state]},stroke:#37474f,color:#000{dashed}")
    return "\n".join(lines)


def _drawn(node: Node) -> str:
    return crop(node.title, _DRAWN_TITLE)


def _name(task_id: str) -> str:
    """Return a name that is no keyword of Mermaid's or DOT's and has no syntax in it."""
    plain = task_id.isascii() and task_id.isalnum()
    return f"t_{task_id}" if plain else f"x_{task_id.encode('utf-8', 'surrogatepass').hex()}"


def _mermaid_marker(node: Node) -> str:
    return node.marker if node.marker == NO_TASK else f"[{_mermaid(node.marker[1])}]"


def _mermaid(text: str) -> str:
    """Return `text` for a quoted label: all that could be syntax, HTML or Markdown as `#N;`.

    See https://mermaid.js.org/syntax/flowchart.html, "Entity codes to escape characters".
    """
    return "".join(each if each in " ,-" or each.isalnum() else f"#{ord(each)};" for each in text)


def graph_dot(graph: TaskGraph, ids: Iterable[str]) -> str:
    """Return the graph in the DOT language of Graphviz."""
    drawn = picture(graph, ids)
    lines = [
        "digraph gitagent {",
        "  rankdir=LR;",
        '  node [shape=box, style="rounded,filled", fontname="sans-serif"];',
    ]
    for node in drawn.nodes.values():
        label = f"{node.marker} {_dot(one_line(node.id, _TITLE))}\\n{_dot(_drawn(node))}"
        style = ', style="dashed"' if node.status is None else ""
        fill = FILL[node.state]
        lines.append(f'  {_name(node.id)} [label="{label}", fillcolor="{fill}"{style}];')
    lines.extend(f"  {_name(a)} -> {_name(b)};" for a, b in drawn.edges)
    return "\n".join([*lines, "}"])


def _dot(text: str) -> str:
    """Return `text` for a quoted string; Graphviz reads HTML entities in labels too."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
