"""Stacked work: a task with `stack: true` starts from the offer of what it needs.

When that offer changes, the work is put on top of it as it is now and judged again; only where
that conflicts is it done anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gitagent.core.events import Claimed, Ended, Event, Integrated, Prepared, Rebased, Warned
from gitagent.core.lifecycle import Restacked, transition
from gitagent.core.message import MessageKind
from gitagent.core.run import Candidate
from gitagent.core.task import Status, Task
from gitagent.git.merge import Conflicted
from gitagent.runner.journal import parse_entry
from gitagent.runner.offered import Offered, last_work, with_objects
from gitagent.runner.place import rebase
from gitagent.runner.project import Project
from gitagent.store import messages, tasks
from gitagent.store.queue import Queue

if TYPE_CHECKING:
    from gitagent.runner.work import Work

_OVER = (Claimed, Prepared, Integrated, Ended)
"""What a history that is gone on with leaves out."""


def offer_below(project: Project, queue: Queue, task: Task) -> Offered | None:
    """Return the offer that a stacked task stands on; None where it stands on the base."""
    graph = queue.graph
    for needed in task.blocked_by if task.stack else ():
        below = graph.tasks.get(needed)
        if below is not None and below.status is Status.IN_REVIEW:
            found = last_work(project, queue, below)
            return None if found is None else with_objects(project, found)
    return None


def restack(project: Project, queue: Queue) -> bool:
    """Reopen the stacked offers whose ground has changed; return whether there were any."""
    changed = list(_changed(project, queue))
    for task in changed:
        tasks.update(
            project.branch,
            task.id,
            lambda before: transition(before, Restacked()),
            author=project.author,
            when=project.now(),
            subject="restack",
        )
    return bool(changed)


def _changed(project: Project, queue: Queue) -> Iterator[Task]:
    for task in queue.graph.tasks.values():
        if task.stack and task.status is Status.IN_REVIEW:
            below = offer_below(project, queue, task)
            own = last_work(project, queue, task)
            if below is not None and own is not None and own.record["base_commit"] != below.work:
                yield task


def restacked(work: Work) -> list[Event]:
    """Return the history of a task's offer, put on top of what it stands on now.

    Empty for a first run, for work that a person sent back, and where the two conflict.
    """
    order, repository = work.order, work.project.repository
    if order.start == order.base.commit:
        return []
    former = _offer_to_keep(work)
    if former is None:
        return []
    work.replaces = former
    base = former.record["base_commit"]
    trees = repository.tree_of(base), repository.tree_of(former.work)
    rebased = rebase(repository, order.start, Candidate(base, trees[0], former.work, trees[1]))
    if isinstance(rebased, Conflicted):
        return [Warned("what it stands on has changed, and conflicts with it: done anew")]
    commit = work.commit(rebased.tree, order.start)
    candidate = Candidate(order.start, rebased.base_tree, commit, rebased.tree)
    history = [parse_entry(entry).event for entry in former.record["events"]]
    kept = [event for event in history if not isinstance(event, _OVER)]
    return [*kept, Warned("what it stands on has changed"), Rebased(candidate)]


def _offer_to_keep(work: Work) -> Offered | None:
    project, task = work.project, work.order.task
    former = last_work(project, project.near(task.id), task)
    if former is None or former.record["outcome"] != "succeeded":
        return None
    sent_back = (
        message.id > former.record["run"]  # both are ULIDs, which sort by time
        for message in messages.inbox(project.branch.view(), task.id)
        if message.kind is MessageKind.REJECTION
    )
    return None if any(sent_back) else with_objects(project, former)
