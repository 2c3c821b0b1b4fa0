"""Reading the subset: text to plain values, with the line of everything.

The parser's events are read one by one, so a depth bomb is refused at level 33, before it
can cost anything, and an alias before there is anything to copy.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from gitagent.core.errors import BadInput
from gitagent.yaml_subset.words import DECIMAL, INTEGER, SURROGATE, WORDS, Value, show

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_KEY = 256
"""Characters of a key; libyaml itself wants a key's colon within 1,024."""
MAX_INT = 2**63

Path: TypeAlias = tuple[str | int, ...]
_Event: TypeAlias = Any

# YAML 1.1 takes U+0085, U+2028 and U+2029 for line ends where no editor and no git does; they,
# a byte order mark and a lone carriage return would put lines where nobody sees them.
_BAD_CHARACTER = (
    "[^\\t\\n\\r -~\\xa0-\\u2027\\u202a-\\ud7ff\\ue000-\\ufefe\\uff00-\\ufffd"
    "\\U00010000-\\U0010ffff]|\\r(?!\\n)"
)
_BAD_ASCII = "[^\\t\\n\\r -~]|\\r(?!\\n)"

_HINTS = {
    "mapping values are not allowed in this context": "put text that holds `: ` in quotes",
    "mapping values are not allowed here": "put text that holds `: ` in quotes",
    "found character that cannot start any token": "put the text in quotes",
}


class Place(NamedTuple):
    """Where a key and its value stand: offsets in characters of the text that was loaded.

    For an item of a list `key_start` and `key_end` are where its value starts. `block` says
    that the value is a list or mapping in block style.
    """

    key_start: int
    key_end: int
    column: int
    start: int
    end: int
    block: bool


class Document:
    """A text that was read: its value, and where each part of it stands."""

    def __init__(self, value: Value, composer: _Composer) -> None:
        self.value = value
        self._composer = composer

    def get(self, path: Path) -> Value:
        """Return the value at `path`, which must be there."""
        here: Any = self.value
        for step in path:
            here = here[step]
        found: Value = here
        return found

    def line(self, path: Path = ()) -> int:
        """Return the line of the key or item at `path`, or of the nearest thing above it."""
        trail = self._trail(path)
        return self._composer.first_line + (trail[-1][0].start_mark.line if trail else 0)

    def place(self, path: Path) -> Place | None:
        """Return where the key or item at `path` stands; None when there is none."""
        trail = self._trail(path)
        if not path or len(trail) < len(path):
            return None
        key, first, last = trail[-1]
        return Place(
            key.start_mark.index,
            key.end_mark.index,
            key.start_mark.column,
            first.start_mark.index,
            last.end_mark.index,
            getattr(first, "flow_style", None) is False,
        )

    def error(self, message: str, path: Path = (), hint: str | None = None) -> BadInput:
        """Return the error that says `message` of the key or item at `path`."""
        return BadInput(message, hint=hint, file=self._composer.file, line=self.line(path))

    def _trail(self, path: Path) -> list[tuple[_Event, _Event, _Event]]:
        trail: list[tuple[_Event, _Event, _Event]] = []
        here: Any = self.value
        for step in path:
            known = self._composer.places.get((id(here), step))
            if known is None:
                break
            trail.append(known)
            here = here[step]
        return trail


def decode(data: bytes, *, file: str) -> str:
    """Return the text of a file without its byte order mark.

    Raises `BadInput` for more than 256 KiB and for what is not UTF-8.
    """
    if len(data) > MAX_BYTES:
        message = f"the file has {len(data):,} bytes; at most {MAX_BYTES:,} are allowed"
        raise BadInput(message, file=file, line=1)
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"the byte 0x{data[error.start]:02x} is not UTF-8"
        raise BadInput(message, hint="save the file as UTF-8", file=file, line=line) from None


def load(text: str, *, file: str, first_line: int = 1) -> Document:
    """Read one document; `first_line` is the line of `file` on which `text` begins.

    Raises `BadInput` with file and line for everything that this subset does not allow, and
    nothing else.
    """
    composer = _Composer(file, first_line)
    composer.refuse_characters(text)
    import yaml  # noqa: PLC0415  14 ms that a command which reads no YAML need not pay

    try:
        return composer.document(text)
    except yaml.YAMLError as error:
        raise composer.not_yaml(text, error) from None
    except (ValueError, OverflowError):  # what PyYAML's pure scanner lets through
        raise composer.error("this is not YAML: a number or an escape is out of range") from None


