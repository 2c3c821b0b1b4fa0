"""The index: how a reader gets the queue.

`Index.read` is all that commands know of it. For now it parses the branch, and remembers
what it parsed by blob id, which never changes its meaning.
"""

from __future__ import annotations

from gitagent.core.errors import BadInput
from gitagent.core.task import BrokenFile, Task
from gitagent.git.repository import Repository
from gitagent.store import layout
from gitagent.store.branch import TasksBranch, View
from gitagent.store.claims import Claims
from gitagent.store.queue import Queue, build
from gitagent.store.taskfile import parse


class Index:
    """The queue of one repository, for readers."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._parsed: dict[tuple[str, str], Task | BrokenFile] = {}

    def read(self, now: str) -> Queue:
        """Return the queue as it is at `now` (RFC 3339, UTC)."""
        # Claims first: a landing that is folded between the two reads is then in the branch.
        claims = Claims(self._repository).read()
        view = TasksBranch(self._repository).view()
        tasks: dict[str, Task] = {}
        broken: list[BrokenFile] = []
        for path, oid in view.blobs(layout.TASKS):
            parsed = self._parse(view, path, oid)
            if isinstance(parsed, Task):
                tasks[parsed.id] = parsed
            else:
                broken.append(parsed)
        return build(view.commit, tasks, tuple(broken), claims, now)

    def _parse(self, view: View, path: str, oid: str) -> Task | BrokenFile:
        key = (path, oid)
        if key not in self._parsed:
            self._parsed[key] = parse_file(path, view.repository.blob(oid))
        return self._parsed[key]


def parse_file(path: str, data: bytes) -> Task | BrokenFile:
    """Return the task of a file below `tasks/`, or what is wrong with the file."""
    task = layout.task_of(path)
    if task is None:
        message = "is not named like a task: `tasks/<first two of the id>/<id>.md`"
        return BrokenFile(path, None, message)
    try:
        return parse(data, id=task, path=path)
    except BadInput as error:
        return BrokenFile(path, error.line, error.message, task)
