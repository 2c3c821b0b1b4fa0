"""Task files as gitagent itself writes them, read without YAML.

Most files are a few lines `key: value`, and to have libyaml and every check of `taskfile` see
them takes ten times as long; a read after one change would pay for importing those, too. What is
not of the narrow form here is None, and `taskfile.parse` says what it is, or what is wrong with
it. Whatever is read here, it reads the same (tests/test_usual.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from gitagent.core.ids import is_task_id
from gitagent.core.task import LOWEST_PRIORITY, Integrate, PlanMode, Status, Task, WaitingFor
from gitagent.core.units import parse_time

_MOST = 64 * 1024
"""Bytes of a file that is read here."""
_LINE = re.compile(r"([a-z_]+): (\S.*)")
_NO_TEXT = r"(?!(?:true|false|null|[\d.]+)(?![^,\]]))"
# Narrower than what YAML takes for plain text: no sign that means something anywhere.
_PLAIN = re.compile(_NO_TEXT + r"[\w/(](?:[^:#]|:(?=\S)|(?<=\S)#)*(?<! )")
_QUOTED = re.compile(r'"(?= *[^" ])[^"\\]*"')
_ITEM = _NO_TEXT + r"[\w/(](?:[^:#,?\[\]{}]*[^:#,?\[\]{} ])?"
_LIST = re.compile(rf"\[{_ITEM}(?:, {_ITEM})*\]")


def usual(data: bytes, *, id: str) -> Task | None:  # noqa: A002  the field's name
    """Return the task that the file `data` says; None when it is not written as is usual."""
    try:
        return _read(data.decode(), id) if len(data) <= _MOST else None
    except (ValueError, KeyError):
        return None


def _read(text: str, task: str) -> Task | None:
    end = text.find("\n---\n", 3)
    start = end + len("\n---\n")
    if not text.startswith("---\n") or end < 0 or text.startswith("\r", start):
        return None
    values: dict[str, Any] = {}
    for line in text[4:end].split("\n"):
        found = _LINE.fullmatch(line)
        if found is None or found[1] in values or not line.isprintable():
            return None
        values[found[1]] = _READERS[found[1]](found[2])
    if "title" not in values or task in values.get("blocked_by", ()):
        return None
    return Task(id=task, body=text[start + text.startswith("\n", start) :], **values)


def _text(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    if _QUOTED.fullmatch(value):
        return value[1:-1]
    raise ValueError(value)


def _texts(value: str) -> tuple[str, ...]:
    if _LIST.fullmatch(value):
        return tuple(value[1:-1].split(", "))
    raise ValueError(value)


def _ids(value: str) -> tuple[str, ...]:
    found = _texts(value)
    if len(set(found)) == len(found) and all(map(is_task_id, found)):
        return found
    raise ValueError(value)


def _time(value: str) -> str:
    return parse_time(_text(value))


_READERS: dict[str, Callable[[str], Any]] = {
    "title": _text,
    "status": Status,
    "waiting_for": WaitingFor,
    "priority": {str(number): number for number in range(LOWEST_PRIORITY + 1)}.__getitem__,
    "blocked_by": _ids,
    "labels": _texts,
    "created": _time,
    "source": _text,
    "integrate": Integrate,
    "allow": _texts,
    "not_before": _time,
    "stack": {"true": True, "false": False}.__getitem__,
    "plan": PlanMode,
}
