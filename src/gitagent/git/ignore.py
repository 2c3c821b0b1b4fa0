"""Ignore rules, applied from the top folder down, as git does it.

The last rule that matches decides; a deeper folder's rules come before a higher one's; below
an ignored folder nothing is looked at, so nothing there can be brought back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from gitagent.git import wildmatch

FILE = b".gitignore"
_BOM = b"\xef\xbb\xbf"
_TRAILING_SPACES = re.compile(rb"((?:[^\\ ]|\\.| +(?=[^ ]))*+) +", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Ignore:
    """The rules that hold in one folder. Each level is (length of its prefix, patterns)."""

    levels: tuple[tuple[int, tuple[wildmatch.PathPattern, ...]], ...] = ()

    def enter(self, prefix: bytes, text: bytes | None) -> Ignore:
        """Return the rules in the folder `prefix` (`b""`, or ends with `/`).

        `text` is the content of its `.gitignore`, None when it has none.
        """
        patterns = rules(text) if text else ()
        return Ignore((*self.levels, (len(prefix), patterns))) if patterns else self

    def ignores(self, path: bytes, *, is_folder: bool) -> bool:
        """Say whether `path`, whose parents are not ignored, is ignored."""
        for start, patterns in reversed(self.levels):
            below = path[start:]
            for pattern in reversed(patterns):
                if pattern.matches(below, is_folder=is_folder):
                    return not pattern.negative
        return False


def outside(excludes: Sequence[str]) -> Ignore:
    """Return the rules that stand outside the tree, the strongest text first.

    git's order is `info/exclude`, then the file that `core.excludesFile` names.
    """
    found = Ignore()
    for text in reversed(excludes):
        found = found.enter(b"", text.encode("utf-8", "surrogateescape"))
    return found


@lru_cache(maxsize=256)
def rules(text: bytes) -> tuple[wildmatch.PathPattern, ...]:
    """Return the patterns of one `.gitignore`, in their order."""
    lines = text.removeprefix(_BOM).split(b"\n")
    kept = (_trimmed(line.removesuffix(b"\r")) for line in lines if not line.startswith(b"#"))
    return tuple(wildmatch.parse(line) for line in kept if line)


def _trimmed(line: bytes) -> bytes:
    r"""Cut what follows a NUL, and spaces at the end unless one is escaped as `\ `."""
    text = line.split(b"\0", 1)[0]
    found = _TRAILING_SPACES.fullmatch(text)
    return found[1] if found else text
