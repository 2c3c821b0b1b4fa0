"""What a plain scalar means, and how a value is shown to people."""

from __future__ import annotations

import re
from typing import TypeAlias

Value: TypeAlias = "str | int | float | bool | list[Value] | dict[str, Value] | None"

INTEGER = re.compile(r"0|-?[1-9][0-9]*")
DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+")
SURROGATE = re.compile("[\ud800-\udfff]")
WORDS: dict[str, Value] = {"": None, "~": None, "null": None, "true": True, "false": False}

_SHOWN = 60


def escape(text: str) -> str:
    """Return `text` with all that does not print as an escape of double-quoted YAML."""
    return "".join(map(_escaped, text))


def _escaped(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    if char.isprintable():
        return char
    if char == "\n":
        return "\\n"
    code = ord(char)
    return f"\\u{code:04x}" if code < 1 << 16 else f"\\U{code:08x}"


def show(value: object) -> str:
    """Return a value for a message: short, on one line, and without control characters."""
    match value:
        case None:
            return "nothing"
        case bool():
            return f"`{str(value).lower()}`"
        case int() | float():
            return f"the number {value}"
        case str():
            cut = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}..."
            return f"`{escape(cut)}`" if cut else "an empty text"
        case list():
            return "a list"
        case _:
            return "a mapping"
