"""What a person does with finished work: accept it, send it back, or discard it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gitagent.core.checks import CheckResult, CheckSpec
from gitagent.core.errors import ConflictError, GitagentError, Refused
from gitagent.core.lifecycle import Accepted, Dropped, Merged, SentBack, TaskEvent, transition
from gitagent.core.message import Message, MessageKind
from gitagent.core.protocols import Stop
from gitagent.core.run import Candidate
from gitagent.core.task import Status, Task
from gitagent.git import commits, merge
from gitagent.git.repository import Repository
from gitagent.runner.bases import move_base
from gitagent.runner.bench import Bench
from gitagent.runner.checks.guard import Rules
from gitagent.runner.next import detected
from gitagent.runner.offered import Offered, last_work, with_objects, withdraw
from gitagent.runner.order import merge_checks
from gitagent.runner.place import rebase
from gitagent.runner.project import Base, Project
from gitagent.runner.stack import offer_below
from gitagent.store import messages, tasks
from gitagent.store.branch import Edit
from gitagent.store.queue import Queue

_OFFERED = frozenset({Status.IN_REVIEW, Status.WAITING})


@dataclass(frozen=True, slots=True)
class Landing:
    """What `accept` did: the base's new commit, and what was verified again for it."""

    branch: str
    commit: str
    results: tuple[CheckResult, ...]


def offer(project: Project, queue: Queue, start: str) -> Offered:
    """Return the work that waits for a person; raises `Refused` when there is none."""
    task = queue.find(start)
    found = last_work(project, queue, task)
    if task.status not in _OFFERED or found is None:
        message = f"{task.id} offers nothing: it is {task.status.replace('_', ' ')}"
        raise Refused(message, hint=f"see `gitagent show {task.id}`")
    return with_objects(project, found)


def accept(
    project: Project, offered: Offered, stop: Stop, tell: Callable[[CheckResult], None]
) -> Landing:
    """Land an offer on the base: on top of it as it is now, verified again if that differs.

    Raises `ConflictError` on a conflict, or when the checkout is in the way, and
    `GitagentError` when a check fails; nothing was changed then.
    """
    base = project.base()
    _refuse_above(project, offered, base)
    if merge.contains(project.repository, base.commit, offered.work):
        landing = Landing(base.branch, offered.work, ())
    else:
        landing = _land(project, base, offered, stop, tell)
    _finish(project, offered.task.id, Accepted(), "accept")
    withdraw(project, offered)
    return landing


def _refuse_above(project: Project, offered: Offered, base: Base) -> None:
    """Refuse work that stands on an offer which nobody has accepted."""
    below = offer_below(project, project.near(offered.task.id), offered.task)
    if below is not None and not merge.contains(project.repository, base.commit, below.work):
        message = f"{offered.task.id} stands on {below.task.id}, which is not accepted yet"
        raise Refused(message, hint=f"run `gitagent accept {below.task.id}` first")


def _land(
    project: Project,
    base: Base,
    offered: Offered,
    stop: Stop,
    tell: Callable[[CheckResult], None],
) -> Landing:
    candidate = _on_base(project, base, offered)
    results: tuple[CheckResult, ...] = ()
    if candidate.tree != offered.record["tree"]:
        results = _verify(project, base, offered, candidate, stop, tell)
    move_base(project, base.branch, base.commit, candidate.commit)
    return Landing(base.branch, candidate.commit, results)


def _on_base(project: Project, base: Base, offered: Offered) -> Candidate:
    repository = project.repository
    tree = repository.tree_of(offered.work)
    if merge.contains(repository, offered.work, base.commit):
        return Candidate(base.commit, repository.tree_of(base.commit), offered.work, tree)
    start = _start(repository, base, offered)
    candidate = Candidate(start, repository.tree_of(start), offered.work, tree)
    rebased = rebase(repository, base.commit, candidate)
    if isinstance(rebased, merge.Conflicted):
        named = ", ".join(f"`{path}`" for path in rebased.paths)
        message = f"{offered.task.id} conflicts with `{base.branch}` as it is now: {named}"
        hint = f"merge it by hand, or run `gitagent reject {offered.task.id} --because ...`"
        raise ConflictError(message, hint=hint)
    original = repository.commit(offered.work).message
    draft = commits.Draft(rebased.tree, (base.commit,), original, project.author, project.now())
    commit = commits.write_signed(repository, draft)
    return Candidate(base.commit, rebased.base_tree, commit, rebased.tree)


