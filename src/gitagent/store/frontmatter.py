"""The two parts of a task file, and edits of the first that leave the rest as it was."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeAlias

from gitagent.core.errors import BadInput
from gitagent.yaml_subset import Document, Path, Place, Value, decode, dump_value

BOM = b"\xef\xbb\xbf"
_OPENS = re.compile(r"---[ \t]*(\r?\n)")
_CLOSES = re.compile(r"^---[ \t]*(?:\r?\n|\Z)", re.MULTILINE)
_BLANK_LINE = re.compile(r"\r?\n")
_REST_OF_LINE = re.compile(r"[^\n]*(?:\n|\Z)")
_COLON = re.compile(r"\s*:")

Values: TypeAlias = Mapping[str, Value]
_Edit: TypeAlias = tuple[int, int, str]


class Parts(NamedTuple):
    """A task file: the four together, after the byte order mark, are the whole text.

    `separator` is the blank line that may stand before the body. `newline` is how the
    file's lines end.
    """

    opening: str
    yaml: str
    closing: str
    separator: str
    body: str

    @property
    def newline(self) -> str:
        """How the lines of the front matter end."""
        return "\r\n" if self.opening.endswith("\r\n") else "\n"

    def data(self, *, bom: bool) -> bytes:
        """Return the file; raises `BadInput` for text that UTF-8 cannot hold."""
        try:
            return (BOM if bom else b"") + "".join(self).encode()
        except UnicodeEncodeError:
            message = "the body holds bytes that are not UTF-8"
            raise BadInput(message, hint="write the text in UTF-8") from None


def split(data: bytes, *, file: str) -> Parts:
    """Return the parts of a file; raises `BadInput` when it has no front matter."""
    text = decode(data, file=file)
    opens = _OPENS.match(text)
    if opens is None:
        message = "a task file begins with a line `---`, its front matter, and a line `---`"
        raise BadInput(message, file=file, line=1)
    closes = _CLOSES.search(text, opens.end())
    if closes is None:
        message = "the front matter that begins here is not closed by a line `---`"
        raise BadInput(message, file=file, line=1)
    blank = _BLANK_LINE.match(text, closes.end())
    body = blank.end() if blank else closes.end()
    return Parts(
        text[: opens.end()],
        text[opens.end() : closes.start()],
        text[closes.start() : closes.end()],
        text[closes.end() : body],
        text[body:],
    )


def block(values: Values, newline: str) -> str:
    """Return front matter with these keys, each on a line."""
    return "".join(
        f"{dump_value(key)}: {dump_value(item)}{newline}" for key, item in values.items()
    )


def edit(text: str, document: Document, old: Values, new: Values, newline: str) -> str:
    """Return `text`, which was read as `document`, with what differs between `old` and `new`.

    A value on its line is replaced where it stands, so the comment behind it stays; the
    items of a list in block style are removed and added one by one. New keys go to the end.
    The result is what was meant for all usual ways to write YAML; the caller checks that.
    """
    edits = list(_Editor(text, document, newline).mapping((), old, new))
    for start, end, words in sorted(edits, reverse=True):
        text = text[:start] + words + text[end:]
    return text


class _Editor:
    """Finds the edits: start, end (offsets in characters) and what is to stand there."""

    def __init__(self, text: str, document: Document, newline: str) -> None:
        self._text = text
        self._document = document
        self._newline = newline

    def mapping(self, path: Path, old: Values, new: Values) -> Iterator[_Edit]:
        added = ""
        for key in dict.fromkeys((*old, *new)):
            place = self._document.place((*path, key))
            before, after = old.get(key), new.get(key)
            if before == after:
                continue
            if place is None and after is not None:
                added += f"{self._indent(path)}{key}: {dump_value(after)}{self._newline}"
            elif place is not None and after is None:
                yield self._line_start(place.key_start), self._line_end(self._end(place)), ""
            elif place is not None:
                yield from self._value((*path, key), place, before, after)
        if added:
            end = self._end_of(path)
            yield end, end, added

    def _value(self, path: Path, place: Place, old: Value, new: Value) -> Iterator[_Edit]:
        if place.block and isinstance(old, dict) and isinstance(new, dict):
            yield from self.mapping(path, old, new)
        elif place.block and isinstance(new, list) and (lines := self._items(path, new)):
            yield from lines
        elif place.block or place.start == place.end:
            colon = _COLON.match(self._text, place.key_end)
            start = colon.end() if colon else place.start
            yield start, max(start, self._end(place)), f" {dump_value(new)}"
        else:
            yield place.start, self._end(place), dump_value(new)

    def _items(self, path: Path, new: list[Value]) -> list[_Edit]:
        """Return the edits of single items; none when the order changed or nothing stays."""
        places = self._item_places(path)
        kept = [value for value, _ in places if value in new]
        if not kept or new[: len(kept)] != kept:
            return []
        edits = [
            (self._line_start(place.start), self._line_end(self._end(place)), "")
            for value, place in places
            if value not in new
        ]
        last = next(place for value, place in reversed(places) if value in new)
        lead = self._text[self._line_start(last.start) : last.start]
        end = self._line_end(self._end(last))
        words = "".join(f"{lead}{dump_value([v])[1:-1]}{self._newline}" for v in new[len(kept) :])
        return [*edits, (end, end, words)] if words else edits

    def _item_places(self, path: Path) -> list[tuple[Value, Place]]:
        found: list[tuple[Value, Place]] = []
        here = self._document.get(path)
        for number, value in enumerate(here if isinstance(here, list) else ()):
            place = self._document.place((*path, number))
            if place is not None:
                found.append((value, place))
        return found

    def _indent(self, path: Path) -> str:
        here = self._document.get(path)
        first = next(iter(here)) if isinstance(here, dict) else ""
        place = self._document.place((*path, first))
        return " " * (place.column if place else 0)

    def _end_of(self, path: Path) -> int:
        place = self._document.place(path) if path else None
        return self._line_end(self._end(place)) if place else len(self._text)

    def _end(self, place: Place) -> int:
        return place.start + len(self._text[place.start : place.end].rstrip())

    def _line_start(self, offset: int) -> int:
        return self._text.rfind("\n", 0, offset) + 1

    def _line_end(self, offset: int) -> int:
        rest = _REST_OF_LINE.match(self._text, offset)
        return rest.end() if rest else offset
