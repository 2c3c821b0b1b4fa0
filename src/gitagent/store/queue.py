"""The queue as a reader sees it: the tasks branch, with what has landed laid over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gitagent.core.errors import BadInput, UnknownTask
from gitagent.core.graph import Running, TaskGraph
from gitagent.core.lifecycle import Ran, transition
from gitagent.core.outcome import Outcome
from gitagent.core.record import RecordJson
from gitagent.core.task import BrokenFile, Integrate, Task, WaitingFor

if TYPE_CHECKING:
    from gitagent.store.claims import Held, Landed


@dataclass(frozen=True, slots=True)
class Queue:
    """Everything at one moment, or a part of it. `commit` is the tip of the tasks branch.

    In a part (`Index.part`) the graph lacks tasks that nobody asked for; the rest is whole.
    """

    commit: str | None
    graph: TaskGraph
    broken: tuple[BrokenFile, ...]
    held: Mapping[str, Held]
    landed: Mapping[str, Landed]

    def find(self, start: str) -> Task:
        """Return the task whose id is `start`, or the only one whose id starts so.

        Raises `UnknownTask`, or `BadInput` when the file of that task is broken.
        """
        tasks = self.graph.tasks
        if start in tasks:
            return tasks[start]
        matches = sorted(task for task in tasks if start and task.startswith(start.lower()))
        if len(matches) == 1:
            return tasks[matches[0]]
        if matches:
            message = f"`{start}` could be {', '.join(matches[:8])}"
            raise UnknownTask(message, hint="type more of the id")
        raise self._unknown(start)

    def _unknown(self, start: str) -> BadInput | UnknownTask:
        for broken in self.broken:
            if start and broken.id is not None and broken.id.startswith(start):
                return BadInput(broken.message, file=broken.path, line=broken.line)
        return UnknownTask(f"there is no task `{start}`", hint="see `gitagent list --all`")


def build(
    commit: str | None,
    tasks: Mapping[str, Task],
    broken: tuple[BrokenFile, ...],
    claims: Mapping[str, Held | Landed],
    now: str,
) -> Queue:
    """Return the queue: a claim means running, a landing moves the task (PROTOCOL section 2)."""
    part = of(commit, TaskGraph({}), broken, claims)
    overlaid = dict(tasks)
    for task, landing in part.landed.items():
        if task in overlaid:
            overlaid[task] = transition(overlaid[task], ran(landing.record))
    graph = TaskGraph(
        tasks=overlaid,
        running={
            task: Running(each.claim.run, each.claim.runner, each.claim.epoch)
            for task, each in part.held.items()
        },
        broken=frozenset(each.id for each in broken if each.id is not None),
        now=now,
    )
    return replace(part, graph=graph)


def of(
    commit: str | None,
    graph: TaskGraph,
    broken: tuple[BrokenFile, ...],
    claims: Mapping[str, Held | Landed],
) -> Queue:
    """Return the queue that has `graph`, in which the claims are counted already."""
    from gitagent.store.claims import Held, Landed  # noqa: PLC0415  `ran` needs no pygit2

    held = {task: claim for task, claim in claims.items() if isinstance(claim, Held)}
    landed = {task: claim for task, claim in claims.items() if isinstance(claim, Landed)}
    return Queue(commit, graph, broken, held, landed)


def ran(record: RecordJson) -> Ran:
    """Return the event that a landed record is for its task."""
    waiting_for = record["waiting_for"]
    return Ran(
        outcome=Outcome(record["outcome"]),
        integrate=Integrate(record["integrate"]),
        waiting_for=WaitingFor(waiting_for) if waiting_for else None,
        not_before=record["not_before"],
    )
