"""Whether a filter applies to a file: all that matters here of `.gitattributes`.

Such a file (Git LFS, git-crypt) is stored by git as what a program makes of it. gitagent runs
no such program, so it must know which files it cannot store (SECURITY D16).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

from gitagent.git import wildmatch

FILE = b".gitattributes"
_BLANKS = b" \t\r"
_MACRO = b"[attr]"
_FILTER = b"filter"
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
_NAME = re.compile(rb"[A-Za-z0-9_.][-A-Za-z0-9_.]*")  # git's attr_name_valid()
_ESCAPE = re.compile(rb"\\([0-3][0-7]{2}|.)", re.DOTALL)
_LETTERS = {b"a": 7, b"b": 8, b"f": 12, b"n": 10, b"r": 13, b"t": 9, b"v": 11}

Setting: TypeAlias = tuple[bytes, bytes | None]
"""An attribute, and its value: None for unset or unspecified, empty for set without a value."""

Line: TypeAlias = tuple[bytes, tuple[Setting, ...]]
"""A pattern (or `[attr]` and a macro's name) and the settings after it."""


@dataclass(frozen=True, slots=True)
class Filters:
    """The attributes that hold in one folder, the strongest last, and the macros they use."""

    rules: tuple[tuple[int, wildmatch.PathPattern, tuple[Setting, ...]], ...] = ()
    macros: Mapping[bytes, tuple[Setting, ...]] = field(default_factory=dict)

    def enter(self, prefix: bytes, text: bytes | None) -> Filters:
        """Return the attributes in the folder `prefix` (`b""`, or ends with `/`).

        `text` is the content of its `.gitattributes`, None when it has none. Only the top
        folder's may define macros.
        """
        found = _lines(text) if text else ()
        if not found:
            return self
        macros = self.macros if prefix else _macros(found)
        named = (line for line in found if not line[0].startswith((_MACRO, b"!")))
        kept = ((pattern, _relevant(settings, macros)) for pattern, settings in named)
        new = ((len(prefix), wildmatch.parse(pattern), used) for pattern, used in kept if used)
        return Filters((*self.rules, *new), macros)

    def driver(self, path: bytes) -> bytes:
        """Return the name of the filter that applies to the file `path`; empty when none does."""
        known: dict[bytes, bytes | None] = {}
        for start, pattern, settings in reversed(self.rules):
            if pattern.matches(path[start:], is_folder=False):
                self._fill(known, settings)
            if _FILTER in known:
                break
        return known.get(_FILTER) or b""

    def _fill(self, known: dict[bytes, bytes | None], settings: tuple[Setting, ...]) -> None:
        """Add what is not known yet, from the last on; a macro that is set is expanded."""
        ahead = list(settings)
        while ahead:
            name, value = ahead.pop()
            if name not in known:
                known[name] = value
                if value == b"":
                    ahead.extend(self.macros.get(name, ()))


@lru_cache(maxsize=256)
def _lines(text: bytes) -> tuple[Line, ...]:
    lines = text.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    found = (_line(line.split(b"\0", 1)[0].strip(_BLANKS)) for line in lines)
    return tuple(line for line in found if line is not None)


def _line(line: bytes) -> Line | None:
    """Read one line; a name that is not allowed makes git drop all of it, as here."""
    if not line or line.startswith(b"#"):
        return None
    pattern, rest = _pattern(line)
    settings = tuple(_setting(word) for word in rest.split())
    named = [name for name, _ in settings]
    named += [pattern.removeprefix(_MACRO)] if pattern.startswith(_MACRO) else []
    return (pattern, settings) if all(_NAME.fullmatch(name) for name in named) else None


def _pattern(line: bytes) -> tuple[bytes, bytes]:
    quoted = _QUOTED.match(line)
    if quoted:
        return _unquoted(quoted[1]), line[quoted.end() :]
    start = _MACRO if line.startswith(_MACRO) else b""
    name, *rest = line.removeprefix(start).split(None, 1)
    return start + name, b"".join(rest)


def _unquoted(text: bytes) -> bytes:
    """Undo git's C-style quoting."""
    return _ESCAPE.sub(_unescaped, text)


def _unescaped(found: re.Match[bytes]) -> bytes:
    code = found[1]
    return bytes([int(code, 8)]) if len(code) > 1 else bytes([_LETTERS.get(code, code[0])])


def _macros(lines: tuple[Line, ...]) -> dict[bytes, tuple[Setting, ...]]:
    return {name.removeprefix(_MACRO): to for name, to in lines if name.startswith(_MACRO)}


def _relevant(
    settings: tuple[Setting, ...], macros: Mapping[bytes, tuple[Setting, ...]]
) -> tuple[Setting, ...]:
    return tuple(each for each in settings if each[0] == _FILTER or each[0] in macros)


def _setting(word: bytes) -> Setting:
    name, _, value = word.partition(b"=")
    return (name[1:], None) if name.startswith((b"-", b"!")) else (name, value)
