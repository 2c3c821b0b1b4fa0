"""`edit` and `update`: changing a task."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from gitagent.cli.add import add_fields, fields_of, writable
from gitagent.cli.editor import edit_text, keep
from gitagent.cli.options import add_task
from gitagent.cli.reading import read_near
from gitagent.cli.session import Session
from gitagent.core.errors import UsageError
from gitagent.core.lifecycle import Cancelled, Closed, Reopened, TaskEvent, transition
from gitagent.core.task import Task

if TYPE_CHECKING:
    from gitagent.store.queue import Queue

_STATUS: dict[str, TaskEvent] = {"open": Reopened(), "done": Closed(), "cancelled": Cancelled()}


def configure_edit(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `edit`."""
    add_task(parser)


def edit_command(session: Session, arguments: argparse.Namespace) -> int:
    """Let the person edit a task's file; a wrong one changes nothing and is kept."""
    from gitagent.store import layout, tasks

    project = session.project
    task = _find_or_broken(read_near(session, arguments.task), arguments.task)
    data = project.branch.view().read(layout.task_path(task)) or b""
    before = data.decode(errors="surrogateescape")
    after = edit_text(session, before, f"{task}.md")
    if after == before:
        session.say("nothing was changed")
        return 0
    try:
        new = after.encode(errors="surrogateescape")
        tasks.replace_file(project.branch, task, new, author=project.author, when=project.now())
    except UsageError as error:
        kept = keep(after, f"{task}.md")
        error.hint = f"nothing was changed; your text is in {kept}"
        raise
    session.data(task)
    return 0


def _find_or_broken(queue: Queue, start: str) -> str:
    """Return an id; a broken file can be edited too, that is how it is mended."""
    broken = [each.id for each in queue.broken if each.id and each.id.startswith(start)]
    return broken[0] if len(broken) == 1 else queue.find(start).id


def configure_update(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `update`."""
    add_task(parser)
    parser.add_argument("--title", help="what is wanted, in one line")
    parser.add_argument("--status", choices=list(_STATUS), help="reopen, close or cancel it")
    parser.add_argument("--needs", metavar="ID", action="append", default=[],
                        help="a task that must be done first; may be repeated")  # fmt: skip
    parser.add_argument("--not-needs", metavar="ID", action="append", default=[],
                        help="a dependency to remove; may be repeated")  # fmt: skip
    parser.add_argument("--blocks", metavar="ID", action="append", default=[],
                        help="a task that needs this one; may be repeated")  # fmt: skip
    parser.add_argument("--not-label", metavar="NAME", action="append", default=[],
                        help="a label to remove; may be repeated")  # fmt: skip
    add_fields(parser)


def update_command(session: Session, arguments: argparse.Namespace) -> int:
    """Change a task and print its id."""
    from gitagent.store import tasks

    project = session.project
    named = (*arguments.needs, *arguments.not_needs, *arguments.blocks)
    queue = read_near(session, arguments.task, *named)
    task = queue.find(arguments.task)
    needs = [queue.find(each).id for each in arguments.needs]
    not_needs = [_known(queue, task, each) for each in arguments.not_needs]
    blocks = [queue.find(each).id for each in arguments.blocks]
    fields = fields_of(arguments)

    def change(before: Task) -> Task:
        after = replace(before, **fields)  # type: ignore[arg-type]  # checked by argparse
        after = _title(after, arguments.title)
        after = _edges(after, needs, not_needs)
        after = _labels(after, arguments.label or [], arguments.not_label)
        return writable(_status(after, arguments.status))

    after = tasks.update(
        project.branch, task.id, change, author=project.author, when=project.now(), blocks=blocks
    )
    session.data(after.id)
    return 0


def _known(queue: Queue, task: Task, start: str) -> str:
    """Return a dependency by the start of its id; it may be one that does not exist any more."""
    matches = [each for each in task.blocked_by if each.startswith(start)]
    return matches[0] if len(matches) == 1 else queue.find(start).id


def _status(task: Task, status: str | None) -> Task:
    if status is None or task.status == status:
        return task
    after = transition(task, _STATUS[status])
    if after == task:
        message = f"{task.id} is {task.status}; it cannot become {status}"
        raise UsageError(message, hint=f"run `gitagent update {task.id} --status open` first")
    return after


def _title(task: Task, title: str | None) -> Task:
    return task if title is None else replace(task, title=title)


def _edges(task: Task, needs: list[str], not_needs: list[str]) -> Task:
    kept = [each for each in (*task.blocked_by, *needs) if each not in not_needs]
    return replace(task, blocked_by=tuple(dict.fromkeys(kept)))


def _labels(task: Task, labels: list[str], not_labels: list[str]) -> Task:
    kept = [each for each in (*task.labels, *labels) if each not in not_labels]
    return replace(task, labels=tuple(dict.fromkeys(kept)))
