"""The rules that hold in a folder of a worktree: those of the base and those it has now.

Both hold, since the worktree's are an agent's: it may ignore more than its base did, and may
not bring in what the base ignores, or store raw what the base has a filter for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from gitagent.git.attributes import FILE as ATTRIBUTES
from gitagent.git.attributes import Filters
from gitagent.git.ignore import FILE as IGNORE
from gitagent.git.ignore import Ignore, outside

Text: TypeAlias = Callable[[bytes], bytes | None]
"""Gives the content of a file of a folder, None when there is none."""


class _Side(NamedTuple):
    ignore: Ignore
    filters: Filters


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules in one folder, a side for the base and one for the worktree."""

    base: _Side
    now: _Side

    @classmethod
    def of(cls, excludes: Sequence[str]) -> Rules:
        """Return the rules above the top folder, from texts with the strongest first."""
        side = _Side(outside(excludes), Filters())
        return cls(side, side)

    def enter(self, prefix: bytes, base: Text, now: Text) -> Rules:
        """Return the rules in the folder `prefix`, which is empty or ends with `/`."""
        of_base, of_now = (base(IGNORE), base(ATTRIBUTES)), (now(IGNORE), now(ATTRIBUTES))
        entered = _enter(self.base, prefix, of_base)
        if self.base is self.now and of_base == of_now:
            return Rules(entered, entered)
        return Rules(entered, _enter(self.now, prefix, of_now))

    def ignore(self, path: bytes, *, is_folder: bool) -> bool:
        """Say whether either side ignores `path`, whose parents neither ignores."""
        return any(each.ignore.ignores(path, is_folder=is_folder) for each in self._sides())

    def filter(self, path: bytes) -> bool:
        """Say whether either side has a filter for the file `path`."""
        return any(each.filters.driver(path) for each in self._sides())

    def _sides(self) -> tuple[_Side, ...]:
        return (self.base,) if self.base is self.now else (self.base, self.now)


def _enter(side: _Side, prefix: bytes, texts: tuple[bytes | None, bytes | None]) -> _Side:
    if texts == (None, None):
        return side
    return _Side(side.ignore.enter(prefix, texts[0]), side.filters.enter(prefix, texts[1]))
