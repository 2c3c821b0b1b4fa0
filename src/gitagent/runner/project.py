"""One repository with everything that work on it needs; built once, by the command line."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

from gitagent.config import FILE, Config
from gitagent.config import parse as parse_config
from gitagent.core.errors import BadInput, UsageError
from gitagent.core.ids import ulid
from gitagent.core.protocols import Clock
from gitagent.git import commits, trees
from gitagent.git.refs import TASKS
from gitagent.git.repository import Identity, Repository
from gitagent.store.branch import TasksBranch
from gitagent.store.claims import Claims
from gitagent.store.index import Index
from gitagent.store.queue import Queue


def rfc3339(moment: datetime) -> str:
    """Return a moment in UTC as the files have it, to the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Base:
    """Where work starts from: a branch, its commit, and the configuration in that commit."""

    branch: str
    commit: str
    config: Config


@dataclass(frozen=True)
class Project:
    """A repository, the person's environment, and a clock.

    `cache` is the user's cache folder, where worktrees are made: not inside the repository,
    where tools would find the wrong configuration (DESIGN section 6). None when there is none.
    """

    repository: Repository
    environment: Mapping[str, str]
    clock: Clock
    cache: Path | None

    @cached_property
    def branch(self) -> TasksBranch:
        """The tasks branch."""
        return TasksBranch(self.repository)

    @cached_property
    def claims(self) -> Claims:
        """The claim refs."""
        return Claims(self.repository)

    @cached_property
    def _index(self) -> Index:
        return Index(self.repository)

    @cached_property
    def author(self) -> Identity:
        """The person; raises `Refused` when git does not know who that is."""
        return self.repository.identity()

    def queue(self) -> Queue:
        """Return the queue as it is now."""
        return self._index.read(self.timestamp())

    def now(self) -> datetime:
        """Return the time in UTC."""
        return self.clock.now()

    def timestamp(self) -> str:
        """Return the time in UTC as the files have it."""
        return rfc3339(self.clock.now())

    def new_ulid(self) -> str:
        """Return a new id for a run or a message."""
        return ulid(int(self.clock.now().timestamp() * 1000), os.urandom(10))

    def try_signature(self) -> None:
        """Sign a commit that nobody will see; raises `Refused` when that cannot be done.

        This also lets an agent that holds the key ask for its passphrase now, while the
        person is there.
        """
        empty = str(trees.write_tree(self.repository.raw, {}))
        draft = commits.Draft(empty, (), "gitagent tries to sign", self.author, self.now())
        commits.write_signed(self.repository, draft)

    def run_folder(self, run: str) -> Path:
        """Return where a run's journal and logs are."""
        return self.repository.home / "runs" / run

    def slots(self) -> Path:
        """Return the folder of this repository's worktrees; `UsageError` without a home."""
        if self.cache is None:
            message = "there is no home folder to put worktrees into: HOME is not set"
            raise UsageError(message, hint="set HOME or XDG_CACHE_HOME to an absolute path")
        place = str(self.repository.common_dir)
        name = self.repository.common_dir.parent.name or "repository"
        key = hashlib.sha256(place.encode(errors="surrogateescape")).hexdigest()[:10]
        return self.cache / "gitagent" / f"{_plain(name)}-{key}"

    def base(self) -> Base:
        """Return the base, with the configuration as its commit has it (SECURITY D18).

        Raises `Refused` without a base, `BadInput` for a wrong configuration.
        """
        branch = self.repository.default_base()
        commit = self.repository.base_commit(branch)
        config = self._config(commit)
        if config.base is not None and config.base != branch:
            branch = config.base
            commit = self._named_base(branch)
            config = self._config(commit)
        return Base(branch, commit, config)

    def _named_base(self, branch: str) -> str:
        """Return the commit of the base that the configuration names, or refuse it."""
        commit = self.repository.branch_commit(branch)
        if commit is None or branch == TASKS.removeprefix("refs/heads/"):
            why = "there is no such branch here" if commit is None else "that is the queue"
            message = f"`base` names `{branch}`, and {why}"
            hint = "let `base` name a local branch that has a commit, or leave it out"
            raise BadInput(message, file=FILE, hint=hint)
        return commit

    def _config(self, commit: str) -> Config:
        return parse_config(self.repository.blob_at(commit, FILE), file=FILE)


def _plain(name: str) -> str:
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in name)
    return kept[:40]
