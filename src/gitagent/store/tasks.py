"""Tasks: added and changed under the branch's lock.

What a task may need is looked up in the index, which is brought up to the tip that is locked;
so a write costs the same whether there are ten tasks or 100,000.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from gitagent.core.errors import ConflictError, UnknownTask, UsageError
from gitagent.core.graph import TaskGraph
from gitagent.core.ids import task_id
from gitagent.core.task import Task
from gitagent.git.repository import Identity
from gitagent.store import layout, taskfile
from gitagent.store.branch import Edit, TasksBranch, View
from gitagent.store.index import Index, Snapshot


def add(
    branch: TasksBranch,
    task: Task,
    *,
    author: Identity,
    when: datetime,
    blocks: Sequence[str] = (),
) -> Task:
    """Add `task`, whose `id` is still empty, and return it with its id.

    `blocks` are tasks that need the new one. Raises `UsageError` for an unknown dependency
    or a cycle; nothing is changed then.
    """
    with branch.edit(author, when) as edit:
        added = replace(task, id=_free_id(edit.view))
        graph = _edges(edit.view, blocks, task.blocked_by)
        check_edges(graph, added)
        edit.write(layout.task_path(added.id), taskfile.render(added))
        graph = _with(graph, added)
        for needing in blocks:
            graph = _block(edit, graph, needing, added.id)
        edit.subject = f"add {added.id}: {added.title}"
        edit.trailers.append(("Task", added.id))
    return added


def update(
    branch: TasksBranch,
    task: str,
    change: Callable[[Task], Task],
    *,
    author: Identity,
    when: datetime,
    subject: str = "update",
    also: Callable[[Edit, Task], None] | None = None,
    blocks: Sequence[str] = (),
) -> Task:
    """Change a task as it is under the lock, and return what it became.

    `also` may write more into the same commit. Raises as `add` does.
    """
    with branch.edit(author, when) as edit:
        before = read(edit.view, task)
        after = change(before)
        if after.blocked_by != before.blocked_by:
            check_edges(_edges(edit.view, [task], after.blocked_by), after)
        rewrite(edit, before, after)
        graph = _with(_edges(edit.view, blocks, ()), after) if blocks else TaskGraph({})
        for needing in blocks:
            graph = _block(edit, graph, needing, after.id)
        if also is not None:
            also(edit, after)
        edit.subject = f"{subject} {after.id}: {after.title}"
        edit.trailers.append(("Task", after.id))
    return after


def replace_file(
    branch: TasksBranch, task: str, data: bytes, *, author: Identity, when: datetime
) -> Task:
    """Let a task's file be `data`, as a person edited it; raises `BadInput` if it is wrong."""
    with branch.edit(author, when) as edit:
        after = taskfile.parse(data, id=task, path=layout.task_path(task))
        check_edges(_edges(edit.view, [task], after.blocked_by), after)
        edit.write(layout.task_path(task), data)
        edit.subject = f"edit {task}: {after.title}"
        edit.trailers.append(("Task", task))
    return after


def read(view: View, task: str) -> Task:
    """Return a task as the branch has it; raises `UnknownTask` or `BadInput`."""
    path = layout.task_path(task)
    data = view.read(path)
    if data is None:
        message = f"there is no task `{task}`"
        raise UnknownTask(message, hint="see `gitagent list --all`")
    return taskfile.parse(data, id=task, path=path)


def rewrite(edit: Edit, before: Task, after: Task) -> None:
    """Write the difference of two states of a task into its file, and nothing else."""
    path = layout.task_path(before.id)
    data = edit.read(path)
    if data is not None and before != after:
        edit.write(path, taskfile.rewrite(data, before, after))


def check_edges(graph: TaskGraph, task: Task) -> None:
    """Refuse dependencies that do not exist, and those that close a cycle."""
    for needed in task.blocked_by:
        if needed not in graph.tasks and needed not in graph.broken and needed != task.id:
            message = f"`blocked_by` names `{needed}`, and there is no such task"
            raise UnknownTask(message, hint="see `gitagent list --all`")
    cycle = graph.cycle(task.id, task.blocked_by)
    if cycle is not None:
        message = f"this would close a cycle: {' needs '.join(cycle)}"
        raise UsageError(message, hint="leave one of these dependencies out")


def _block(edit: Edit, graph: TaskGraph, needing: str, needed: str) -> TaskGraph:
    before = graph.tasks.get(needing)
    if before is None:
        message = f"there is no task `{needing}`"
        raise UnknownTask(message, hint="see `gitagent list --all`")
    if needed in before.blocked_by:
        return graph
    after = replace(before, blocked_by=(*before.blocked_by, needed))
    check_edges(graph, after)
    rewrite(edit, before, after)
    return _with(graph, after)


def _edges(view: View, ids: Iterable[str], needs: Iterable[str]) -> TaskGraph:
    """Return what `check_edges` looks at when `ids` come to need `needs`, or any new task."""

    def ask(found: Snapshot) -> TaskGraph:
        if found.tip() != view.commit:
            message = "the tasks branch was moved by something that takes no lock"
            raise ConflictError(message, hint="try again")
        return found.edges_around(ids, needs)

    return Index(view.repository, None).ask(ask)


def _free_id(view: View) -> str:
    entropy = os.urandom(16)
    return Index(view.repository, None).ask(lambda found: task_id(entropy, found))


def _with(graph: TaskGraph, task: Task) -> TaskGraph:
    return replace(graph, tasks={**graph.tasks, task.id: task})
