"""The tasks branch: read as objects, written under its lock, one commit an event."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from gitagent.core.errors import NoQueue, Refused
from gitagent.git import commits, objects, trees
from gitagent.git.refs import TASKS
from gitagent.git.repository import Identity, Repository


class TasksBranch:
    """The branch `gitagent/tasks` of one repository."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository

    def tip(self) -> str | None:
        """Return the commit at the tip; None before `gitagent init`."""
        return self.repository.refs.read(TASKS)

    def view(self) -> View:
        """Return the branch as it is now; empty before `gitagent init`."""
        return View(self.repository, self.tip())

    @contextmanager
    def edit(self, author: Identity, when: datetime) -> Iterator[Edit]:
        """Lock the branch, yield an edit of what it holds now, and commit it at the end.

        An edit without a change makes no commit; an error inside the block changes nothing.
        Raises `Refused` before `gitagent init`, and while the branch is checked out.
        """
        self.refuse_checked_out()
        with self.repository.refs.locked(TASKS) as locked:
            tip = self.tip()
            if tip is None:
                raise NoQueue(self.repository.remote_with("gitagent/tasks"))
            edit = Edit(View(self.repository, tip))
            yield edit
            made = commit(self.repository, edit, author, when)
            if made is not None:
                locked.set(TASKS, made)

    def create(self, author: Identity, when: datetime, files: dict[str, bytes]) -> bool:
        """Make the branch with `files` as its first commit; False when it is there already."""
        with self.repository.refs.locked(TASKS) as locked:
            if self.tip() is not None:
                return False
            edit = Edit(View(self.repository, None), subject="init", changes=dict(files))
            locked.set(TASKS, commit(self.repository, edit, author, when))
        return True

    def refuse_checked_out(self) -> None:
        """Raise `Refused` while somebody has the branch checked out."""
        checkout = self.repository.checkout_of("gitagent/tasks")
        if checkout is not None:
            message = f"`gitagent/tasks` is checked out in `{checkout.path}`"
            hint = f"run `git -C {checkout.path} switch -`; the branch is gitagent's to write"
            raise Refused(message, hint=hint)


@dataclass(frozen=True, slots=True)
class View:
    """The branch at one commit; `commit` is None when there is no branch."""

    repository: Repository
    commit: str | None

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes; None when there is no such file."""
        tree = self._tree()
        return None if tree is None else trees.read(self.repository.raw, tree, os.fsencode(path))

    def files(self, folder: str) -> Iterator[tuple[str, bytes]]:
        """Yield the path and the bytes of every file below `folder`, in git's order."""
        for path, oid in self.blobs(folder):
            yield path, self.repository.blob(oid)

    def blobs(self, folder: str) -> Iterator[tuple[str, str]]:
        """Yield the path and the blob id of every file below `folder`, in git's order."""
        raw, tree = self.repository.raw, self._tree()
        below = trees.find(raw, tree, folder.encode()) if tree else None
        if below is not None and below[0] == trees.TREE:
            prefix = folder.encode() + b"/"
            for path, mode, oid in trees.walk(raw, below[1], prefix):
                if mode in (trees.BLOB, trees.EXECUTABLE):
                    yield os.fsdecode(path), str(oid)

    def _tree(self) -> str | None:
        return None if self.commit is None else self.repository.tree_of(self.commit)


@dataclass(slots=True)
class Edit:
    """What a commit shall change. `subject` is the event in words, None deletes a file."""

    view: View
    subject: str = ""
    trailers: list[tuple[str, str]] = field(default_factory=list)
    changes: dict[str, bytes | None] = field(default_factory=dict)

    def read(self, path: str) -> bytes | None:
        """Return a file as this edit has it so far."""
        return self.changes[path] if path in self.changes else self.view.read(path)

    def write(self, path: str, data: bytes) -> None:
        """Let `path` hold `data`."""
        self.changes[path] = data

    def message(self) -> str:
        """Return the commit message: the subject, then the trailers."""
        lines = "".join(f"{key}: {value}\n" for key, value in self.trailers)
        return f"{self.subject}\n\n{lines}" if lines else f"{self.subject}\n"


def commit(repository: Repository, edit: Edit, author: Identity, when: datetime) -> str | None:
    """Write an edit as a commit on what it views, and return it; None when nothing changes.

    No ref moves.
    """
    before = repository.tree_of(edit.view.commit) if edit.view.commit else None
    tree = str(trees.edit(repository.raw, before, dict(_entries(repository, edit))))
    if tree == before:
        return None
    parents = (edit.view.commit,) if edit.view.commit else ()
    return commits.write(repository, commits.Draft(tree, parents, edit.message(), author, when))


def _entries(repository: Repository, edit: Edit) -> Iterator[tuple[bytes, tuple[int, str] | None]]:
    for path, data in edit.changes.items():
        oid = None if data is None else str(objects.write_blob(repository.raw, data))
        yield os.fsencode(path), None if oid is None else (trees.BLOB, oid)
