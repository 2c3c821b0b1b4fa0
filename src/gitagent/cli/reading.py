"""Reading the queue for a command, and on the way what anybody may do at any time.

What has landed in this clone is folded, and offers that were merged meanwhile are closed.
Where there is nothing of that to do, and the repository is a usual one, neither pygit2 nor
yaml is needed: their imports take longer than all the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gitagent.cli.session import Session
from gitagent.core.errors import GitagentError, NoQueue
from gitagent.core.task import Status
from gitagent.git.plain_refs import CLAIMS, FETCHED_CLAIMS, read_ref
from gitagent.store.index import Index, Snapshot

if TYPE_CHECKING:
    from gitagent.core.task import BrokenFile
    from gitagent.git.plain import Place
    from gitagent.runner.project import Project
    from gitagent.store.queue import Queue

_OFFER = "offer"


class _Chores(NamedTuple):
    """What there is to do before the queue is read."""

    has_queue: bool
    landed: bool
    offers: dict[str, str]
    known: dict[str, tuple[str, str]]
    broken: tuple[BrokenFile, ...]


def read_near(session: Session, *starts: str) -> Queue:
    """Return the queue as far as it says something of tasks with these ids, or their starts."""
    read_index(session)
    return session.project.near(*starts)


def read_index(session: Session) -> Index:
    """Return the index; raises `NoQueue` before `gitagent init`.

    Broken task files are named on standard error, and stop nothing.
    """
    index = index_of(session)
    chores = index.ask(_chores)
    _refuse_without(session, chores)
    if not _is_done(session, chores):
        chores = _do(session, index, chores)
    for broken in chores.broken:
        where = f"{broken.path}:{broken.line}" if broken.line else broken.path
        session.say(f"warning: {where}: {broken.message}")
    return index


def clear_index(session: Session) -> Index | None:
    """Return the index when there is nothing to do, and nothing to say of it; else None."""
    index = index_of(session)
    chores = index.ask(_chores)
    _refuse_without(session, chores)
    return index if _is_done(session, chores) and not chores.broken else None


def index_of(session: Session) -> Index:
    """Return the index as it is; raises `Refused` where there is no repository."""
    place = session.place
    if place is not None:
        return Index(place, FETCHED_CLAIMS if place.shared else CLAIMS)
    return Index(session.project.repository, session.project.upstream.claims)


def _chores(found: Snapshot) -> _Chores:
    return _Chores(
        has_queue=found.tip() is not None,
        landed=found.has_landed(),
        offers=found.offers(),
        known=found.known(_OFFER),
        broken=found.broken(),
    )


def _refuse_without(session: Session, chores: _Chores) -> None:
    if not chores.has_queue:
        raise NoQueue(session.project.repository.remote_with("gitagent/tasks"))


def _is_done(session: Session, chores: _Chores) -> bool:
    """Say whether there is nothing to do that needs more than plain files."""
    place = session.place
    if place is None or (chores.landed and not place.shared):
        return False
    return all(
        task in chores.known and _is_as_it_was(place, state, *chores.known[task])
        for task, state in chores.offers.items()
    )


def _is_as_it_was(place: Place, state: str, witness: str, refs: str) -> bool:
    """Say whether an offer, and all that it is looked for in, is as when it was looked at."""
    import json

    return state == witness and all(
        read_ref(place.common_dir, ref) == oid for ref, oid in json.loads(refs).items()
    )


def _do(session: Session, index: Index, chores: _Chores) -> _Chores:
    if chores.landed and not session.project.upstream.shared:
        _fold(session)
        chores = index.ask(_chores)
    if chores.offers:
        _notice_merged(session, index)
    return chores


def _fold(session: Session) -> None:
    try:
        session.project.fold()
    except GitagentError as error:
        session.say(f"warning: what has landed cannot be folded now: {error}")


def _notice_merged(session: Session, index: Index) -> None:
    """Close the offers that were merged, and remember of the others that they were not."""
    from gitagent.runner.offers import notice_merged

    project = session.project
    states = index.ask(Snapshot.offers)
    queue = project.having(Status.IN_REVIEW)
    looked_at = {task: (state, _looked_in(project, queue, task)) for task, state in states.items()}
    try:
        merged = notice_merged(project, queue)
    except GitagentError as error:
        session.say(f"warning: merged offers cannot be closed now: {error}")
        return
    for task in merged:
        session.say(f"{task.id} is done: its change was found on the base")
        looked_at.pop(task.id, None)
    index.remember(_OFFER, looked_at)


def _looked_in(project: Project, queue: Queue, task_id: str) -> str:
    """Return the refs that an offer is looked for in, and their values, as JSON."""
    import json

    from gitagent.runner.offered import last_work

    task = queue.graph.tasks.get(task_id)
    offered = last_work(project, queue, task) if task is not None else None
    names = [offered.record["base"], offered.record["branch"]] if offered else []
    refs = [ref for name in names if name for ref in _branches(name)]
    return json.dumps({ref: project.repository.refs.read(ref) for ref in refs})


def _branches(name: str) -> tuple[str, str]:
    """Return where a branch is: this clone's own, and what the remote had."""
    return f"refs/heads/{name}", f"refs/gitagent/r/heads/{name}"
