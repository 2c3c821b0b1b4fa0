"""Claims: one ref a task, moved only by compare-and-swap from the value its holder wrote.

The ref first names a claim (an empty tree, a JSON message), and at the end the landing: a
commit whose tree holds the run's record and whose parents are the claim's last value and
the work (PROTOCOL section 1). From then on every reader counts the record. A value tells
whose it is by its run id, which no other run has: that is how a holder knows its own again
after a push whose reply was lost.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from gitagent.core.claim import Claim
from gitagent.core.errors import ExternalError, GitagentError
from gitagent.core.ids import is_task_id
from gitagent.core.record import RecordJson
from gitagent.git import commits, objects, trees
from gitagent.git.refs import CLAIMS, LANDINGS
from gitagent.git.repository import GITAGENT, Repository
from gitagent.store.claimfile import parse_claim
from gitagent.store.layout import json_bytes
from gitagent.store.upstream import LocalRefs, Upstream

_RECORD = b"record.json"
TURN = "base-"
"""What stands before a branch's name in the claim of a landing turn."""


@dataclass(frozen=True, slots=True)
class Held:
    """A live claim: its commit and what it says."""

    oid: str
    claim: Claim


@dataclass(frozen=True, slots=True)
class Landed:
    """A claim whose run is over: its commit, the record, and the work that goes with it."""

    oid: str
    record: RecordJson
    work: str | None


class Beat(Enum):
    """What a heartbeat that did not go on from its last value found."""

    SILENT = "no answer"
    LOST = "the claim is another's, or gone"


