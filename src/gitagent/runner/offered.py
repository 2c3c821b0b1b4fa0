"""What a task has to offer: the newest work that was done for it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gitagent.core.errors import Refused
from gitagent.core.record import RecordJson
from gitagent.core.task import Task
from gitagent.git.refs import BRANCHES
from gitagent.runner.project import Project
from gitagent.store.queue import Queue
from gitagent.store.records import records


@dataclass(frozen=True, slots=True)
class Offered:
    """Finished work that waits for a person: its run's record, and the commit as it is now."""

    task: Task
    record: RecordJson
    work: str


def last_work(project: Project, queue: Queue, task: Task) -> Offered | None:
    """Return the newest work of a task, as its branch has it now; None when there is none."""
    for record in reversed(records(project.branch.view(), queue, task.id)):
        if record["commit"] is not None:
            return Offered(task, record, _tip(project, record["branch"]) or record["commit"])
    return None


def _tip(project: Project, branch: str | None) -> str | None:
    """Return the commit of an offer's branch: as it is here, else as the remote has it."""
    if branch is None:
        return None
    here = project.repository.branch_commit(branch)
    if here is not None or not project.upstream.shared:
        return here
    return project.upstream.branch(branch)


def with_objects(project: Project, found: Offered) -> Offered:
    """Fetch the work of another clone; raises `Refused` when it is not to be had."""
    branch = found.record["branch"]
    if branch is not None and project.upstream.shared and found.work not in project.repository.raw:
        project.upstream.follow(branch)
        found = replace(found, work=_tip(project, branch) or found.work)
    if found.work not in project.repository.raw:
        message = f"the work of {found.task.id} is on the machine that made it, not here"
        raise Refused(message, hint=f"see `gitagent log {found.task.id}`")
    return found


def withdraw(project: Project, offered: Offered) -> None:
    """Delete the offer's branch where it still is what was looked at and nobody is on it."""
    name = offered.record["branch"]
    if name is None or project.repository.checkout_of(name) is not None:
        return
    ref = f"{BRANCHES}{name.removeprefix('gitagent/')}"
    project.repository.refs.move({ref: (offered.work, None)})
    if project.upstream.shared:
        project.upstream.move({ref: (offered.work, None)})
