"""Which task is next, and making it ours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

from gitagent import proc
from gitagent.core.claim import DEFAULT_LEASE, Claim
from gitagent.core.errors import Refused
from gitagent.core.graph import Readiness, TaskGraph
from gitagent.core.task import Task
from gitagent.runner.project import Project
from gitagent.store.claims import Claims, Held
from gitagent.store.queue import Queue

_RUNNER = os.urandom(8).hex()
"""This process's own name: random, so that a recycled pid is never taken for us."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A task that may be claimed, and the claim of a dead process to take over, if any."""

    task: Task
    former: Held | None = None


def choices(queue: Queue) -> Iterator[Choice]:
    """Yield the tasks that may be claimed, best first: ready, or held by a dead process."""
    dead = dead_claims(queue)
    for task in free(queue, dead).ready():
        yield Choice(task, dead.get(task.id))


def choose(queue: Queue, start: str) -> Choice:
    """Return one task by the start of its id; raises `Refused` when it cannot be run now."""
    task = queue.find(start)
    dead = dead_claims(queue)
    graph = free(queue, dead)
    if graph.readiness(task) is not Readiness.READY:
        message = f"{task.id} cannot be run: {graph.reason(task) or f'it is {task.status}'}"
        closed = graph.readiness(task) is Readiness.HELD
        hint = f"gitagent update {task.id} --status open" if closed else f"gitagent why {task.id}"
        raise Refused(message, hint=f"see `{hint}`")
    return Choice(task, dead.get(task.id))


def dead_claims(queue: Queue) -> dict[str, Held]:
    """Return the claims whose process is known to have died on this machine."""
    return {
        task: held for task, held in queue.held.items() if proc.is_dead_here(held.claim.process)
    }


def free(queue: Queue, dead: dict[str, Held]) -> TaskGraph:
    """Return the graph as it is without the claims of the dead."""
    alive = {task: each for task, each in queue.graph.running.items() if task not in dead}
    return replace(queue.graph, running=alive)


def claim(project: Project, choice: Choice, base: str) -> Held | None:
    """Claim a task; None when somebody else was faster, or it is not ready any more."""
    wanted = new_claim(project, choice.task.id, base)
    former = choice.former
    if former is not None:
        wanted = replace(wanted, epoch=former.claim.epoch + 1, continues=former.claim.run)
    held = project.claims.take(wanted, project.now(), former.oid if former else None)
    if held is not None and not _still_ready(project, choice.task.id):
        project.claims.release(held)
        return None
    return held


def new_claim(project: Project, task: str, base: str, run: str | None = None) -> Claim:
    """Return a first claim of this process's for a task, or for a landing turn."""
    return Claim(
        task=task,
        run=run or project.new_ulid(),
        runner=_RUNNER,
        process=proc.this_process(),
        epoch=1,
        lease_s=DEFAULT_LEASE,
        base=base,
        nonce=os.urandom(16).hex(),
    )


def take_free_or_dead(project: Project, wanted: Claim) -> Held | None:
    """Take a claim that nobody has, or whose holder died here; None when it is held."""
    claims: Claims = project.claims
    now = claims.held(wanted.task)
    if now is None:
        return claims.take(wanted, project.now())
    if not proc.is_dead_here(now.claim.process):
        return None
    return claims.take(replace(wanted, epoch=now.claim.epoch + 1), project.now(), now.oid)


def _still_ready(project: Project, task: str) -> bool:
    """Look again after winning: what we chose from may have been read before it was done."""
    queue = project.queue()
    running = {each: r for each, r in queue.graph.running.items() if each != task}
    graph = replace(queue.graph, running=running)
    found = graph.tasks.get(task)
    return found is not None and graph.readiness(found) is Readiness.READY
