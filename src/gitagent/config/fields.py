"""Fields of a file: a table maps each key to the function that reads its value.

A reader takes a value and where it stands, and gives what the program works with or raises
`BadInput` with file, line, key, what was found, what is allowed, and a suggestion for a near
miss. Tables instead of pydantic: its import alone costs 34 ms (LIBRARIES), which is more than
reading 500 tasks takes, and it knows no lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias, TypeVar

from gitagent.core import units
from gitagent.core.errors import BadInput
from gitagent.yaml_subset import Document, Path, Value, show

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

_CONTROL = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029]")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SIMILAR = 0.75
"""How alike two words are (difflib's ratio) when one is taken for a slip of the other."""


class Where(NamedTuple):
    """A place in a document, and how to complain about it."""

    document: Document
    path: Path = ()

    def at(self, step: str | int) -> Where:
        """Return the place of a key or an item below this one."""
        return Where(self.document, (*self.path, step))

    @property
    def key(self) -> str:
        """The key in one word, such as `agents.claude.model` or `verify[0].run`."""
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        return "".join(steps).removeprefix(".")

    def error(self, message: str, hint: str | None = None) -> BadInput:
        """Return the error that says `message` of this place."""
        return self.document.error(message, self.path, hint)

    def wrong(self, allowed: str, found: Value, hint: str | None = None) -> BadInput:
        """Return the error that names this key, what is allowed, and what was found."""
        subject = show(self.key) if self.path else "the whole"
        return self.error(f"{subject} must be {allowed}, not {show(found)}", hint)


Reader: TypeAlias = Callable[[Value, Where], T]
Fields: TypeAlias = Mapping[str, Reader[Any]]


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that `word` is probably a slip of."""
    plain = {each.lower(): each for each in known}
    same = word.lower().replace("-", "_")
    if same in plain:
        return plain[same]
    import difflib  # noqa: PLC0415  only for a slip

    found = difflib.get_close_matches(word[:64].lower(), list(plain), n=1, cutoff=_SIMILAR)
    return plain[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return the hint for a slip."""
    near = nearest(word, known)
    return f"did you mean `{near}`?" if near else None


def entries(value: Value, where: Where) -> dict[str, Value]:
    """Read any mapping."""
    if isinstance(value, dict):
        return value
    raise where.wrong("a mapping of keys to values", value)


def mapping(fields: Fields) -> Reader[dict[str, Any]]:
    """Return the reader of a mapping that has no other keys than `fields`.

    A key without a value is as if it were not there.
    """

    def read(value: Value, where: Where) -> dict[str, Any]:
        given = entries(value, where)
        for key in given:
            if key not in fields:
                raise _unknown(key, fields, where.at(key))
        return known_values(given, fields, where)

    return read


def known_values(given: Mapping[str, Value], fields: Fields, where: Where) -> dict[str, Any]:
    """Read what `given` has of `fields`, and leave the rest alone."""
    return {
        key: fields[key](item, where.at(key))
        for key, item in given.items()
        if item is not None and key in fields
    }


def _unknown(key: str, fields: Fields, where: Where) -> BadInput:
    message = f"{show(where.key)} is not a known key; allowed are {', '.join(fields)}"
    return where.error(message, did_you_mean(key, fields))


def items(read: Reader[T]) -> Reader[tuple[T, ...]]:
    """Return the reader of a list of what `read` reads."""

    def read_all(value: Value, where: Where) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise where.wrong("a list", value, "write it as `[a, b]`")
        return tuple([read(item, where.at(number)) for number, item in enumerate(value)])

    return read_all


def distinct(found: tuple[str, ...], where: Where, what: str) -> None:
    """Refuse the first of `found` that is there twice; `where` is their list."""
    seen: set[str] = set()
    for number, each in enumerate(found):
        if each in seen:
            raise where.at(number).error(f"{show(where.key)} has the {what} {show(each)} twice")
        seen.add(each)


def word(*allowed: str) -> Reader[str]:
    """Return the reader of one of some words."""

    def read(value: Value, where: Where) -> str:
        if isinstance(value, str) and value in allowed:
            return value
        hint = did_you_mean(value, allowed) if isinstance(value, str) else None
        raise where.wrong(f"one of {', '.join(allowed)}", value, hint)

    return read


def choice(kind: type[E]) -> Reader[E]:
    """Return the reader of one of the words of an enum."""
    read = word(*(str(each) for each in kind))
    return lambda value, where: kind(read(value, where))


def text(value: Value, where: Where) -> str:
    """Read text that is not blank and has no NUL, which no command line can hold."""
    if not isinstance(value, str):
        hint = None if isinstance(value, (list, dict)) else "put it in quotes"
        raise where.wrong("text", value, hint)
    if not value.strip() or "\0" in value:
        raise where.wrong("text that is not empty and has no NUL", value)
    return value


def one_line(value: Value, where: Where) -> str:
    """Read text of one line without control characters."""
    found = text(value, where)
    if _CONTROL.search(found):
        raise where.wrong("one line without control characters", value)
    return found


def argument(value: Value, where: Where) -> str:
    """Read a word that is safe on a command line: it is no option and has no space."""
    found = one_line(value, where)
    if found.startswith("-") or " " in found:
        raise where.wrong("a word that begins with no `-` and has no space", value)
    return found


def name(value: Value, where: Where) -> str:
    """Read the name of an agent, a reviewer or the like."""
    if isinstance(value, str) and _NAME.fullmatch(value):
        return value
    raise where.wrong("a name of letters, digits, `.`, `_` and `-`", value)


def variable(value: Value, where: Where) -> str:
    """Read the name of an environment variable."""
    if isinstance(value, str) and _VARIABLE.fullmatch(value):
        return value
    raise where.wrong("the name of an environment variable", value)


def boolean(value: Value, where: Where) -> bool:
    """Read `true` or `false`."""
    if isinstance(value, bool):
        return value
    raise where.wrong("true or false", value)


def integer(low: int, high: int) -> Reader[int]:
    """Return the reader of an integer between two bounds, both allowed."""

    def read(value: Value, where: Where) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        raise where.wrong(f"an integer from {low} to {high:,}", value)

    return read


def _number(value: Value) -> float | None:
    return None if isinstance(value, (bool, str, list, dict)) else value


def amount(value: Value, where: Where) -> float:
    """Read a sum of US dollars."""
    number = _number(value)
    if number is None or number < 0:
        raise where.wrong("a number of US dollars, such as 5 or 0.50", value)
    return float(number)


def count(value: Value, where: Where) -> int:
    """Read a number of tokens: an integer, or `2M`, `500k`."""
    try:
        number = units.parse_count(value) if isinstance(value, str) else value
    except ValueError:
        number = None
    if isinstance(number, int) and not isinstance(number, bool) and 1 <= number < 1 << 53:
        return number
    raise where.wrong("a positive number, such as 200000, 500k or 2M", value)


def duration(value: Value, where: Where) -> float:
    """Read a time span in seconds: a number of them, or `45m`, `1h30m`, `90s`."""
    try:
        seconds = units.parse_duration(value) if isinstance(value, str) else _number(value)
    except ValueError:
        seconds = None
    if seconds is None or not 0 < seconds <= units.MAX_SECONDS:
        raise where.wrong("more than 0 and at most 168h, such as 90s, 45m, 1h30m or 90", value)
    return float(seconds)


def moment(value: Value, where: Where) -> str:
    """Read an RFC 3339 time; it is given in UTC and to the second."""
    try:
        return units.parse_time(text(value, where))
    except ValueError:
        allowed = "a time as RFC 3339 has it, such as 2026-11-21T04:00:00Z"
        raise where.wrong(allowed, value) from None
