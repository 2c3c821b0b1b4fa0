"""Folding: what has landed becomes part of the tasks branch (PROTOCOL section 5).

Anybody may fold, any number of times; killed at any point, the next fold goes on: the
branches are placed, then one commit records all of it, then the claims are deleted.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from gitagent.core.errors import ConflictError, UsageError
from gitagent.core.lifecycle import transition
from gitagent.core.record import RecordJson
from gitagent.core.task import Integrate
from gitagent.git.refs import BRANCHES, CLAIMS
from gitagent.git.repository import Identity, Repository
from gitagent.store import layout, tasks
from gitagent.store.branch import Edit, TasksBranch
from gitagent.store.claims import Claims, Landed
from gitagent.store.queue import ran
from gitagent.text import one_line

_SUBJECT_LIMIT = 300
_BRANCHED = frozenset({Integrate.BRANCH.value, Integrate.PR.value})


def fold(repository: Repository, author: Identity, when: datetime) -> tuple[RecordJson, ...]:
    """Fold all that has landed, and return the records as they were folded."""
    claims = Claims(repository).read()
    landed = {task: each for task, each in claims.items() if isinstance(each, Landed)}
    if not landed:
        return ()
    placed = {task: _place(repository, task, each) for task, each in landed.items()}
    with TasksBranch(repository).edit(author, when) as edit:
        for task in sorted(landed):
            _record(edit, task, placed[task])
        edit.subject = _subject(edit, placed)
    for task, landing in landed.items():
        _forget(repository, task, landing)
    return tuple(placed.values())


def _place(repository: Repository, task: str, landing: Landed) -> RecordJson:
    """Create the branch of a success, under another name when that one is taken."""
    record = landing.record
    if landing.work is None or record["integrate"] not in _BRANCHED:
        return record
    for name in (f"gitagent/{task}", f"gitagent/{task}-{record['run']}"):
        ref = f"{BRANCHES}{name.removeprefix('gitagent/')}"
        claim = f"{CLAIMS}{task}"
        try:
            # With the claim: a branch whose fold is over may be gone because a person said so.
            repository.refs.update({ref: (None, landing.work), claim: (landing.oid, landing.oid)})
        except ConflictError:
            taken = repository.refs.read(ref) not in (None, landing.work)
            if taken and repository.refs.read(claim) == landing.oid:
                continue
        return {**record, "branch": name}
    return record


def _record(edit: Edit, task: str, record: RecordJson) -> None:
    path = layout.run_path(task, record["run"])
    if edit.read(path) is not None:
        return
    edit.write(path, layout.json_bytes(record))
    edit.trailers += [("Task", task), ("Run", record["run"]), ("Outcome", record["outcome"])]
    try:
        before = tasks.read(edit.view, task)
    except UsageError:
        return  # deleted or broken meanwhile: the record is kept all the same
    tasks.rewrite(edit, before, transition(before, ran(record)))


def _subject(edit: Edit, placed: Mapping[str, RecordJson]) -> str:
    runs = [value for key, value in edit.trailers if key == "Run"]
    if len(runs) != 1:
        return f"fold {len(runs)}: {', '.join(sorted(placed))}"
    task, record = next((t, r) for t, r in placed.items() if r["run"] == runs[0])
    status = record["status"] or record["outcome"]
    word = status if record["outcome"] == "succeeded" else record["outcome"]
    return one_line(f"{word.replace('_', ' ')} {task}: {record['reason']}", _SUBJECT_LIMIT)


def _forget(repository: Repository, task: str, landing: Landed) -> None:
    try:
        repository.refs.update({f"{CLAIMS}{task}": (landing.oid, None)})
    except ConflictError:
        return  # somebody else folded it
