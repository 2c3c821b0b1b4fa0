"""Reading the queue for a command, and on the way what anybody may do at any time.

What has landed is folded, and offers that were merged meanwhile are closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitagent.cli.session import Session
from gitagent.core.errors import GitagentError, Refused
from gitagent.core.task import Status

if TYPE_CHECKING:
    from gitagent.store.queue import Queue


def read_queue(session: Session) -> Queue:
    """Return the queue; raises `Refused` before `gitagent init`.

    Broken task files are named on standard error, and stop nothing.
    """
    queue = session.project.queue()
    if queue.commit is None:
        message = "this repository has no queue yet"
        raise Refused(message, hint="run `gitagent init`")
    if queue.landed:
        queue = _fold(session, queue)
    if any(task.status is Status.IN_REVIEW for task in queue.graph.tasks.values()):
        queue = _notice_merged(session, queue)
    for broken in queue.broken:
        place = f"{broken.path}:{broken.line}" if broken.line else broken.path
        session.say(f"warning: {place}: {broken.message}")
    return queue


def _fold(session: Session, queue: Queue) -> Queue:
    from gitagent.store.fold import fold

    project = session.project
    try:
        fold(project.repository, project.author, project.now())
    except GitagentError as error:
        session.say(f"warning: what has landed cannot be folded now: {error}")
        return queue
    return project.queue()


def _notice_merged(session: Session, queue: Queue) -> Queue:
    from gitagent.runner.offers import notice_merged

    try:
        merged = notice_merged(session.project, queue)
    except GitagentError as error:
        session.say(f"warning: merged offers cannot be closed now: {error}")
        return queue
    for task in merged:
        session.say(f"{task.id} is done: its change was found on the base")
    return session.project.queue() if merged else queue
