"""The graph of tasks: which are ready, and why the others are not.

Edges stay when a task is done; readiness is computed from them, so reopening a task blocks
its dependents again (DESIGN section 2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

from gitagent.core.cycles import components, cycle_texts, way
from gitagent.core.task import BRANCHED, CLOSED, Status, Task


class Readiness(StrEnum):
    """What a task is right now; computed, never stored."""

    READY = "ready"
    BLOCKED = "blocked"
    RUNNING = "running"
    SCHEDULED = "scheduled"
    HELD = "held"  # waiting, in_review, done, failed or cancelled: its own status says it


class Running(NamedTuple):
    """A live claim as readers see it."""

    run: str
    runner: str
    epoch: int


class Cause(NamedTuple):
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
    def _needs(self) -> dict[str, tuple[str, ...]]:
        return {task_id: task.blocked_by for task_id, task in self.tasks.items()}

    @cached_property
    def cycles(self) -> dict[str, str]:
        """The tasks that need themselves, each with words for the cycle it is in."""
        found: dict[str, str] = {}
        for component in components(self._needs, self._blocks):
            inside = {each: self._within(each, component) for each in component}
            if any(inside.values()):
                found.update(cycle_texts(inside))
        return found

    def _within(self, task_id: str, component: set[str]) -> tuple[str, ...]:
        return tuple(each for each in self._needs.get(task_id, ()) if each in component)

    def missing(self, task: Task) -> tuple[str, ...]:
        """Return the dependencies that `task` waits for, in its own order.

        That is those that are not done; a stacked task does not wait for the last of them
        once that is offered as a branch, from which it then starts.
        """
        undone = tuple(each for each in task.blocked_by if not self._is_done(each))
        stands = task.stack and len(undone) == 1 and self._is_offered(undone[0])
        return () if stands else undone

    def _is_done(self, task_id: str) -> bool:
        task = self.tasks.get(task_id)
        return task is not None and task.status is Status.DONE

    def _is_offered(self, task_id: str) -> bool:
        task = self.tasks.get(task_id)
        if task is None or task.status is not Status.IN_REVIEW:
            return False
        return task.integrate is None or task.integrate in BRANCHED

    def readiness(self, task: Task) -> Readiness:
        """Return what `task` is right now."""
        if task.id in self.running:
            return Readiness.RUNNING
        if task.status is not Status.OPEN:
            return Readiness.HELD
        if self.missing(task) or task.id in self.cycles:
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
        missing, loop = self.missing(task), self.cycles.get(task.id)
        if not missing:
            return f"is {loop}"
        text = f"needs {', '.join(missing)}"
        return f"{text}, {loop}" if loop else text

    def reason(self, task: Task) -> str | None:
        """Return in one line why an unfinished task is not ready, with root causes."""
        text = self._text(task.id)
        if text is None or task.status in CLOSED:
            return None
        roots = dict.fromkeys(self._roots[each] for each in self._below(task.id))
        said = [f"{root} {self._text(root) or 'is ready, and not done yet'}" for root in roots]
        return f"{text}: {'; '.join(said)}" if said else text

    @cached_property
    def _roots(self) -> dict[str, str]:
        """The root cause to name of each task that is not done: the most urgent one below it."""
        below = {each: self._below(each) for each in self.tasks}
        blocked = {each for each, needs in below.items() if needs}
        ends = {each for needs in below.values() for each in needs} - blocked
        roots: dict[str, str] = {}
        for root in (*sorted(ends, key=self._urgency), *sorted(blocked & self.cycles.keys())):
            reached = [root]
            for here in reached:
                if here not in roots:
                    roots[here] = root
                    reached += (each for each in self.blocks(here) if each in blocked)
        return roots

    def _urgency(self, task_id: str) -> tuple[int, str]:
        """Order root causes: what nobody works on any more, what waits for people, the rest."""
        task = self.tasks.get(task_id)
        if task is None or task.status in (Status.FAILED, Status.CANCELLED):
            return 0, task_id
        return (1 if self.readiness(task) is Readiness.HELD else 2), task_id

    def cycle(self, task_id: str, needs: Iterable[str]) -> tuple[str, ...] | None:
        """Return the cycle that `task_id` needing `needs` would close, spelled out.

        The first and the last id are `task_id`; None when there would be no cycle.
        """
        for needed in needs:
            path = way(self._needs, needed, task_id)
            if path is not None:
                return (task_id, *path)
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
