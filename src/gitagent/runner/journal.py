"""The journal of a run: every event appended, fsynced before the next step begins."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import TypeAdapter

from gitagent.core.events import Entry, Event

_ENTRY: TypeAdapter[Entry] = TypeAdapter(Entry)


class Journal:
    """A run's `journal.jsonl`, open for appending; one `Entry` a line."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "journal.jsonl"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._handle = os.open(self.path, flags, 0o644)
        self.entries: list[Entry] = []

    @property
    def history(self) -> list[Event]:
        """The events so far, oldest first."""
        return [entry.event for entry in self.entries]

    def append(self, entry: Entry) -> None:
        """Add an event; it is on disk when this returns."""
        line = json.dumps(entry_json(entry))  # not pydantic's: a path need not be UTF-8
        os.write(self._handle, line.encode() + b"\n")
        os.fsync(self._handle)
        self.entries.append(entry)

    def __enter__(self) -> Self:
        """Use it until the block ends."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file."""
        os.close(self._handle)


def read(path: Path) -> list[Entry]:
    """Return the entries of a journal; a last line that was cut short is left out."""
    lines = path.read_bytes().splitlines(keepends=True)
    return [parse_entry(json.loads(line)) for line in lines if line.endswith(b"\n")]


def entry_json(entry: Entry) -> dict[str, object]:
    """Return an entry as the record keeps it."""
    dumped: dict[str, object] = _ENTRY.dump_python(entry, mode="json")
    return dumped


def parse_entry(value: dict[str, object]) -> Entry:
    """Return an entry of a record; raises `ValueError` when it is none."""
    return _ENTRY.validate_python(value)
