"""A line of what `doctor` finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was looked at; `mend` says what to type."""

    ok: bool
    what: str
    mend: str | None = None
