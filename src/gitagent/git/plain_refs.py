"""Refs read as plain files: loose ones first, then `packed-refs`, as git itself looks.

A ref that `git pack-refs` moves meanwhile is packed before its file goes, so whoever looks in
this order sees it in one of the two.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Self

from gitagent.core.errors import ExternalError

if TYPE_CHECKING:
    from mmap import mmap

TASKS = "refs/heads/gitagent/tasks"
CLAIMS = "refs/gitagent/claims/"
FETCHED_CLAIMS = "refs/gitagent/r/claims/"

_HEX = frozenset(b"0123456789abcdef")
_OID_LENGTH = 40
_SYMBOLIC = b"ref: "
_DEEPEST = 5
"""Symbolic refs that lead to one another; git's own limit."""


def read_ref(common_dir: Path, ref: str) -> str | None:
    """Return the commit that `ref` names; None when there is no such ref."""
    for _ in range(_DEEPEST):
        value = raw_ref(common_dir, ref)
        if value is None or not value.startswith("ref: "):
            return value
        ref = value.removeprefix("ref: ").strip()
    message = f"the symbolic ref `{ref}` leads too far"
    raise ExternalError(message)


def raw_ref(common_dir: Path, ref: str) -> str | None:
    """Return what a ref says: an object id, or `ref: ` and another ref; None without one."""
    loose = _loose(f"{common_dir}/{ref}")
    if loose is not None:
        return loose
    with _Packed(common_dir) as packed:
        return next((oid for name, oid in packed.below(ref) if name == ref), None)


def refs_below(common_dir: Path, prefix: str) -> dict[str, str]:
    """Return the refs below `prefix` (which ends with a slash) and their object ids.

    A file that is no ref is left out, as git leaves it out.
    """
    found = dict(_walk(f"{common_dir}/{prefix}".rstrip("/"), prefix))
    with _Packed(common_dir) as packed:
        return {**dict(packed.below(prefix)), **found}


def _walk(folder: str, prefix: str) -> Iterator[tuple[str, str]]:
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, f"{prefix}{entry.name}/")
        elif not entry.name.endswith(".lock"):
            value = _listed(entry.path)
            if value is not None and not value.startswith("ref: "):
                yield f"{prefix}{entry.name}", value


def _listed(path: str) -> str | None:
    try:
        return _loose(path)
    except ExternalError:
        return None


def _loose(path: str) -> str | None:
    try:
        with open(path, "rb") as stream:  # noqa: PTH123  a thousand claims, and 3 us each
            data = stream.read(4096).rstrip()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None
    if data.startswith(_SYMBOLIC) or _is_oid(data):
        return os.fsdecode(data)
    message = f"the ref `{path}` is broken"
    raise ExternalError(message, hint="run `git fsck`")


def _is_oid(data: bytes) -> bool:
    return len(data) == _OID_LENGTH and _HEX.issuperset(data)


class _Packed:
    """The file `packed-refs`, searched without reading it: it may hold 100,000 refs."""

    def __init__(self, common_dir: Path) -> None:
        self._path = common_dir / "packed-refs"
        self._data: mmap | bytes = b""

    def __enter__(self) -> Self:
        try:
            with self._path.open("rb") as stream:
                if os.fstat(stream.fileno()).st_size:
                    from mmap import ACCESS_READ, mmap  # noqa: PLC0415  few queues are packed

                    self._data = mmap(stream.fileno(), 0, access=ACCESS_READ)
        except FileNotFoundError:
            pass
        return self

    def __exit__(self, *_error: object) -> None:
        if not isinstance(self._data, bytes):
            self._data.close()

    def below(self, prefix: str) -> Iterator[tuple[str, str]]:
        """Yield the refs whose names start with `prefix`, and their object ids."""
        wanted = os.fsencode(prefix)
        return self._sorted(wanted) if self._is_sorted() else self._anywhere(wanted)

    def _is_sorted(self) -> bool:
        header = self._data[: self._line_end(0)]
        return header.startswith(b"# pack-refs with:") and b" sorted" in header

    def _sorted(self, wanted: bytes) -> Iterator[tuple[str, str]]:
        at = self._first(wanted)
        while at < len(self._data):
            name, oid, at = self._entry(at)
            if not name.startswith(wanted):
                return
            yield os.fsdecode(name), oid

    def _anywhere(self, wanted: bytes) -> Iterator[tuple[str, str]]:
        at = 0
        while at < len(self._data):
            name, oid, at = self._entry(at)
            if name.startswith(wanted) and _is_oid(oid.encode()):
                yield os.fsdecode(name), oid

    def _first(self, wanted: bytes) -> int:
        """Return where the first ref stands that is not before `wanted`, by bisection."""
        low, high = self._line_end(0), len(self._data)
        while low < high:
            start = self._entry_start((low + high) // 2, low)
            name, _, after = self._entry(start)
            if name < wanted:
                low = after
            else:
                high = start
        return low

    def _entry_start(self, at: int, low: int) -> int:
        start = max(self._data.rfind(b"\n", low, at) + 1, low)
        if self._data[start : start + 1] == b"^":  # what the tag of the line before leads to
            start = max(self._data.rfind(b"\n", low, start - 1) + 1, low)
        return start

    def _entry(self, start: int) -> tuple[bytes, str, int]:
        """Return name and object id of the line at `start`, and where the next ref stands."""
        end = self._line_end(start)
        line = self._data[start:end].rstrip(b"\n")
        if self._data[end : end + 1] == b"^":
            end = self._line_end(end)
        oid = line[:_OID_LENGTH].decode("ascii", "replace")
        return line[_OID_LENGTH + 1 :], oid, end

    def _line_end(self, start: int) -> int:
        end = self._data.find(b"\n", start)
        return len(self._data) if end < 0 else end + 1
