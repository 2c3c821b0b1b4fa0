"""Tasks as JSON Lines: one object a line, with the keys of a task file's front matter.

Besides those a line may have `body`, and `key`: a name for the line, by which the `blocked_by`
of other lines may name it. What a value may be is what it may be in a task file: a line is
written as front matter and read back as that. Unknown keys are kept as a task file keeps them;
what looks like a slip of a known key is refused, since nobody rereads a thousand lines.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple, NoReturn

from gitagent.config import fields
from gitagent.core.errors import BadInput
from gitagent.core.task import Task
from gitagent.store import frontmatter, taskfile
from gitagent.store.whole import Whole, refuse_size
from gitagent.yaml_subset import MAX_DEPTH, Value, show

_ANY_ID = "00000"
_OWN = ("key", "body")
_KEYS = {each.name for each in dataclasses.fields(Task)} - {"id", "body", "unverified"}
"""The keys of the front matter: the names of a task's fields."""
_COMPUTED = {
    "id": "name the line with `key`; gitagent gives the id",
    "ready": "leave it out",
    "running": "leave it out",
    "blocks": "let the other lines name this one in `blocked_by`",
    "reason": "leave it out",
    "acceptance": "write the list under `## Acceptance criteria` in `body`",
}
"""Keys of `show --json` that no task file has, and what to do instead."""


class Line(NamedTuple):
    """One line: `says` has neither an id nor dependencies yet; `needs` are keys and ids."""

    number: int
    key: str | None
    needs: tuple[str, ...]
    says: Whole

    @property
    def label(self) -> str:
        """What the line is called: its key, or its number."""
        return str(self.number) if self.key is None else self.key


def read(data: bytes, *, file: str) -> tuple[Line, ...]:
    """Return the lines of JSON Lines; blank ones are skipped.

    Raises `BadInput` with `file` and line for the first that is wrong.
    """
    return tuple(_read(data, file))


def _read(data: bytes, file: str) -> Iterator[Line]:
    for number, raw in enumerate(data.removeprefix(frontmatter.BOM).split(b"\n"), 1):
        if raw.strip():
            try:
                yield _line(number, _value(raw))
            except BadInput as error:
                raise BadInput(error.message, hint=error.hint, file=file, line=number) from None


def _line(number: int, given: dict[str, Value]) -> Line:
    values: dict[str, Value] = {k: item for k, item in given.items() if item is not None}
    key, body = values.pop("key", None), values.pop("body", "")
    if key is not None and (not isinstance(key, str) or not key.isprintable() or not key.strip()):
        message = f"`key` must be text of one line, not {show(key)}"
        raise BadInput(message)
    if not isinstance(body, str):
        message = f"`body` must be text, not {show(body)}"
        raise BadInput(message)
    needs = _taken_needs(values)
    task = _task(values, body)
    unknown = {name: item for name, item in values.items() if name not in _KEYS}
    whole = Whole(replace(task, blocked_by=()), unknown)
    return Line(number, key, needs or task.blocked_by, whole)


def _taken_needs(values: dict[str, Value]) -> tuple[str, ...]:
    """Take out the dependencies that may be keys; what else is there `taskfile` judges."""
    given = values.get("blocked_by")
    needs = given if isinstance(given, list) else []
    named = tuple(each for each in needs if isinstance(each, str) and each)
    if not named or len(named) < len(needs):
        return ()
    del values["blocked_by"]
    twice = next((each for each, times in Counter(named).items() if times > 1), None)
    if twice is not None:
        message = f"`blocked_by` names {show(twice)} twice"
        raise BadInput(message)
    return named


def _task(values: dict[str, Value], body: str) -> Task:
    for key in values.keys() - _KEYS:
        _refuse_slip(key)
    if "title" not in values:
        message = "`title` is missing"
        raise BadInput(message, hint='add `"title": "WHAT TO DO"`')
    yaml = frontmatter.block(values, "\n")
    separator = "\n" if body else ""
    data = frontmatter.Parts("---\n", yaml, "---\n", separator, body).data(bom=False)
    refuse_size(data)
    return taskfile.parse(data, id=_ANY_ID, path="")


def _refuse_slip(key: str) -> None:
    if key in _COMPUTED:
        message = f"`{key}` cannot be set"
        raise BadInput(message, hint=_COMPUTED[key])
    meant = fields.did_you_mean(key, (*sorted(_KEYS), *_OWN))
    if meant:
        message = f"{show(key)} is not a known key"
        raise BadInput(message, hint=meant)


def _value(raw: bytes) -> dict[str, Value]:
    try:
        value = json.loads(raw.decode(), object_pairs_hook=_entries, parse_constant=_constant)
    except UnicodeDecodeError as error:
        message = f"the byte 0x{raw[error.start]:02x} is not UTF-8"
        raise BadInput(message, hint="save the file as UTF-8") from None
    except json.JSONDecodeError as error:
        message = f"this is not JSON: {error.msg} (column {error.colno})"
        hint = 'a line is one whole object, such as {"title": "Fix the pager"}'
        raise BadInput(message, hint=hint) from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError:  # Python's own limit on the digits of an integer
        raise _out_of_range() from None
    if not isinstance(value, dict):
        message = f"a line must be one JSON object, not {show(value)}"
        raise BadInput(message)
    _refuse_unwritable(value, MAX_DEPTH)
    return value


def _entries(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for key, item in pairs:
        if key in found:
            message = f"the key {show(key)} stands here twice"
            raise BadInput(message, hint="keep one of them")
        found[key] = item
    return found


def _constant(name: str) -> NoReturn:
    message = f"this is not JSON: `{name}` is no number"
    raise BadInput(message)


def _refuse_unwritable(value: Value, levels: int) -> None:
    """Refuse what no front matter can hold and what would be costly to try."""
    if isinstance(value, float) and not math.isfinite(value):
        raise _out_of_range()
    if isinstance(value, (dict, list)):
        if not levels:
            raise _too_deep()
        for each in value.values() if isinstance(value, dict) else value:
            _refuse_unwritable(each, levels - 1)


def _too_deep() -> BadInput:
    return BadInput(f"more than {MAX_DEPTH} levels of nesting are not allowed here")


def _out_of_range() -> BadInput:
    return BadInput("a number is out of range", hint="put it in quotes")
