"""Task files: bytes to a `Task`, and changes back that touch only what changed.

A file is YAML front matter between two lines `---`, then the body in Markdown (DESIGN
section 4). A blank line between the two belongs to neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from gitagent.config import fields, specs
from gitagent.config.fields import Fields, Where
from gitagent.core.errors import BadInput
from gitagent.core.ids import is_task_id
from gitagent.core.task import (
    LOWEST_PRIORITY,
    Integrate,
    PlanMode,
    Status,
    Task,
    WaitingFor,
)
from gitagent.store import frontmatter
from gitagent.store.frontmatter import BOM, Parts
from gitagent.yaml_subset import Document, Value, load

if TYPE_CHECKING:
    from gitagent.core.checks import CheckSpec

UNVERIFIED = "none"
_NEW = "the task"


class UnknownKey(NamedTuple):
    """A key that gitagent does not know and keeps; `meant` is the known one nearest to it."""

    key: str
    line: int
    meant: str | None


def parse(data: bytes, *, id: str, path: str) -> Task:  # noqa: A002  the field's name
    """Return the task that the file `data` says.

    Raises `BadInput` with `path` and line for whatever is not allowed, and nothing else.
    """
    parts, document = _read(data, path)
    return _task(parts, document, id)


def unknown_keys(data: bytes, *, path: str) -> tuple[UnknownKey, ...]:
    """Return the keys that gitagent does not know, for `lint` to warn of the slips.

    Raises `BadInput` for a file without front matter that can be read.
    """
    _, document = _read(data, path)
    given = fields.entries(document.value, Where(document))
    return tuple(
        UnknownKey(key, document.line((key,)), fields.nearest(key, _FIELDS))
        for key in given
        if key not in _FIELDS
    )


def render(task: Task) -> bytes:
    """Return the file of a new task; what is as by default is left out.

    Raises `BadInput` for a task that `parse` would not read back.
    """
    yaml = frontmatter.block(_said(task), "\n")
    separator = "\n" if task.body else ""
    data = Parts("---\n", yaml, "---\n", separator, task.body).data(bom=False)
    parse(data, id=task.id, path=_NEW)
    return data


def rewrite(data: bytes, before: Task, after: Task) -> bytes:
    """Return the file `data`, which says `before`, so that it says `after`.

    Only the keys whose values differ are replaced, added or removed; all else stays byte for
    byte. A key that goes back to having no value is removed. Where the front matter is
    written so strangely that an edit does not give `after`, it is written anew, with its
    unknown keys. Raises `BadInput` for an `after` that no file can say.
    """
    if before == after:
        return data
    parts, document = _read(data, _NEW)
    changed = _with_body(parts, after.body)
    old, new = _values(before), _values(after)
    edited = frontmatter.edit(parts.yaml, document, old, new, parts.newline)
    result = changed._replace(yaml=edited).data(bom=data.startswith(BOM))
    if _says(result, after, _unknown(document)):
        return result
    return _anew(changed, document, after, bom=data.startswith(BOM))


def _read(data: bytes, path: str) -> tuple[Parts, Document]:
    parts = frontmatter.split(data, file=path)
    return parts, load(parts.yaml, file=path, first_line=2)


def _task(parts: Parts, document: Document, task_id: str) -> Task:
    where = Where(document)
    given = fields.entries(document.value, where)
    values = fields.known_values(given, _FIELDS, where)
    if "title" not in values:
        raise where.at("title").error("`title` is missing", "add a line `title: WHAT TO DO`")
    if values.get("verify", ()) is None:
        values |= {"verify": (), "unverified": True}
    for number, needed in enumerate(values.get("blocked_by", ())):
        if needed == task_id:
            raise where.at("blocked_by").at(number).error(f"the task `{needed}` needs itself")
    return Task(id=task_id, body=parts.body, **values)


def _needed(value: Value, where: Where) -> str:
    # An id may be all digits, and then plain YAML reads it as an integer.
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str) and is_task_id(text):
        return text
    allowed = "a task's id, 5 or more of the characters 0-9 and a-z without i, l, o and u"
    raise where.wrong(allowed, value)


_needed_list = fields.items(_needed)


def _blocked_by(value: Value, where: Where) -> tuple[str, ...]:
    found = _needed_list(value, where)
    fields.distinct(found, where, "id")
    return found


def _verify(value: Value, where: Where) -> tuple[CheckSpec, ...] | None:
    """Read the checks; None is `verify: none`, which is not the same as no checks named."""
    return None if value == UNVERIFIED else specs.checks(value, where)


_texts = fields.items(fields.one_line)

_FIELDS: Fields = {
    "title": fields.one_line,
    "status": fields.choice(Status),
    "waiting_for": fields.choice(WaitingFor),
    "priority": fields.integer(0, LOWEST_PRIORITY),
    "blocked_by": _blocked_by,
    "labels": _texts,
    "created": fields.moment,
    "source": fields.one_line,
    "agent": fields.name,
    "model": fields.argument,
    "reviewer": fields.name,
    "verify": _verify,
    "integrate": fields.choice(Integrate),
    "budget": specs.budget,
    "allow": _texts,
    "not_before": fields.moment,
    "stack": fields.boolean,
    "plan": fields.choice(PlanMode),
}


def _values(task: Task) -> dict[str, Value]:
    """Return what the front matter says for a task, key by key; None is no such key."""
    values: dict[str, Value] = {
        "title": task.title,
        "status": str(task.status),
        "waiting_for": _word(task.waiting_for),
        "priority": task.priority,
        "blocked_by": list(task.blocked_by) or None,
        "labels": list(task.labels) or None,
        "created": task.created or None,
        "source": task.source,
        "agent": task.agent,
        "model": task.model,
        "reviewer": task.reviewer,
        "verify": _verify_value(task),
        "integrate": _word(task.integrate),
        "budget": specs.budget_value(task.budget) or None,
        "allow": list(task.allow) or None,
        "not_before": task.not_before,
        "stack": task.stack,
        "plan": _word(task.plan),
    }
    return values


def _word(value: WaitingFor | Integrate | PlanMode | None) -> str | None:
    return None if value is None else str(value)


def _verify_value(task: Task) -> Value:
    if task.unverified:
        return UNVERIFIED
    values = [specs.check_value(each) for each in task.verify]
    return values or None


def _said(task: Task) -> dict[str, Value]:
    """Return what a file that is written anew says: no value that is the default anyway."""
    default = _values(Task(id="", title=""))
    said = {key: item for key, item in _values(task).items() if item is not None}
    return {key: item for key, item in said.items() if key == "status" or item != default[key]}


def _with_body(parts: Parts, body: str) -> Parts:
    if parts.body == body:
        return parts
    closing = parts.closing.rstrip("\r\n") + parts.newline
    return parts._replace(closing=closing, separator=parts.newline if body else "", body=body)


def _unknown(document: Document) -> dict[str, Value]:
    given = fields.entries(document.value, Where(document))
    return {key: item for key, item in given.items() if key not in _FIELDS}


def _says(data: bytes, task: Task, unknown: Mapping[str, Value]) -> bool:
    try:
        parts, document = _read(data, _NEW)
        return _task(parts, document, task.id) == task and _unknown(document) == unknown
    except BadInput:
        return False


def _anew(parts: Parts, document: Document, after: Task, *, bom: bool) -> bytes:
    yaml = frontmatter.block({**_said(after), **_unknown(document)}, parts.newline)
    data = parts._replace(yaml=yaml).data(bom=bom)
    parse(data, id=after.id, path=_NEW)
    return data
