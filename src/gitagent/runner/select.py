"""Which task is next, and making it ours."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby

from gitagent import proc
from gitagent.core.claim import Claim
from gitagent.core.errors import Refused
from gitagent.core.graph import Readiness, TaskGraph
from gitagent.core.lifecycle import CLOSED
from gitagent.core.task import Task
from gitagent.runner.project import Project
from gitagent.store.claims import Held
from gitagent.store.layout import task_path
from gitagent.store.queue import Queue

_RUNNER = os.urandom(8).hex()
"""This process's own name: random, so that a recycled pid is never taken for us."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A task that may be claimed, and the abandoned claim to take over, if any."""

    task: Task
    former: Held | None = None


def choices(project: Project, queue: Queue) -> Iterator[Choice]:
    """Yield the tasks that may be claimed, best first: ready, or held by nobody alive."""
    abandoned = abandoned_claims(project, queue)
    ready: Iterable[Task] = free(queue, abandoned).ready()
    if project.upstream.shared:
        known = project.heard()
        ready = _mixed(task for task in ready if known.read(task_path(task.id)) is not None)
    for task in ready:
        yield Choice(task, abandoned.get(task.id))


def choose(project: Project, queue: Queue, start: str) -> Choice:
    """Return one task by the start of its id; raises `Refused` when it cannot be run now."""
    task = queue.find(start)
    abandoned = abandoned_claims(project, queue)
    graph = free(queue, abandoned)
    if graph.readiness(task) is not Readiness.READY:
        message = f"{task.id} cannot be run: {graph.reason(task) or f'it is {task.status}'}"
        closed = graph.readiness(task) is Readiness.HELD
        hint = f"gitagent update {task.id} --status open" if closed else f"gitagent why {task.id}"
        raise Refused(message, hint=f"see `{hint}`")
    if project.upstream.shared and project.heard().read(task_path(task.id)) is None:
        message = f"{task.id} is not in the remote's queue"
        raise Refused(message, hint="run `gitagent sync`")
    return Choice(task, abandoned.get(task.id))


def _mixed(ready: Iterable[Task]) -> Iterator[Task]:
    """Put equally good tasks into a random order, so that runners do not meet (DESIGN 5)."""
    for _, equal in groupby(ready, key=lambda task: task.priority):
        tasks = list(equal)
        random.shuffle(tasks)
        yield from tasks


def abandoned_claims(project: Project, queue: Queue) -> dict[str, Held]:
    """Return the claims that may be taken over.

    Their process is known to have died on this machine, or their value has not changed for a
    whole lease since this clone first saw it (PROTOCOL 3.3).
    """
    ages = project.ages(queue.held.values())
    expired = {task: held for task, held in queue.held.items() if ages[task] >= held.claim.lease_s}
    return {**expired, **dead_claims(queue)}


def dead_claims(queue: Queue) -> dict[str, Held]:
    """Return the claims whose process is known to have died on this machine."""
    return {
        task: held for task, held in queue.held.items() if proc.is_dead_here(held.claim.process)
    }


def free(queue: Queue, abandoned: Mapping[str, Held]) -> TaskGraph:
    """Return the graph as it is without the claims of nobody."""
    alive = {task: each for task, each in queue.graph.running.items() if task not in abandoned}
    return replace(queue.graph, running=alive)


def sweep(project: Project, queue: Queue) -> None:
    """Delete claims that stand for nothing (PROTOCOL 3.4).

    Ours whose run we do not carry out, since the push arrived after we had given up, and
    abandoned ones on tasks that are over.
    """
    ours = project.heart.runs()
    for held in queue.held.values():
        if held.claim.runner == _RUNNER and held.claim.run not in ours:
            project.claims.release(held)
    for task, held in abandoned_claims(project, queue).items():
        found = queue.graph.tasks.get(task)
        if found is None or found.status in CLOSED:
            project.claims.release(held)


def claim(project: Project, choice: Choice, base: str) -> Held | None:
    """Claim a task; None when somebody else was faster, or it is not ready any more.

    The heart knows the run from before the claim is pushed until `heart.end`.
    """
    wanted = _wanted(project, choice, base)
    project.heart.begin(wanted.run)
    former = choice.former.oid if choice.former else None
    held: Held | None = None
    try:
        held = project.claims.take(wanted, project.now(), former)
        if held is not None and _still_ready(project, choice.task.id):
            project.heart.add(held)
            return held
    except BaseException:
        _give_up(project, wanted, held)
        raise
    _give_up(project, wanted, held)
    return None


def _give_up(project: Project, wanted: Claim, held: Held | None) -> None:
    """Give a claim back if it was won, and forget its run: `sweep` finds it should it turn up."""
    project.heart.end(wanted.run)
    if held is not None:
        project.claims.release(held)


def _wanted(project: Project, choice: Choice, base: str) -> Claim:
    wanted = new_claim(project, choice.task.id, base)
    former = choice.former
    if former is None:
        return wanted
    # The same base: what the former run put on it is looked for from there on (PROTOCOL 6.2).
    return replace(
        wanted,
        epoch=former.claim.epoch + 1,
        continues=former.claim.run,
        base=former.claim.base if former.claim.base in project.repository.raw else base,
    )


def new_claim(project: Project, task: str, base: str, run: str | None = None) -> Claim:
    """Return a first claim of this process's for a task, or for a landing turn."""
    return Claim(
        task=task,
        run=run or project.new_ulid(),
        runner=_RUNNER,
        process=proc.this_process(),
        epoch=1,
        lease_s=project.lease,
        base=base,
        nonce="",
    )


def _still_ready(project: Project, task: str) -> bool:
    """Look again after winning: what we chose from may have been read before it was done."""
    project.catch_up()
    queue = project.near(task)
    running = {each: r for each, r in queue.graph.running.items() if each != task}
    graph = replace(queue.graph, running=running)
    found = graph.tasks.get(task)
    return found is not None and graph.readiness(found) is Readiness.READY
