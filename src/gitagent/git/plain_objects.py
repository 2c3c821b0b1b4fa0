"""Objects read without pygit2: loose ones as files, all others by `git cat-file --batch`.

What another clone changed and a fetch has just brought is a handful of loose objects.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gitagent.core.errors import ExternalError

if TYPE_CHECKING:
    from gitagent.git.command import Git

_HEADER = re.compile(rb"(commit|tree|blob|tag) ([0-9]+)\0")
_ENTRY = re.compile(rb"([0-7]+) ([^\0]+)\0(.{20})", re.DOTALL)
_FEW = 64
"""So many are looked for as files one by one, before a process is started."""
_FIRST_CHUNK = 1000
_MOST_CHUNK = 20_000
_CHUNK_BYTES = 8 << 20
"""What the objects of one call of git may hold together, going by those of the call before."""

TREE = 0o040000
_FILES = frozenset({0o100644, 0o100755})


class Object(NamedTuple):
    """An object: `kind` is git's word for it."""

    oid: str
    kind: str
    data: bytes


class Entry(NamedTuple):
    """What a tree says of one name."""

    name: bytes
    mode: int
    oid: str

    @property
    def is_tree(self) -> bool:
        """Whether it is a folder."""
        return self.mode == TREE

    @property
    def is_file(self) -> bool:
        """Whether it is a file, and no link or submodule."""
        return self.mode in _FILES


class Objects:
    """The objects of one repository; `git` gives the command when it is needed."""

    def __init__(self, common_dir: Path, git: Callable[[], Git]) -> None:
        self._folder = common_dir / "objects"
        self._git = git

    def read(self, oid: str) -> Object:
        """Return one object; raises `ExternalError` when it cannot be read."""
        return next(self.many([oid]))

    def many(self, oids: Iterable[str]) -> Iterator[Object]:
        """Yield objects in the order asked for; raises `ExternalError` for a missing one."""
        rest, size = iter(oids), _FIRST_CHUNK
        while chunk := list(islice(rest, size)):
            held = 0
            found: dict[str, Object] = {}
            if len(chunk) <= _FEW:
                found = {each.oid: each for oid in chunk if (each := self._loose(oid))}
            missing = [oid for oid in chunk if oid not in found]
            asked = self._ask(missing) if missing else iter(())
            for oid in chunk:
                each = found[oid] if oid in found else next(asked)
                held += len(each.data)
                yield each
            size = max(1, min(_CHUNK_BYTES * len(chunk) // max(held, 1), _MOST_CHUNK))

    def tree(self, oid: str) -> list[Entry]:
        """Return the entries of a tree; raises `ExternalError` for anything else."""
        return entries(self.read(oid))

    def _loose(self, oid: str) -> Object | None:
        try:
            data = zlib.decompress((self._folder / oid[:2] / oid[2:]).read_bytes())
        except (OSError, zlib.error):
            return None  # packed, borrowed from another repository, or broken: git will say
        header = _HEADER.match(data)
        if header is None or int(header[2]) != len(data) - header.end():
            return None
        return Object(oid, header[1].decode(), data[header.end() :])

    def _ask(self, oids: Sequence[str]) -> Iterator[Object]:
        given = "".join(f"{oid}\n" for oid in oids).encode()
        variables = {"GIT_NO_REPLACE_OBJECTS": "1"}
        said = self._git().run("cat-file", "--batch", stdin=given, variables=variables)
        at = 0
        for oid in oids:
            end = said.stdout.find(b"\n", at)
            words = said.stdout[at:end].split()
            if len(words) != 3 or words[0] != oid.encode():  # noqa: PLR2004
                message = f"the object {oid} cannot be read"
                raise ExternalError(message, hint="run `git fsck`")
            start, size = end + 1, int(words[2])
            at = start + size + 1
            yield Object(oid, words[1].decode(), said.stdout[start : start + size])


def entries(tree: Object) -> list[Entry]:
    """Return the entries of a tree; raises `ExternalError` for what is no well-formed one."""
    found = _ENTRY.findall(tree.data)
    size = sum(len(mode) + len(name) + 22 for mode, name, _ in found)
    if tree.kind != "tree" or size != len(tree.data):
        message = f"the object {tree.oid} is not a well-formed tree"
        raise ExternalError(message, hint="run `git fsck`")
    return [Entry(name, int(mode, 8), oid.hex()) for mode, name, oid in found]


class Commit(NamedTuple):
    """What a commit says, as far as the store looks."""

    tree: str
    parents: tuple[str, ...]
    message: str


def commit(found: Object) -> Commit:
    """Return what a commit says; raises `ExternalError` for an object that is none."""
    head, _, message = found.data.partition(b"\n\n")
    lines = [line.split(b" ", 1) for line in head.split(b"\n")]
    if found.kind != "commit" or lines[0][0] != b"tree":
        message_ = f"the object {found.oid} is not a commit"
        raise ExternalError(message_, hint="run `git fsck`")
    parents = [line[1].decode() for line in lines if line[0] == b"parent"]
    return Commit(lines[0][1].decode(), tuple(parents), message.decode(errors="replace"))
