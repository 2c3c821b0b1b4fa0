"""The graph of tasks: which are ready, and why the others are not.

Edges stay when a task is done; readiness is computed from them, so reopening a task blocks
its dependents again (DESIGN section 2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from gitagent.core.claim import Running
from gitagent.core.lifecycle import CLOSED
from gitagent.core.task import Status, Task


class Readiness(StrEnum):
    """What a task is right now; computed, never stored."""

    READY = "ready"
    BLOCKED = "blocked"
    RUNNING = "running"
    SCHEDULED = "scheduled"
    HELD = "held"  # waiting, in_review, done, failed or cancelled: its own status says it


@dataclass(frozen=True, slots=True)
class Cause:
    """One line of why a task is not ready; `depth` is how far below the task it stands.

    A root is a cause that has no cause below it: there something can be done.
    """

    task: str
    text: str
    depth: int
    root: bool


@dataclass(frozen=True)
class TaskGraph:
    """Tasks by id, what runs, and what could not be read.

    `broken` are ids whose file is not readable; `now` is RFC 3339 in UTC and compared with
    `not_before`, which has the same form.
    """

    tasks: Mapping[str, Task]
    running: Mapping[str, Running] = field(default_factory=dict)
    broken: frozenset[str] = frozenset()
    now: str = ""

    @cached_property
    def _blocks(self) -> dict[str, tuple[str, ...]]:
        edges: dict[str, list[str]] = {}
        for task in self.tasks.values():
            for needed in task.blocked_by:
                edges.setdefault(needed, []).append(task.id)
        return {needed: tuple(sorted(ids)) for needed, ids in edges.items()}

    def blocks(self, task_id: str) -> tuple[str, ...]:
        """Return the ids of the tasks that need `task_id`."""
        return self._blocks.get(task_id, ())

    @cached_property
    def _cyclic(self) -> frozenset[str]:
        return frozenset(_not_peeled({i: t.blocked_by for i, t in self.tasks.items()}))

    def missing(self, task: Task) -> tuple[str, ...]:
        """Return the dependencies of `task` that are not done, in its own order."""
        return tuple(each for each in task.blocked_by if not self._is_done(each))

    def _is_done(self, task_id: str) -> bool:
        task = self.tasks.get(task_id)
        return task is not None and task.status is Status.DONE

    def readiness(self, task: Task) -> Readiness:
        """Return what `task` is right now."""
        if task.id in self.running:
            return Readiness.RUNNING
        if task.status is not Status.OPEN:
            return Readiness.HELD
        if self.missing(task) or task.id in self._cyclic:
            return Readiness.BLOCKED
        if task.not_before is not None and task.not_before > self.now:
            return Readiness.SCHEDULED
        return Readiness.READY

    def ready(self) -> tuple[Task, ...]:
        """Return the tasks that may be claimed: by priority, then oldest first, then by id."""
        found = [t for t in self.tasks.values() if self.readiness(t) is Readiness.READY]
        return tuple(sorted(found, key=lambda task: (task.priority, task.created, task.id)))

    def why(self, task_id: str) -> tuple[Cause, ...]:
        """Return why `task_id` is not ready, down to the root causes; empty when it is.

        Depth first; a task that many paths lead to is explained once.
        """
        causes: list[Cause] = []
        explained: set[str] = set()
        stack = [(task_id, 0)]
        while stack:
            here, depth = stack.pop()
            below = () if here in explained else self._below(here)
            if depth or self._text(here) is not None:
                text = self._text(here) or "is ready, and not done yet"
                root = not below and here not in explained
                causes.append(Cause(here, text, depth, root))
            explained.add(here)
            stack.extend((each, depth + 1) for each in reversed(below))
        return tuple(causes)

    def _below(self, task_id: str) -> tuple[str, ...]:
        task = self.tasks.get(task_id)
        if task is None or self.readiness(task) is not Readiness.BLOCKED:
            return ()
        return self.missing(task)

    def _text(self, task_id: str) -> str | None:
        """Return why a task is not ready, leaving out what is below; None when it is."""
        if task_id in self.broken:
            return "has a broken file: see `gitagent lint`"
        task = self.tasks.get(task_id)
        if task is None:
            return "does not exist"
        match self.readiness(task):
            case Readiness.READY:
                return None
            case Readiness.RUNNING:
                return f"is running as {self.running[task.id].run}"
            case Readiness.SCHEDULED:
                return f"is not to be started before {task.not_before}"
            case Readiness.HELD:
                return _held(task)
            case Readiness.BLOCKED:
                return self._blocked(task)

    def _blocked(self, task: Task) -> str:
        text = f"needs {', '.join(self.missing(task))}"
        loop = self.cycle(task.id, task.blocked_by) if task.id in self._cyclic else None
        return f"{text}, in a cycle: {' -> '.join(loop)}" if loop else text

    def reason(self, task: Task) -> str | None:
        """Return in one line why an unfinished task is not ready, with root causes."""
        text = self._text(task.id)
        if text is None or task.status in CLOSED:
            return None
        roots = dict.fromkeys(self._root(each) for each in self._below(task.id))
        said = [f"{root} {self._text(root) or 'is ready, and not done yet'}" for root in roots]
        return f"{text}: {'; '.join(said)}" if said else text

    def _root(self, task_id: str) -> str:
        """Return the task at the end of the first chain of causes below `task_id`."""
        seen: dict[str, None] = {}
        here = task_id
        while here not in self._roots and here not in seen:
            seen[here] = None
            below = self._below(here)
            here = below[0] if below else here
        root = self._roots.get(here, here)
        self._roots.update(dict.fromkeys(seen, root))
        return root

    @cached_property
    def _roots(self) -> dict[str, str]:
        return {}

    def cycle(self, task_id: str, needs: Iterable[str]) -> tuple[str, ...] | None:
        """Return the cycle that `task_id` needing `needs` would close, spelled out.

        The first and the last id are `task_id`; None when there would be no cycle.
        """
        for needed in needs:
            path = self._path(needed, task_id)
            if path is not None:
                return (task_id, *path)
        return None

    def _path(self, start: str, goal: str) -> tuple[str, ...] | None:
        came: dict[str, str | None] = {start: None}
        queue = [start]
        for here in queue:
            if here == goal:
                return _trail(came, here)
            task = self.tasks.get(here)
            for needed in task.blocked_by if task else ():
                if needed not in came:
                    came[needed] = here
                    queue.append(needed)
        return None


def _held(task: Task) -> str:
    match task.status:
        case Status.WAITING:
            return f"waits for {task.waiting_for or 'a person'}"
        case Status.IN_REVIEW:
            return "is in review, not accepted or merged yet"
        case Status.FAILED:
            return "failed"
        case Status.CANCELLED:
            return "was cancelled"
        case Status.DONE:
            return "is done"
        case Status.OPEN:
            return "is open"


def _trail(came: Mapping[str, str | None], end: str) -> tuple[str, ...]:
    trail = [end]
    while (before := came[trail[-1]]) is not None:
        trail.append(before)
    return tuple(reversed(trail))


def _not_peeled(edges: Mapping[str, Sequence[str]]) -> set[str]:
    """Return the nodes that can reach themselves, after peeling those that cannot."""
    left = {node: {n for n in needs if n in edges} for node, needs in edges.items()}
    users: dict[str, set[str]] = {}
    for node, needs in left.items():
        for needed in needs:
            users.setdefault(needed, set()).add(node)
    free = [node for node, needs in left.items() if not needs]
    while free:
        done = free.pop()
        del left[done]
        for user in users.get(done, ()):
            left[user].discard(done)
            if not left[user]:
                free.append(user)
    return set(left)
