"""The one question about `.gitattributes` that matters here: does a filter apply to a file?

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
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
_ESCAPE = re.compile(rb"\\([0-3][0-7]{2}|.)", re.DOTALL)
_LETTERS = {b"a": 7, b"b": 8, b"f": 12, b"n": 10, b"r": 13, b"t": 9, b"v": 11}

Line: TypeAlias = tuple[bytes, tuple[bytes, ...]]
"""A pattern (or `[attr]` and a macro's name) and the attributes after it."""


@dataclass(frozen=True, slots=True)
class Filters:
    """The attributes that hold in one folder, the strongest last, and the macros they use."""

    rules: tuple[tuple[int, wildmatch.PathPattern, bytes], ...] = ()
    macros: Mapping[bytes, bytes] = field(default_factory=dict)

    def enter(self, prefix: bytes, text: bytes | None) -> Filters:
        """Return the attributes in the folder `prefix` (`b""`, or ends with `/`).

        `text` is the content of its `.gitattributes`, None when it has none.
        """
        found = _lines(text) if text else ()
        if not found:
            return self
        macros = self.macros if prefix else _macros(found)
        new = tuple(
            (len(prefix), wildmatch.parse(pattern), driver)
            for pattern, words in found
            if not pattern.startswith((_MACRO, b"!"))
            and (driver := _driver(words, macros)) is not None
        )
        return Filters(self.rules + new, macros)

    def driver(self, path: bytes) -> bytes:
        """Return the name of the filter that applies to the file `path`; empty when none does."""
        for start, pattern, driver in reversed(self.rules):
            if pattern.matches(path[start:], is_folder=False):
                return driver
        return b""


@lru_cache(maxsize=256)
def _lines(text: bytes) -> tuple[Line, ...]:
    lines = text.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    found = (_line(line.split(b"\0", 1)[0].strip(_BLANKS)) for line in lines)
    return tuple(line for line in found if line is not None)


def _line(line: bytes) -> Line | None:
    if not line or line.startswith(b"#"):
        return None
    if line.startswith(_MACRO):
        name, *words = re.split(rb"[ \t\r]+", line[len(_MACRO) :].lstrip(_BLANKS))
        return _MACRO + name, tuple(words)
    quoted = _QUOTED.match(line)
    if quoted:
        return _unquoted(quoted[1]), tuple(line[quoted.end() :].split())
    pattern, *words = re.split(rb"[ \t\r]+", line)
    return pattern, tuple(words)


def _unquoted(text: bytes) -> bytes:
    """Undo git's C-style quoting."""
    return _ESCAPE.sub(_unescaped, text)


def _unescaped(found: re.Match[bytes]) -> bytes:
    code = found[1]
    return bytes([int(code, 8)]) if len(code) > 1 else bytes([_LETTERS.get(code, code[0])])


def _macros(lines: tuple[Line, ...]) -> dict[bytes, bytes]:
    """Return what each macro makes of `filter`; only the top folder's file may define them."""
    macros: dict[bytes, bytes] = {}
    for name, words in lines:
        driver = _driver(words, macros) if name.startswith(_MACRO) else None
        if driver is not None:
            macros[name.removeprefix(_MACRO)] = driver
    return macros


def _driver(words: tuple[bytes, ...], macros: Mapping[bytes, bytes]) -> bytes | None:
    """Return the filter that the words set, empty for none, None when they do not say."""
    found: bytes | None = None
    for word in words:
        if word.startswith(b"filter="):
            found = word.removeprefix(b"filter=")
        elif word in {b"filter", b"-filter", b"!filter"}:
            found = b""  # without a name no program is meant
        else:
            found = macros.get(word, found)
    return found
