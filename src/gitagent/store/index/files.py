"""The tasks branch as the index reads it: only the folders that differ from what it holds."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from gitagent.core.errors import BadInput
from gitagent.core.task import BrokenFile, Task
from gitagent.git.plain_objects import Entry, Objects, commit, entries
from gitagent.store import layout
from gitagent.store.usual import usual


class Shard(NamedTuple):
    """One entry of a folder of the branch, and the files in it: path to object id.

    Of `runs/` the files are the folders of the tasks.
    """

    name: bytes
    mode: int
    oid: str
    files: Mapping[bytes, str]

    def packed(self) -> bytes:
        """Return the files as bytes, for a column."""
        return b"\0".join(part for path, oid in self.files.items() for part in (path, oid.encode()))


def unpacked(data: bytes) -> dict[bytes, str]:
    """Return the files that `packed` gave."""
    parts = data.split(b"\0") if data else []
    return {path: oid.decode() for path, oid in zip(parts[::2], parts[1::2], strict=True)}


def folders(objects: Objects, tip: str | None) -> dict[str, str]:
    """Return the ids of the trees `tasks` and `runs` in the commit `tip`, as far as it has them."""
    if tip is None:
        return {}
    wanted = (layout.TASKS, layout.RUNS)
    root = objects.tree(commit(objects.read(tip)).tree)
    return {os.fsdecode(e.name): e.oid for e in root if e.is_tree and os.fsdecode(e.name) in wanted}


def changed_shards(
    objects: Objects, folder: str, tree: str | None, held: Mapping[bytes, tuple[int, str]]
) -> tuple[list[bytes], Iterator[Shard]]:
    """Return the entries that are gone, and those whose mode or id differs from `held`."""
    listed = objects.tree(tree) if tree is not None else []
    names = {entry.name for entry in listed}
    gone = [name for name in held if name not in names]
    new = [entry for entry in listed if held.get(entry.name) != (entry.mode, entry.oid)]
    return gone, _shards(objects, folder, new)


def _shards(objects: Objects, folder: str, new: list[Entry]) -> Iterator[Shard]:
    """Read the folders among the entries together: there may be a thousand."""
    trees = objects.many(entry.oid for entry in new if entry.is_tree)
    for entry in new:
        path = folder.encode() + b"/" + entry.name
        files: dict[bytes, str] = {path: entry.oid} if entry.is_file else {}
        if entry.is_tree and folder == layout.RUNS:
            files = {each.name: each.oid for each in entries(next(trees)) if each.is_tree}
        elif entry.is_tree:
            files = dict(_walk(objects, path + b"/", entries(next(trees))))
        yield Shard(entry.name, entry.mode, entry.oid, files)


def _walk(objects: Objects, prefix: bytes, listed: list[Entry]) -> Iterator[tuple[bytes, str]]:
    for entry in listed:
        if entry.is_tree:
            yield from _walk(objects, prefix + entry.name + b"/", objects.tree(entry.oid))
        elif entry.is_file:
            yield prefix + entry.name, entry.oid


def parsed(
    objects: Objects, files: Mapping[bytes, str]
) -> Iterator[tuple[bytes, Task | BrokenFile]]:
    """Yield each file with what it says."""
    for path, found in zip(files, objects.many(files.values()), strict=True):
        yield path, parse_file(os.fsdecode(path), found.data)


def parse_file(path: str, data: bytes) -> Task | BrokenFile:
    """Return the task of a file below `tasks/`, or what is wrong with the file."""
    task = layout.task_of(path)
    if task is None:
        message = "is not named like a task: `tasks/<first two of the id>/<id>.md`"
        return BrokenFile(path, None, message)
    found = usual(data, id=task)
    if found is not None:
        return found
    from gitagent.store.taskfile import parse  # noqa: PLC0415  20 ms with yaml, for the others

    try:
        return parse(data, id=task, path=path)
    except BadInput as error:
        return BrokenFile(path, error.line, error.message, task)
