"""The index of one repository: brought up to date when it is asked, and only then.

It is of the commit of the tasks branch and of the map of the claim refs. Whoever finds it so
reads a few pages of a file; whoever finds it otherwise applies the difference, in one
transaction that no two processes are in at once.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from gitagent.core.ids import is_task_id
from gitagent.git.plain_refs import CLAIMS, TASKS, read_ref, refs_below
from gitagent.store.index import words
from gitagent.store.index.database import Database, reading, writing
from gitagent.store.index.snapshot import Snapshot, Value

if TYPE_CHECKING:
    from gitagent.core.task import Task
    from gitagent.git.plain_objects import Objects
    from gitagent.store.claims import Held, Landed
    from gitagent.store.queue import Queue

T = TypeVar("T")

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_CLOCK = Path("/proc/self/ns/time")


class Refs(NamedTuple):
    """What the index is of: the tip of the tasks branch, and the claim refs by name.

    `claims` is None where nobody looks at them.
    """

    tip: str | None
    claims: Mapping[str, str] | None


class Home(Protocol):
    """The repository, as far as the index looks: `git.plain.Place` or `git.repository`'s."""

    @property
    def common_dir(self) -> Path:
        """The git dir that all checkouts share."""
        ...

    @property
    def objects(self) -> Objects:
        """Its objects."""
        ...


class Index:
    """The queue of one repository, for readers; not to be shared between threads.

    `claims` is where the claim refs are that count: this clone's own, or those that were
    fetched from the remote. None leaves the claims as they were last seen, for who looks at
    nothing but the branch.
    """

    def __init__(self, repository: Home, claims: str | None = CLAIMS) -> None:
        self._common_dir = repository.common_dir
        self._repository = repository
        self._database = Database(repository.common_dir / "gitagent" / "index.db")
        self._prefix = claims

    def read(self, now: str) -> Queue:
        """Return the whole queue as it is at `now` (RFC 3339, UTC)."""
        from gitagent.store.queue import build  # noqa: PLC0415  what is fresh needs no pygit2

        tip, tasks, broken, claims = self.ask(
            lambda found: (found.tip(), found.stored(), found.broken(), found.claims())
        )
        return build(tip, tasks, broken, _of_tasks(claims), now)

    def part(
        self, now: str, wanted: Callable[[Snapshot], Iterable[Task]], *, needing: bool = False
    ) -> Queue:
        """Return the queue with no more tasks than it takes to judge those that are `wanted`.

        `needing` as in `Snapshot.around`, which says what its graph is good for.
        """
        from gitagent.store.queue import of  # noqa: PLC0415  what is fresh needs no pygit2

        tip, graph, broken, claims = self.ask(
            lambda found: (
                found.tip(),
                found.around(wanted(found), now, needing=needing),
                found.broken(),
                found.claims(),
            )
        )
        return of(tip, graph, broken, _of_tasks(claims))

    def ask(self, question: Callable[[Snapshot], T], *, search: bool = False) -> T:
        """Return the answer of `question`, asked of the queue as it is now.

        `question` may be asked again, and must not use the index itself. Without `search` it
        must not ask for `Snapshot.holding`, for which the text of all tasks is indexed once.
        """
        return self._database.run(lambda db: self._answer(db, question, search=search))

    def ages(self, claims: Mapping[str, str]) -> dict[str, float]:
        """Return for how many seconds this clone has seen each claim ref to be what is given.

        Never too long, so that a lease may be judged by it: 0 when the ref is something else
        by now, and it begins anew with each boot of the machine and with a new index.
        """
        here = boot()

        def look(found: Snapshot) -> dict[str, float]:
            return {task: found.seen(task, oid) for task, oid in claims.items()}

        return self._database.run(lambda db: self._answer(db, look, here))

    def remember(self, kind: str, values: Mapping[str, tuple[str, str]]) -> None:
        """Keep what was found out the slow way: a witness and a value by key, for `known`.

        What was kept of this kind before is forgotten.
        """

        def write(db: sqlite3.Connection) -> None:
            rows = [(kind, key, *each) for key, each in values.items()]
            with writing(db):
                db.execute("delete from known where kind = ?", (kind,))
                db.executemany("insert into known values (?, ?, ?, ?)", rows)

        self._database.run(write)

    def _answer(
        self,
        db: sqlite3.Connection,
        question: Callable[[Snapshot], T],
        boot: str | None = None,
        *,
        search: bool = False,
    ) -> T:
        refs = self._refs()
        with reading(db):
            if _is_fresh(db, refs, boot) and not (search and not words.exist(db)):
                return question(Snapshot(db))
        self._refresh(db, search=search)
        with reading(db):
            return question(Snapshot(db))

    def _refs(self) -> Refs:
        # Claims first: a landing that is folded between the two reads is then in the branch.
        claims = None if self._prefix is None else self._claims(self._prefix)
        return Refs(read_ref(self._common_dir, TASKS), claims)

    def _claims(self, prefix: str) -> dict[str, str]:
        found = refs_below(self._common_dir, prefix)
        return {ref.removeprefix(prefix): oid for ref, oid in found.items()}

    def _refresh(self, db: sqlite3.Connection, *, search: bool) -> None:
        from gitagent.store.index.refresh import refresh  # noqa: PLC0415  not where it is fresh

        with writing(db):
            refresh(db, self._repository.objects, self._refs(), boot())
            if search:
                words.fill(db)


def _is_fresh(db: sqlite3.Connection, refs: Refs, boot: str | None) -> bool:
    row = db.execute("select value from meta where key = 'tip'").fetchone()
    if row is None or row[0] != refs.tip:
        return False
    held = db.execute("select task, oid, boot from claim_ref").fetchall()
    stale = any(since != boot for _, _, since in held) if boot is not None else False
    return not stale and refs.claims in (None, {task: oid for task, oid, _ in held})


def _of_tasks(claims: Mapping[str, Value]) -> dict[str, Held | Landed]:
    return {task: _as_claims_has_it(each) for task, each in claims.items() if is_task_id(task)}


def _as_claims_has_it(value: Value) -> Held | Landed:
    from gitagent.store.claimfile import parse_claim  # noqa: PLC0415
    from gitagent.store.claims import Held, Landed  # noqa: PLC0415  pygit2

    if value.landed:
        return Landed(value.oid, json.loads(value.said), value.work)
    return Held(value.oid, parse_claim(json.loads(value.said)))


def boot() -> str:
    """Return what names this boot of the machine and its monotonic clock (time_namespaces(7))."""
    try:
        return f"{_BOOT.read_text('ascii').strip()} {_clock()}"
    except FileNotFoundError:
        from gitagent import proc  # noqa: PLC0415  not on Linux, where it takes 12 ms

        return proc.this_process().boot


def _clock() -> str:
    try:
        return str(_CLOCK.readlink())
    except OSError:  # a kernel from before 5.6 has one clock
        return ""