class Claims:
    """The claim refs that `upstream` decides, as this clone last heard of them."""

    def __init__(self, repository: Repository, upstream: Upstream | None = None) -> None:
        self.repository = repository
        self.upstream: Upstream = upstream or LocalRefs(repository)

    def read(self) -> dict[str, Held | Landed]:
        """Return the claims by task id; a ref that holds neither form is left out."""
        prefix = self.upstream.claims
        found: dict[str, Held | Landed] = {}
        for ref, oid in self.repository.refs.below(prefix).items():
            task = ref.removeprefix(prefix)
            value = self.parse(oid) if is_task_id(task) else None
            if value is not None:
                found[task] = value
        return found

    def value(self, task: str) -> Held | Landed | None:
        """Return the claim of a task or a landing turn as last heard; None without one."""
        oid = self.repository.refs.read(f"{self.upstream.claims}{task}")
        return self.parse(oid) if oid is not None else None

    def ask(self, task: str) -> Held | Landed | None:
        """Return the claim of a task or a landing turn as it is now; raises `NoAnswer`."""
        oid = self.upstream.read(_ref(task))
        if oid is not None and oid not in self.repository.raw:
            self.upstream.refresh()
            return self.value(task)
        return self.parse(oid) if oid is not None else None

    def take(self, claim: Claim, when: datetime, former: str | None = None) -> Held | None:
        """Claim a task, or take it over from the value `former`; None when somebody else has it.

        Whatever the reply to the move was, what is read back decides (PROTOCOL 3.2). Raises
        as `Upstream.refresh`; the claim is given back then, should it have been placed.
        """
        parents = (former,) if former else ()
        oid = self._write(claim, parents, when)
        self.upstream.move({_ref(claim.task): (former, oid)})
        try:
            self.upstream.refresh()
        except GitagentError:
            self.upstream.move({_ref(claim.task): (oid, None)})  # else it stands for a lease
            raise
        now = self.value(claim.task)
        return now if isinstance(now, Held) and now.oid == oid else None

    def beat(self, held: Iterable[Held], when: datetime) -> dict[str, Held | Beat]:
        """Move claims on, all in one go, and return what each is now, by task."""
        last = {each.claim.task: each for each in held}
        new = {
            task: Held(self._write(each.claim, (each.oid,), when), each.claim)
            for task, each in last.items()
        }
        moves = {_ref(task): (last[task].oid, each.oid) for task, each in new.items()}
        placed = self.upstream.move(moves) if moves else frozenset()
        return {
            task: each if _ref(task) in placed else self._after_silence(last[task], each)
            for task, each in new.items()
        }

    def _after_silence(self, last: Held, new: Held) -> Held | Beat:
        try:
            oid = self.upstream.read(_ref(last.claim.task))
            now = new if oid == new.oid else last if oid == last.oid else self.ask(last.claim.task)
        except ExternalError:
            return Beat.SILENT
        return now if _is_of(now, last.claim) and isinstance(now, Held) else Beat.LOST

    def release(self, held: Held) -> None:
        """Give a claim back; one that is not ours any more is left alone."""
        ref = _ref(held.claim.task)
        if ref in self.upstream.move({ref: (held.oid, None)}):
            return
        try:
            now = self.ask(held.claim.task)
        except ExternalError:
            return  # nobody is kept waiting for longer than a lease
        if isinstance(now, Held) and _is_of(now, held.claim):
            self.upstream.move({ref: (now.oid, None)})

    def write_landing(
        self, held: Held, record: RecordJson, work: str | None, when: datetime
    ) -> Landed:
        """Write the landing of a run as a commit on its claim's last value; no ref moves."""
        blob = str(objects.write_blob(self.repository.raw, json_bytes(record)))
        tree = str(trees.write_tree(self.repository.raw, {_RECORD: (trees.BLOB, blob)}))
        parents = (held.oid, work) if work else (held.oid,)
        message = f"landed {held.claim.task}\n\n{json.dumps(held.claim.as_json())}\n"
        draft = commits.Draft(tree, parents, message, GITAGENT, when)
        return Landed(commits.write(self.repository, draft), record, work)

    def put_landing(self, task: str, landing: str, former: str) -> bool:
        """Move a claim from `former` to its landing; False when that is not known to have been."""
        ref = _ref(task)
        return ref in self.upstream.move({ref: (former, landing)})

    def keep_landing(self, task: str, landing: str | None) -> None:
        """Remember, or with None forget, a landing that may not have reached the remote yet."""
        ref = f"{LANDINGS}{task}"
        with self.repository.refs.locked(ref) as locked:
            locked.set(ref, landing)

    def kept_landings(self) -> dict[str, str]:
        """Return the landings that may not have reached the remote yet, by task."""
        found = self.repository.refs.below(LANDINGS)
        return {ref.removeprefix(LANDINGS): oid for ref, oid in found.items()}

    def parse(self, oid: str) -> Held | Landed | None:
        """Return what a commit of a claim ref says; None when it is of neither form."""
        try:
            message = self.repository.commit(oid).message
            word, _, body = message.partition("\n\n")
            if word.startswith("landed "):
                return self._landed(oid)
            return Held(oid, parse_claim(json.loads(body)))
        except (ValueError, KeyError, TypeError):
            return None

    def claim_of(self, landing: str) -> Held:
        """Return the claim that a landing was written on."""
        commit = self.repository.commit(landing)
        body = commit.message.partition("\n\n")[2]
        return Held(str(commit.parent_ids[0]), parse_claim(json.loads(body)))

    def _write(self, claim: Claim, parents: tuple[str, ...], when: datetime) -> str:
        # The nonce: a lease on a ref is ignored where the new value is the present one.
        fresh = replace(claim, nonce=os.urandom(16).hex())
        tree = str(trees.write_tree(self.repository.raw, {}))
        message = f"claim {claim.task}\n\n{json.dumps(fresh.as_json())}\n"
        draft = commits.Draft(tree, parents, message, GITAGENT, when)
        return commits.write(self.repository, draft)

    def _landed(self, oid: str) -> Landed:
        data = trees.read(self.repository.raw, self.repository.tree_of(oid), _RECORD)
        record: RecordJson = json.loads(data or b"")
        parents = self.repository.commit(oid).parent_ids
        return Landed(oid, record, str(parents[1]) if len(parents) > 1 else None)


def _is_of(value: Held | Landed | None, claim: Claim) -> bool:
    """Say whether a value was written by the holder of `claim`: run ids are never shared."""
    return isinstance(value, Held) and value.claim.run == claim.run


def _ref(task: str) -> str:
    return f"{CLAIMS}{task}"
