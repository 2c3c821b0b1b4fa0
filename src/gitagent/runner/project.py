"""One repository with everything that work on it needs; built once, by the command line."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from itertools import chain
from pathlib import Path

from gitagent.config import FILE, Config
from gitagent.config import parse as parse_config
from gitagent.core.claim import DEFAULT_LEASE
from gitagent.core.errors import BadInput, Refused, UsageError
from gitagent.core.ids import ulid
from gitagent.core.protocols import Clock, Stop
from gitagent.core.record import RecordJson
from gitagent.core.task import Status, Task
from gitagent.git import commits, trees
from gitagent.git.refs import CLAIMS, TASKS
from gitagent.git.remote import Remote
from gitagent.git.repository import Identity, Repository
from gitagent.runner.heart import Heart
from gitagent.runner.waiting import tries
from gitagent.store.branch import TasksBranch, View
from gitagent.store.claims import Claims, Held
from gitagent.store.fold import fold
from gitagent.store.index import Index, Snapshot
from gitagent.store.landing import finish
from gitagent.store.queue import Queue
from gitagent.store.sync import catch_up, sync
from gitagent.store.upstream import LocalRefs, RemoteRefs, Upstream

REMOTE_KEY = "gitagent.remote"
"""The key of this clone's git configuration that names the remote; `init --share` sets it."""
CLAIMS_KEY = "gitagent.claims"
"""The key that says where the server takes claims, when that is not `refs/gitagent/claims/`."""
LEASE_KEY = "gitagent.lease"
"""The key that sets another lease than the usual one, in seconds."""
SHORTEST_LEASE = 5
"""Seconds; in less, three heartbeats and a push do not fit."""
LOOK = 256
"""Ready tasks that who looks for work is shown: so many that runners seldom pick the same."""


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
    def upstream(self) -> Upstream:
        """Where claims are decided: here, or at the remote that `init --share` named.

        That is this clone's own configuration, never a file of the repository (DESIGN 5).
        """
        named = self.repository.own_config(REMOTE_KEY)
        if named is None:
            return LocalRefs(self.repository)
        remote = Remote(self.repository.git, self.repository.url(named), timeout=self.push_timeout)
        prefix = self.repository.own_config(CLAIMS_KEY) or CLAIMS
        return RemoteRefs(self.repository, remote, prefix)

    @cached_property
    def claims(self) -> Claims:
        """The claim refs."""
        return Claims(self.repository, self.upstream)

    @cached_property
    def heart(self) -> Heart:
        """The heartbeats of this process."""
        return Heart(lambda: self.again().claims, self.now)

    @cached_property
    def lease(self) -> int:
        """The seconds after which an unchanged claim of ours may be taken over."""
        text = self.repository.own_config(LEASE_KEY)
        if text is None:
            return DEFAULT_LEASE
        if not text.isdecimal() or int(text) < SHORTEST_LEASE:
            message = f"`{LEASE_KEY}` is `{text}`, not a number of seconds from {SHORTEST_LEASE} up"
            raise UsageError(message, hint=f"run `git config --unset {LEASE_KEY}`")
        return int(text)

    @property
    def push_timeout(self) -> float:
        """The seconds that one call of the remote may take: 60, or a twentieth of the lease."""
        return min(60.0, max(self.lease / 20, 1.0))

    def again(self) -> Project:
        """Return this project for another thread: pygit2's objects are for one thread each."""
        repository = self.repository.again()
        project = replace(self, repository=repository)
        if "heart" in self.__dict__:
            project.__dict__["heart"] = self.heart
        return project

    @cached_property
    def _index(self) -> Index:
        return Index(self.repository, self.upstream.claims)

    @cached_property
    def author(self) -> Identity:
        """The person; raises `Refused` when git does not know who that is."""
        return self.repository.identity()

    def refresh(self) -> None:
        """Hear what the remote has, and bring the tasks branch here up to it; push nothing.

        Raises `NoAnswer`, and `Rewritten`.
        """
        self.upstream.refresh()
        self.catch_up()

    def catch_up(self) -> None:
        """Bring the tasks branch here up to what was last heard."""
        if self.upstream.shared:
            catch_up(self.repository, self.upstream, self.now())

    def fold(self) -> tuple[RecordJson, ...]:
        """Record what has landed in the tasks branch, and return the records."""
        folded = fold(self.claims, self.author, self.now())
        self.catch_up()
        return folded

    def heard(self) -> View:
        """Return the tasks branch as the remote had it when it was last heard."""
        return View(self.repository, self.repository.refs.read(self.upstream.tasks))

    def ages(self, held: Iterable[Held]) -> dict[str, float]:
        """Return for how many seconds claims have had their present values, as seen from here."""
        return self._index.ages({each.claim.task: each.oid for each in held})

    def sync(self, stop: Stop) -> bool:
        """Fetch, merge and push the tasks branch, and carry landings through.

        Returns whether something was pushed. Raises as `store.sync.sync` does.
        """
        if not self.upstream.shared:
            return False
        self._follow_base()
        finish(self.claims, self.now(), tries(stop, self.push_timeout))
        return sync(self.repository, self.upstream, self.now(), tries(stop, self.push_timeout))

    def queue(self) -> Queue:
        """Return the queue as it is now; this takes as long as there are many tasks."""
        return self._index.read(self.timestamp())

    def near(self, *starts: str) -> Queue:
        """Return the queue as far as it says something of tasks with these ids, or their starts."""
        return self._index.part(
            self.timestamp(), lambda found: chain(*map(found.matching, starts)), needing=True
        )

    def work(self) -> Queue:
        """Return the queue as far as who looks for work needs it.

        That is the `LOOK` best ready tasks, what is claimed, and the offers that are stacked.
        """
        now = self.timestamp()

        def wanted(found: Snapshot) -> Iterable[Task]:
            return chain(found.ready(now, LOOK), found.claimed(), found.stacked_offers())

        return self._index.part(now, wanted)

    def having(self, *statuses: Status) -> Queue:
        """Return the queue as far as it says something of what has these statuses or a claim."""
        return self._index.part(
            self.timestamp(), lambda found: chain(found.with_status(statuses), found.claimed())
        )

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

        With a remote it is the remote's branch as last heard. Raises `Refused` without a
        base, `BadInput` for a wrong configuration, `NoAnswer` when it was never heard of.
        """
        branch = self._follow_base() if self.upstream.shared else self.repository.default_base()
        commit = self.base_tip(branch)
        config = self._config(commit)
        if config.base is not None and config.base != branch:
            branch = config.base
            commit = self._named_base(branch)
            config = self._config(commit)
        return Base(branch, commit, config)

    def base_tip(self, branch: str) -> str:
        """Return the commit of a base as last heard; raises `Refused` when there is none."""
        if not self.upstream.shared:
            return self.repository.base_commit(branch)
        commit = self.upstream.branch(branch)
        if commit is None:
            message = f"the remote has no branch `{branch}`"
            named = self.repository.own_config(REMOTE_KEY)
            raise Refused(message, hint=f"run `git push {named} {branch}`")
        return commit

    def _follow_base(self) -> str:
        """Return the name of the remote's branch that is the base, and keep hearing of it."""
        names = self.repository.base_names()
        for name in names:
            self.upstream.follow(name)
            if self.upstream.branch(name) is not None:
                return name
        return names[0]

    def _named_base(self, branch: str) -> str:
        """Return the commit of the base that the configuration names, or refuse it."""
        self.upstream.follow(branch)
        commit = self.upstream.branch(branch)
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