def _start(repository: Repository, base: Base, offered: Offered) -> str:
    """Return the commit that the work stands on: a person may have rebased it meanwhile."""
    recorded = offered.record["base_commit"]
    if merge.contains(repository, offered.work, recorded):
        return recorded
    return merge.parted(repository, base.commit, offered.work) or recorded


def _verify(
    project: Project,
    base: Base,
    offered: Offered,
    candidate: Candidate,
    stop: Stop,
    tell: Callable[[CheckResult], None],
) -> tuple[CheckResult, ...]:
    """Run the commands on the tree that would land; the guard was for the person to overrule."""
    checks = _checks(project, base, offered.task)
    run = offered.record["run"]
    folder = project.slots() / f"{run}-accept"
    bench = Bench(project, checks, Rules((), ()), folder, project.run_folder(run) / "accept", stop)
    bench.logs.mkdir(parents=True, exist_ok=True)
    results = []
    try:
        for spec in checks:
            result = bench.judge(spec.name, candidate, (), spec.timeout)
            if result is None:
                message = "stopped before everything was verified; nothing was changed"
                raise GitagentError(message)
            tell(result)
            results.append(result)
    finally:
        bench.close()
    _refuse_failed(offered, base, results)
    return tuple(results)


def _checks(project: Project, base: Base, task: Task) -> tuple[CheckSpec, ...]:
    if task.unverified:
        return ()
    own = base.config.verify if base.config.exists else detected(project, base.commit)
    return merge_checks(own, task.verify)


def _refuse_failed(offered: Offered, base: Base, results: list[CheckResult]) -> None:
    failed = [result for result in results if not result.ok]
    if failed:
        names = ", ".join(f"`{result.name}`" for result in failed)
        message = f"on top of `{base.branch}` as it is now, {names} failed; nothing was changed"
        hint = f"run `gitagent reject {offered.task.id} --because ...`, or see {failed[0].log}"
        raise GitagentError(message, hint=hint)


def reject(project: Project, queue: Queue, start: str, because: str) -> Task:
    """Send work back: the reason goes into the task's inbox, and the task is open again."""
    task = queue.find(start)
    found = last_work(project, queue, task)
    if transition(task, SentBack()) == task:
        message = f"{task.id} has nothing to send back: it is {task.status.replace('_', ' ')}"
        raise Refused(message, hint=f"see `gitagent show {task.id}`")
    message_id = project.new_ulid()

    def write(edit: Edit, after: Task) -> None:
        sent = Message(
            id=message_id,
            task=after.id,
            sender=str(project.author),
            kind=MessageKind.REJECTION,
            text=because,
            at=project.timestamp(),
        )
        messages.write(edit, sent)

    after = _finish(project, task.id, SentBack(), "reject", write)
    if found is not None:
        withdraw(project, found)
    return after


def drop(project: Project, queue: Queue, start: str) -> tuple[Task, Offered | None]:
    """Discard a task and what it offers; the commit stays until `gc`."""
    task = queue.find(start)
    found = last_work(project, queue, task)
    if task.id in queue.graph.running:
        message = f"{task.id} is running"
        raise Refused(message, hint="wait for it, or end its process")
    if transition(task, Dropped()) == task:
        message = f"{task.id} is {task.status} already"
        raise Refused(message, hint=f"see `gitagent show {task.id}`")
    after = _finish(project, task.id, Dropped(), "drop")
    if found is not None:
        withdraw(project, found)
    return after, found


def notice_merged(project: Project, queue: Queue) -> tuple[Task, ...]:
    """Close the tasks whose offer is found on the base, and return them."""
    waiting = [t for t in queue.graph.tasks.values() if t.status is Status.IN_REVIEW]
    if not waiting:
        return ()
    merged, patches = [], merge.Patches(project.repository)
    for task in waiting:
        found = last_work(project, queue, task)
        if found is not None and _is_merged(project, found, patches):
            merged.append(_finish(project, task.id, Merged(), "merged"))
    return tuple(merged)


def _is_merged(project: Project, offered: Offered, patches: merge.Patches) -> bool:
    tip = project.upstream.branch(offered.record["base"])
    if tip is None or offered.work not in project.repository.raw:
        return False
    since = offered.record["base_commit"]
    return patches.found_as(tip, since, offered.work) is not None


def _finish(
    project: Project,
    task: str,
    event: TaskEvent,
    subject: str,
    also: Callable[[Edit, Task], None] | None = None,
) -> Task:
    return tasks.update(
        project.branch,
        task,
        lambda before: transition(before, event),
        author=project.author,
        when=project.now(),
        subject=subject,
        also=also,
    )
