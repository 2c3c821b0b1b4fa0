"""Merging the tasks branches of two clones, with objects alone: no ref is moved here.

Only the folders that differ on both sides are read, and only the tasks that both changed are
parsed. The merged tree depends on the two trees and their base, not on who merges.

- A task: per field, as `merge_task` says.
- Records, messages, memory: written once, so both sides' are simply there. The same path with
  other bytes cannot be made by gitagent; if it is there, both are kept.
- A state file: that of the newer run (its key `run` is a ULID, which sorts by time).
- All else, a README, a link, a submodule: as a whole; where both changed it, both are kept.

Both are kept means: the one with the lower object id under its name, the other one beside it
under the name with its own object id behind it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gitagent.git import commits, merge_file, objects, three_trees, trees
from gitagent.git.ancestry import merge_bases
from gitagent.git.merge import contains
from gitagent.git.merge_file import MergedText
from gitagent.git.repository import GITAGENT, Repository
from gitagent.git.three_trees import Versions
from gitagent.git.trees import Entry
from gitagent.store import layout
from gitagent.store.merge_task import merge_task
from gitagent.text import one_line

_STATE = b"state/"
_FILES = frozenset({trees.BLOB, trees.EXECUTABLE})
_SHOWN = 12  # characters of an object id
_LONGEST = 200
_DEEPEST = 8
"""How often merge bases are merged for one of their own. git has no bound; with one, clones
that met crosswise for years cost no more than those that did so eight times."""


def merge(repository: Repository, ours: str, theirs: str, when: datetime) -> str:
    """Return the commit that joins two; one of them where it contains the other.

    Without a common commit (two clones that both ran `init`) all of both is new. Raises
    `ExternalError` when an object is missing or git fails.
    """
    if contains(repository, ours, theirs):
        return ours
    if contains(repository, theirs, ours):
        return theirs
    join = _Join(repository)
    tree = join.commits(ours, theirs)
    draft = commits.Draft(tree, (ours, theirs), join.message(), GITAGENT, when)
    return commits.write(repository, draft)


@dataclass(slots=True)
class _Join:
    """Decides what both sides changed, and remembers what it met: task to fields in conflict."""

    repository: Repository
    met: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def commits(self, one: str, two: str, depth: int = 0) -> str:
        """Return the tree of two commits merged."""
        base = self._base(merge_bases(self.repository, one, two), depth)
        return self._trees(base, self.repository.tree_of(one), self.repository.tree_of(two))

    def _base(self, bases: tuple[str, ...], depth: int) -> str | None:
        """Return one tree for several merge bases: theirs merged, as git's own merge does it.

        With one of them alone, what the others have in common with both sides would look as
        if both sides had changed it.
        """
        if not bases:
            return None
        tree = self.repository.tree_of(bases[0])
        for other in bases[1:] if depth < _DEEPEST else ():
            inner = _Join(self.repository)
            below = inner._base(merge_bases(self.repository, bases[0], other), depth + 1)
            tree = inner._trees(below, tree, self.repository.tree_of(other))
        return tree

    def _trees(self, base: str | None, one: str, two: str) -> str:
        raw = self.repository.raw
        return str(three_trees.merge_trees(raw, base, one, two, self._resolve))

    def _resolve(self, path: bytes, versions: Versions) -> Mapping[bytes, Entry]:
        present = [each for each in versions[1:] if each is not None]
        task = layout.task_of(os.fsdecode(path))
        if task is not None and all(each is None or each[0] in _FILES for each in versions):
            return self._task(path, task, versions)
        name = path.rpartition(b"/")[2]
        if len(present) == 1:
            return {name: present[0]}  # deleted by one side and changed by the other
        if path.startswith(_STATE) and all(mode in _FILES for mode, _ in present):
            return {name: max(present, key=self._run_of)}
        kept, beside = sorted(present, key=_folder_first)
        return {name: kept, _beside(name, beside): beside}

    def _task(self, path: bytes, task: str, versions: Versions) -> Mapping[bytes, Entry]:
        name = path.rpartition(b"/")[2]
        base, one, two = (each and self._read(each) for each in versions)
        merged = merge_task(task, base, one, two, self._text)
        self.met[task] = merged.conflicts
        found: dict[bytes, Entry] = {}
        if merged.data is not None:
            found[name] = _mode(versions), objects.write_blob(self.repository.raw, merged.data)
        if merged.beside is not None:
            other = trees.BLOB, objects.write_blob(self.repository.raw, merged.beside)
            found[_beside(name, other)] = other
        return found

    def _text(self, base: bytes, one: bytes, two: bytes) -> MergedText | None:
        return merge_file.merge_file(self.repository.git, base, one, two)

    def _read(self, entry: Entry) -> bytes:
        return self.repository.blob(str(entry[1]))

    def _run_of(self, entry: Entry) -> tuple[str, str]:
        """Return what orders two states: the run that left it, else any fixed order."""
        try:
            run = json.loads(self._read(entry))["run"]
        except (ValueError, TypeError, KeyError, RecursionError):
            run = ""
        return run if isinstance(run, str) else "", str(entry[1])

    def message(self) -> str:
        """Return the commit message: what both sides had changed, and what is in conflict."""
        hurt = sorted(task for task, conflicts in self.met.items() if conflicts)
        told = f"tasks changed on both sides: {len(self.met)}, in conflict: {len(hurt)}"
        lines = [f"Task: {task}\n" for task in sorted(self.met)]
        lines += [f"Conflict: {task} ({_fields(self.met[task])})\n" for task in hurt]
        return f"merge: {told}\n" + (f"\n{''.join(lines)}" if lines else "")


def _fields(conflicts: tuple[str, ...]) -> str:
    return one_line(", ".join(conflicts), _LONGEST)


def _mode(versions: Versions) -> int:
    """Return the mode of a file that both sides changed: the changed one of the two."""
    old, *new = (each[0] if each is not None else trees.BLOB for each in versions)
    return max(new) if old == min(new) else min(new)


def _folder_first(entry: Entry) -> tuple[bool, str]:
    return entry[0] != trees.TREE, str(entry[1])


def _beside(name: bytes, entry: Entry) -> bytes:
    return b"%s.%s" % (name, str(entry[1])[:_SHOWN].encode())
