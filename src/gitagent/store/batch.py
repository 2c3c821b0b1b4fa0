"""Many tasks at once: all the lines of a file in one commit, or none of them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gitagent.core.errors import BadInput, ConflictError
from gitagent.core.graph import TaskGraph
from gitagent.core.ids import task_id
from gitagent.core.task import Task
from gitagent.git.repository import Identity
from gitagent.store import layout, whole
from gitagent.store.branch import Edit, TasksBranch
from gitagent.store.index import Index, Snapshot
from gitagent.store.json_lines import Line
from gitagent.text import one_line
from gitagent.yaml_subset import show

_SUBJECT_LIMIT = 300


@dataclass(frozen=True, slots=True)
class Added:
    """What became of a line: the id of its task, and whether it is a new one."""

    line: Line
    id: str
    new: bool


def add_all(
    branch: TasksBranch, lines: Sequence[Line], *, file: str, author: Identity, when: datetime
) -> tuple[Added, ...]:
    """Add the tasks of all lines in one commit; give what became of each, in their order.

    A line whose `source` is that of a task already is that task. Raises `BadInput` with `file`
    and line for what does not fit: two lines with one key or source, an unknown dependency,
    a cycle. Nothing is added then.
    """
    _refuse_same(lines, file)
    with branch.edit(author, when) as edit:

        def plan(found: Snapshot) -> tuple[list[Added], dict[int, tuple[str, ...]]]:
            if found.tip() != edit.view.commit:
                message = "the tasks branch was moved by something that takes no lock"
                raise ConflictError(message, hint="try again")
            planned = _planned(lines, found)
            return planned, _resolved(planned, found, file)

        planned, needs = Index(branch.repository, None).ask(plan)
        new = [each for each in planned if each.new]
        _refuse_cycles(new, needs, file)
        for each in new:
            _write(edit, each, needs[each.line.number], file)
        edit.subject = _subject(new)
        edit.trailers += [("Task", each.id) for each in new]
    return tuple(planned)


def _refuse_same(lines: Sequence[Line], file: str) -> None:
    """Refuse keys and sources that two lines share."""
    seen: dict[tuple[str, str], int] = {}
    for line in lines:
        for name, value in (("key", line.key), ("source", line.says.task.source)):
            if value is None:
                continue
            if (name, value) in seen:
                message = f"line {seen[name, value]} has the {name} {show(value)} too"
                raise BadInput(message, file=file, line=line.number)
            seen[name, value] = line.number


def _planned(lines: Sequence[Line], found: Snapshot) -> list[Added]:
    """Give each line the task it is already, or a new id."""
    planned: list[Added] = []
    taken: set[str] = set()
    for line in lines:
        source = line.says.task.source
        known = None if source is None else found.from_source(source)
        planned.append(Added(line, known.id if known else _free_id(found, taken), known is None))
        taken.add(planned[-1].id)
    return planned


def _free_id(found: Snapshot, taken: set[str]) -> str:
    while True:
        free = task_id(os.urandom(16), found)
        if free not in taken:
            return free


def _resolved(planned: Sequence[Added], found: Snapshot, file: str) -> dict[int, tuple[str, ...]]:
    """Return the ids that each line needs, by the lines' numbers."""
    keyed = {each.line.key: each.id for each in planned if each.line.key is not None}
    needs: dict[int, tuple[str, ...]] = {}
    for line in (each.line for each in planned):
        try:
            ids = [_id(name, keyed, found) for name in line.needs]
        except BadInput as error:
            raise BadInput(error.message, hint=error.hint, file=file, line=line.number) from None
        needs[line.number] = tuple(dict.fromkeys(ids))
    return needs


def _id(name: str, keyed: Mapping[str, str], found: Snapshot) -> str:
    is_task = name in found
    if name not in keyed and not is_task:
        message = f"`blocked_by` names {show(name)}, and there is no such key and no such task"
        raise BadInput(message, hint="a task is named by its whole id: see `gitagent list --all`")
    if is_task and keyed.get(name, name) != name:
        message = f"`blocked_by` names {show(name)}, which is a line's key and a task's id"
        raise BadInput(message, hint="give the line another `key`")
    return keyed.get(name, name)


def _refuse_cycles(new: Sequence[Added], needs: Mapping[int, tuple[str, ...]], file: str) -> None:
    """Refuse a cycle, spelled with keys: nothing can need a line that is old or has none."""
    keys = {each.id: each.line.key for each in new if each.line.key is not None}
    keyed = [(each.line.key, each.line) for each in new if each.line.key is not None]
    tasks = {
        key: Task(key, "", blocked_by=tuple(keys[i] for i in needs[line.number] if i in keys))
        for key, line in keyed
    }
    cycles = TaskGraph(tasks).cycles
    first = next((line for key, line in keyed if key in cycles), None)
    if first is not None:
        message = f"{show(first.key)} is {cycles[first.label]}"
        hint = "leave one of these dependencies out"
        raise BadInput(message, hint=hint, file=file, line=first.number)


def _write(edit: Edit, added: Added, needs: tuple[str, ...], file: str) -> None:
    says = added.line.says
    task = replace(says.task, id=added.id, blocked_by=needs)
    try:
        data = whole.render(says._replace(task=task))
    except BadInput as error:  # such as ids that are longer than the keys
        line = added.line.number
        raise BadInput(error.message, hint=error.hint, file=file, line=line) from None
    edit.write(layout.task_path(added.id), data)


def _subject(new: Sequence[Added]) -> str:
    if len(new) == 1:
        return f"add {new[0].id}: {new[0].line.says.task.title}"
    listed = ", ".join(each.id for each in new)
    return one_line(f"add {len(new)} tasks: {listed}", _SUBJECT_LIMIT)
