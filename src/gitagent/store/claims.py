"""Claims: one ref a task, moved only by compare-and-swap from the value its holder wrote.

The ref first names a claim (an empty tree, a JSON message), and at the end the landing: a
commit whose tree holds the run's record and whose parents are the claim's last value and
the work (PROTOCOL section 1). From then on every reader counts the record.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from gitagent.core.claim import Claim, Process
from gitagent.core.errors import ConflictError
from gitagent.core.ids import is_task_id
from gitagent.core.record import RecordJson
from gitagent.git import commits, trees
from gitagent.git.refs import CLAIMS
from gitagent.git.repository import GITAGENT, Repository
from gitagent.store.layout import json_bytes

_RECORD = b"record.json"


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


class Claims:
    """The claim refs of one repository."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository

    def read(self) -> dict[str, Held | Landed]:
        """Return the claims by task id; a ref that holds neither form is left out."""
        found: dict[str, Held | Landed] = {}
        for ref, oid in self.repository.refs.below(CLAIMS).items():
            task = ref.removeprefix(CLAIMS)
            value = self._parse(oid) if is_task_id(task) else None
            if value is not None:
                found[task] = value
        return found

    def held(self, task: str) -> Held | None:
        """Return the live claim of a task, or of a landing turn; None when there is none."""
        oid = self.repository.refs.read(_ref(task))
        value = self._parse(oid) if oid is not None else None
        return value if isinstance(value, Held) else None

    def take(self, claim: Claim, when: datetime, former: str | None = None) -> Held | None:
        """Claim a task, or take it over from the value `former`; None when somebody else has it."""
        tree = str(trees.write_tree(self.repository.raw, {}))
        message = f"claim {claim.task}\n\n{json.dumps(claim.as_json())}\n"
        parents = (former,) if former else ()
        oid = commits.write(self.repository, commits.Draft(tree, parents, message, GITAGENT, when))
        try:
            self.repository.refs.update({_ref(claim.task): (former, oid)})
        except ConflictError:
            return None
        return Held(oid, claim)

    def release(self, held: Held) -> None:
        """Give a claim back; one that is not ours any more is left alone."""
        try:
            self.repository.refs.update({_ref(held.claim.task): (held.oid, None)})
        except ConflictError:
            return

    def land(self, held: Held, record: RecordJson, work: str | None, when: datetime) -> Landed:
        """Move the claim to the run's landing; raises `ConflictError` when the claim was lost."""
        blob = str(self.repository.raw.create_blob(json_bytes(record)))
        tree = str(trees.write_tree(self.repository.raw, {_RECORD: (trees.BLOB, blob)}))
        parents = (held.oid, work) if work else (held.oid,)
        message = f"landed {held.claim.task}\n\n{json.dumps(held.claim.as_json())}\n"
        oid = commits.write(self.repository, commits.Draft(tree, parents, message, GITAGENT, when))
        self.repository.refs.update({_ref(held.claim.task): (held.oid, oid)})
        return Landed(oid, record, work)

    def _parse(self, oid: str) -> Held | Landed | None:
        try:
            message = self.repository.commit(oid).message
            word, _, body = message.partition("\n\n")
            if word.startswith("landed "):
                return self._landed(oid)
            return Held(oid, parse_claim(json.loads(body)))
        except (ValueError, KeyError, TypeError):
            return None

    def _landed(self, oid: str) -> Landed:
        data = trees.read(self.repository.raw, self.repository.tree_of(oid), _RECORD)
        record: RecordJson = json.loads(data or b"")
        parents = self.repository.commit(oid).parent_ids
        return Landed(oid, record, str(parents[1]) if len(parents) > 1 else None)


def parse_claim(data: dict[str, object]) -> Claim:
    """Return the claim of a commit's message; raises KeyError, TypeError or ValueError."""
    process = Process(
        host=str(data["host"]),
        boot=str(data["boot"]),
        pid_ns=str(data["pid_ns"]),
        pid=_int(data["pid"]),
        pid_start=_int(data["pid_start"]),
    )
    return Claim(
        task=str(data["task"]),
        run=str(data["run"]),
        runner=str(data["runner"]),
        process=process,
        epoch=_int(data["epoch"]),
        lease_s=_int(data["lease_s"]),
        base=str(data["base"]),
        nonce=str(data["nonce"]),
        continues=_text(data.get("continues")),
        job=_text(data.get("job")),
    )


def _int(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        message = f"{value!r} is not an integer"
        raise TypeError(message)
    return value


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _ref(task: str) -> str:
    return f"{CLAIMS}{task}"