class _Composer:
    """Builds the value of one document from its events; any event carries its marks."""

    _next: Callable[[], _Event]
    _scalar_event: Any
    _sequence_event: Any

    def __init__(self, file: str, first_line: int) -> None:
        self.file = file
        self.first_line = first_line
        self.places: dict[tuple[int, str | int], tuple[_Event, _Event, _Event]] = {}

    def error(self, message: str, line: int = 0, hint: str | None = None) -> BadInput:
        return BadInput(message, hint=hint, file=self.file, line=self.first_line + line)

    def refused(self, what: str, event: _Event, hint: str | None = None) -> BadInput:
        return self.error(f"{what} not allowed here", event.start_mark.line, hint)

    def refuse_characters(self, text: str) -> None:
        # Nearly all files are ASCII, and to compile the ranges beyond it takes 4 ms.
        bad = re.search(_BAD_ASCII if text.isascii() else _BAD_CHARACTER, text)
        if bad:
            line = text.count("\n", 0, bad.start())
            code = f"U+{ord(bad[0]):04X}"
            hint = f'write it as an escape in double quotes, such as "\\u{ord(bad[0]):04x}"'
            raise self.error(f"the character {code} is not allowed here", line, hint)
        if len(text) > MAX_BYTES or len(text.encode()) > MAX_BYTES:
            raise self.error(f"the text has more than {MAX_BYTES:,} bytes")

    def document(self, text: str) -> Document:
        import yaml  # noqa: PLC0415

        loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
        parser = loader(text)
        try:
            self._next = parser.get_event
            self._scalar_event = yaml.ScalarEvent
            self._sequence_event = yaml.SequenceStartEvent
            return Document(self._single(yaml.StreamEndEvent), self)
        finally:
            parser.dispose()

    def _single(self, stream_end: type) -> Value:
        self._next()
        start = self._next()
        if type(start) is stream_end:
            return None
        if start.version or start.tags:
            raise self.refused("a directive is", start)
        value, _ = self._value(self._next(), 0)
        end = self._next()
        if end.explicit or type(after := self._next()) is not stream_end:
            line = (end if end.explicit else after).start_mark.line
            raise self.error("only one document is allowed in a file", line)
        return value

    def _value(self, event: _Event, depth: int) -> tuple[Value, _Event]:
        """Return a value and the last event of it that stands for text of its own."""
        if event.anchor is not None:
            raise self.refused("an anchor or alias is", event, _quote_hint("&", "*"))
        if event.tag is not None:
            raise self.refused("a tag is", event, _quote_hint("!"))
        if type(event) is self._scalar_event:
            return self._scalar(event), event
        if depth == MAX_DEPTH:
            raise self.refused(f"more than {MAX_DEPTH} levels of nesting are", event)
        if type(event) is self._sequence_event:
            return self._sequence(event, depth + 1)
        return self._mapping(event, depth + 1)

    def _sequence(self, start: _Event, depth: int) -> tuple[Value, _Event]:
        items: list[Value] = []
        last = start
        while hasattr(event := self._next(), "anchor"):
            item, last = self._value(event, depth)
            self.places[id(items), len(items)] = event, event, last
            items.append(item)
        return items, event if start.flow_style else last

    def _mapping(self, start: _Event, depth: int) -> tuple[Value, _Event]:
        entries: dict[str, Value] = {}
        last = start
        while hasattr(event := self._next(), "anchor"):
            key = self._key(event, entries)
            first = self._next()
            entries[key], last = self._value(first, depth)
            self.places[id(entries), key] = event, first, last
        return entries, event if start.flow_style else last

    def _key(self, event: _Event, entries: dict[str, Value]) -> str:
        if type(event) is not self._scalar_event:
            raise self.refused("a key that is not text is", event)
        key, _ = self._value(event, 0)
        if not isinstance(key, str):
            hint = f'write "{event.value[:MAX_KEY]}" in quotes'
            raise self.refused("a key that is not text is", event, hint)
        if len(key) > MAX_KEY:
            raise self.refused(f"a key of more than {MAX_KEY} characters is", event)
        if key == "<<" and not event.style:
            raise self.refused("the merge key `<<` is", event)
        if key in entries:
            before = self.places[id(entries), key][0].start_mark.line + self.first_line
            message = f"the key {show(key)} stands here again, first in line {before}"
            raise self.error(message, event.start_mark.line, "keep one of them")
        return key

    def _scalar(self, event: _Event) -> Value:
        text: str = event.value
        if event.style:
            if SURROGATE.search(text):  # libyaml refuses it, PyYAML's own scanner does not
                raise self.refused("half of a surrogate pair is", event)
            return text
        if text in WORDS:
            return WORDS[text]
        if INTEGER.fullmatch(text):
            if len(text) <= len(str(-MAX_INT)) and -MAX_INT <= int(text) < MAX_INT:
                return int(text)
            raise self.refused("an integer beyond 64 bits is", event, _quote_hint())
        if DECIMAL.fullmatch(text):
            if math.isfinite(number := float(text)):
                return number
            raise self.refused("a decimal beyond 64 bits is", event, _quote_hint())
        return text

    def not_yaml(self, text: str, error: _Event) -> BadInput:
        """Return libyaml's complaint with its place, and what is usually meant."""
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        problem = getattr(error, "problem", None) or "it cannot be read"
        if mark is None:
            return self.error(f"this is not YAML: {problem}")
        lines = text.splitlines() or [""]
        number = min(mark.line, len(lines) - 1)
        if mark.line == number and "\t" in lines[number][: mark.column + 1]:
            return self.error("a tab is not allowed here", number, "indent with spaces")
        began = self._began(error, number)
        message = f"this is not YAML: {problem}{began} (column {mark.column + 1})"
        return self.error(message, number, _HINTS.get(problem))

    def _began(self, error: _Event, line: int) -> str:
        mark = error.context_mark
        if mark is None or mark.line >= line:
            return ""
        return f", {error.context} that begins in line {self.first_line + mark.line}"


def _quote_hint(*signs: str) -> str:
    begins = f" that begins with {' or '.join(f'`{sign}`' for sign in signs)}" if signs else ""
    return f"put text{begins} in quotes"
