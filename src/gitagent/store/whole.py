"""A whole task file: the task, and the keys that gitagent does not know and keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from gitagent.core.errors import BadInput
from gitagent.core.task import Task
from gitagent.store import frontmatter, taskfile
from gitagent.yaml_subset import MAX_BYTES, Value, load

_NEW = "the task"


class Whole(NamedTuple):
    """What a file says: `unknown` are the values of the keys that are not gitagent's."""

    task: Task
    unknown: Mapping[str, Value]


def read(data: bytes, task_id: str) -> Whole:
    """Return what the file `data` of the task `task_id` says; raises `BadInput`."""
    task = taskfile.parse(data, id=task_id, path=_NEW)
    unknown = taskfile.unknown_keys(data, path=_NEW)
    document = load(frontmatter.split(data, file=_NEW).yaml, file=_NEW, first_line=2)
    return Whole(task, {each.key: document.get((each.key,)) for each in unknown})


def render(whole: Whole) -> bytes:
    """Return a new file that says `whole`; raises `BadInput` where no file can."""
    parts = frontmatter.split(taskfile.render(replace(whole.task, body="")), file=_NEW)
    yaml = parts.yaml + frontmatter.block(whole.unknown, "\n")
    separator = "\n" if whole.task.body else ""
    data = parts._replace(yaml=yaml, separator=separator, body=whole.task.body).data(bom=False)
    refuse_size(data)
    if whole.unknown and read(data, whole.task.id) != whole:
        message = "the keys that gitagent does not know cannot be written so that they read back"
        raise BadInput(message)
    return data


def refuse_size(data: bytes) -> None:
    """Raise `BadInput` for more bytes than a task's file may have."""
    if len(data) > MAX_BYTES:
        message = f"the task's file would have {len(data):,} bytes; at most {MAX_BYTES:,} may be"
        raise BadInput(message, hint="say less, or make several tasks of it")


def rewrite(data: bytes, before: Whole, after: Whole) -> bytes:
    """Return the file `data`, which says `before`, so that it says `after`.

    As `taskfile.rewrite`, with the unknown keys treated alike. Raises `BadInput` for an
    `after` that no file can say.
    """
    result = taskfile.rewrite(data, before.task, after.task)
    if before.unknown != after.unknown:
        parts = frontmatter.split(result, file=_NEW)
        document = load(parts.yaml, file=_NEW, first_line=2)
        edited = frontmatter.edit(
            parts.yaml, document, before.unknown, after.unknown, parts.newline
        )
        result = parts._replace(yaml=edited).data(bom=result.startswith(frontmatter.BOM))
    return result if says(result, after) else render(after)


def says(data: bytes, whole: Whole) -> bool:
    """Say whether the file `data` says exactly `whole`."""
    try:
        return read(data, whole.task.id) == whole
    except BadInput:
        return False
