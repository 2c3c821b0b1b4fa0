"""The part of the task graph that a view draws: nodes, edges, and an order of work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from gitagent.core.graph import TaskGraph
from gitagent.text import one_line
from gitagent.views.words import NO_TASK, marker, state

TITLE = 500
"""Characters of a title that a drawing looks at; what is shown of it is fewer."""
UNKNOWN = "unknown"
BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Node:
    """A task, or the ghost of one that does not exist or cannot be read.

    `status` is the stored one, None for a ghost; `state` is computed. `title` is one line
    of cleaned text; for a ghost it says what is wrong.
    """

    id: str
    title: str
    status: str | None
    state: str
    marker: str


@dataclass(frozen=True, slots=True)
class Placed:
    """A node in the order of work: below `parent`, the last of what it needs; None at the top.

    `closes_cycle` is true where something that it needs could only come after it.
    """

    node: Node
    parent: str | None
    closes_cycle: bool = False


@dataclass(frozen=True)
class Picture:
    """Nodes by id in the order they are wished, and what each of them needs among them."""

    nodes: Mapping[str, Node]
    needs: Mapping[str, tuple[str, ...]]

    @cached_property
    def needed_by(self) -> Mapping[str, tuple[str, ...]]:
        """The nodes that need each node, in the order of the nodes."""
        users: dict[str, list[str]] = {each: [] for each in self.nodes}
        for user, needs in self.needs.items():
            for needed in needs:
                users[needed].append(user)
        return {needed: tuple(each) for needed, each in users.items()}

    @property
    def edges(self) -> Iterator[tuple[str, str]]:
        """Pairs of a node and one that needs it."""
        for user, needs in self.needs.items():
            for needed in needs:
                yield needed, user

    def order(self) -> tuple[Placed, ...]:
        """Return each node once, after all it needs but where a cycle makes that impossible.

        Depth first: what a node makes possible comes right after it. Takes time in
        proportion to nodes and edges, and does not recurse.
        """
        return tuple(_Walk(self).run())


class _Walk:
    """The state of one walk: what is open of each node's needs, and what was placed."""

    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        self.open = {each: len(picture.needs[each]) for each in picture.nodes}
        self.placed: set[str] = set()
        self.trail: list[str] = []

    def run(self) -> Iterator[Placed]:
        for each in [each for each, count in self.open.items() if not count]:
            yield from self._below(each, closes_cycle=False)
        for each in self.picture.nodes:
            while each not in self.placed:
                yield from self._below(self._on_cycle(each), closes_cycle=True)

    def _below(self, top: str, *, closes_cycle: bool) -> Iterator[Placed]:
        stack: list[tuple[str, str | None]] = [(top, None)]
        while stack:
            here, parent = stack.pop()
            self.placed.add(here)
            yield Placed(self.picture.nodes[here], parent, closes_cycle and parent is None)
            stack.extend((each, here) for each in reversed(self._freed(here)))

    def _freed(self, placed: str) -> list[str]:
        freed = []
        for user in self.picture.needed_by[placed]:
            self.open[user] -= 1
            if not self.open[user] and user not in self.placed:
                freed.append(user)
        return freed

    def _on_cycle(self, start: str) -> str:
        """Return a node that is held up only by a cycle it is on, going up from `start`."""
        seen: set[str] = set()
        here = start
        while here not in seen:
            seen.add(here)
            here = next(each for each in self.picture.needs[here] if each not in self.placed)
        return here


def picture(graph: TaskGraph, ids: Iterable[str]) -> Picture:
    """Return the picture of the tasks `ids` and of the ghosts they need.

    An id that is no task is a ghost itself. Needs that are tasks outside `ids` are left out.
    """
    wanted = sorted(dict.fromkeys(ids), key=lambda each: _rank(graph, each))
    nodes = {each: _node(graph, each) for each in wanted}
    for each in wanted:
        for needed in _needs(graph, each):
            if needed not in graph.tasks and needed not in nodes:
                nodes[needed] = _node(graph, needed)
    needs = {each: tuple(n for n in _needs(graph, each) if n in nodes) for each in nodes}
    return Picture(nodes, needs)


def _needs(graph: TaskGraph, task_id: str) -> tuple[str, ...]:
    task = graph.tasks.get(task_id)
    return tuple(dict.fromkeys(task.blocked_by)) if task else ()


def _rank(graph: TaskGraph, task_id: str) -> tuple[bool, int, str, str]:
    task = graph.tasks.get(task_id)
    return (False, task.priority, task.created, task_id) if task else (True, 0, "", task_id)


def _node(graph: TaskGraph, task_id: str) -> Node:
    task = graph.tasks.get(task_id)
    if task is None:
        broken = task_id in graph.broken
        said = "has a broken file" if broken else "does not exist"
        return Node(task_id, said, None, BROKEN if broken else UNKNOWN, NO_TASK)
    title = one_line(task.title, TITLE)
    return Node(task_id, title, task.status.value, state(task, graph), marker(task, graph))
