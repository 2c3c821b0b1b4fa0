"""Folding: what has landed becomes part of the tasks branch (PROTOCOL section 5).

Anybody may fold, any number of times; killed at any point, the next fold goes on: the
branches are placed, one commit records all of it, then the claims are deleted that were seen
placed. Whoever loses a race gives up at once: somebody else has folded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from gitagent.core.errors import ConflictError, UsageError
from gitagent.core.lifecycle import transition
from gitagent.core.record import RecordJson
from gitagent.core.task import BRANCHED
from gitagent.git.refs import BRANCHES, CLAIMS, TASKS
from gitagent.git.repository import Identity, Repository
from gitagent.store import layout, tasks
from gitagent.store.branch import Edit, TasksBranch, View, commit
from gitagent.store.claims import Claims, Landed
from gitagent.store.queue import ran
from gitagent.text import one_line

LIMIT = 400
"""The most claims of one fold (PROTOCOL section 5)."""
_SUBJECT_LIMIT = 300


@dataclass(frozen=True, slots=True)
class _Part:
    """One landing in a fold. `branch` is the ref its work goes to, None for no branch."""

    task: str
    landing: Landed
    record: RecordJson
    branch: str | None
    recorded: bool = False


def fold(claims: Claims, author: Identity, when: datetime) -> tuple[RecordJson, ...]:
    """Fold what has landed, and return the records as they were folded."""
    if claims.upstream.shared:
        return _fold_there(claims, author, when)
    return _fold_here(claims, author, when)


def _fold_here(claims: Claims, author: Identity, when: datetime) -> tuple[RecordJson, ...]:
    parts = [_part(task, each) for task, each in _landed(claims).items()]
    if not parts:
        return ()
    placed = [_place_here(claims.repository, part) for part in parts]
    with TasksBranch(claims.repository).edit(author, when) as edit:
        _record_all(edit, placed)
    claims.upstream.move(_deletions(placed))
    return tuple(part.record for part in placed)


def _fold_there(claims: Claims, author: Identity, when: datetime) -> tuple[RecordJson, ...]:
    """Fold by two pushes: branches and the tasks branch, then the claims seen placed."""
    upstream, repository = claims.upstream, claims.repository
    upstream.refresh()
    tip = repository.refs.read(upstream.tasks)
    if tip is None:
        return ()
    view = View(repository, tip)
    parts = [_named(claims, view, part) for part in islice(_in_order(claims, view), LIMIT)]
    edit = Edit(view)
    _record_all(edit, parts)
    made = commit(repository, edit, author, when)
    moves: dict[str, tuple[str | None, str | None]] = {
        part.branch: (None, part.landing.work) for part in parts if part.branch
    }
    if made is not None:
        moves[TASKS] = (tip, made)
    placed = upstream.move(moves) if moves else frozenset()
    if made is not None and TASKS not in placed:
        return ()
    done = [part for part in parts if part.branch is None or part.branch in placed]
    if done:
        upstream.move(_deletions(done))
    return tuple(part.record for part in parts)


def _landed(claims: Claims) -> dict[str, Landed]:
    return {task: each for task, each in claims.read().items() if isinstance(each, Landed)}


def _part(task: str, landing: Landed) -> _Part:
    branched = landing.work is not None and landing.record["integrate"] in BRANCHED
    branch = f"{BRANCHES}{task}" if branched else None
    return _Part(task, landing, landing.record, branch)


def _in_order(claims: Claims, view: View) -> Iterator[_Part]:
    """Yield what has landed, each after what it depends on: a fold may not take all of it."""
    landed = _landed(claims)
    needs = {task: _needs(view, task) for task in landed}
    while landed:
        ready = [task for task in sorted(landed) if not needs[task] & landed.keys()]
        for task in ready or sorted(landed):  # a cycle goes together
            yield _part(task, landed.pop(task))


def _needs(view: View, task: str) -> frozenset[str]:
    try:
        return frozenset(tasks.read(view, task).blocked_by)
    except UsageError:
        return frozenset()  # deleted or broken meanwhile


def _named(claims: Claims, view: View, part: _Part) -> _Part:
    """Give the branch another name if an earlier fold found it taken, and say so in the record."""
    data = view.read(layout.run_path(part.task, part.record["run"]))
    if data is None:
        return part
    record: RecordJson = json.loads(data)
    part = replace(part, record=record, recorded=True)
    if part.branch is None:
        return part
    if claims.upstream.read(part.branch) not in (None, part.landing.work):
        name = f"{part.task}-{record['run']}"
        renamed: RecordJson = {**record, "branch": f"gitagent/{name}"}
        return replace(part, record=renamed, branch=f"{BRANCHES}{name}")
    return part


def _place_here(repository: Repository, part: _Part) -> _Part:
    """Create the branch of a success, under another name when that one is taken."""
    if part.branch is None:
        return part
    claim = f"{CLAIMS}{part.task}"
    for ref in (part.branch, f"{part.branch}-{part.record['run']}"):
        landing = part.landing
        try:
            # With the claim: a branch whose fold is over may be gone because a person said so.
            repository.refs.update({ref: (None, landing.work), claim: (landing.oid, landing.oid)})
        except ConflictError:
            taken = repository.refs.read(ref) not in (None, landing.work)
            if taken and repository.refs.read(claim) == landing.oid:
                continue
        record: RecordJson = {**part.record, "branch": ref.removeprefix("refs/heads/")}
        return replace(part, record=record, branch=ref)
    return part


def _record_all(edit: Edit, parts: list[_Part]) -> None:
    for part in parts:
        _record(edit, part.task, part.record)
    edit.subject = _subject(edit, {part.task: part.record for part in parts})


def _record(edit: Edit, task: str, record: RecordJson) -> None:
    path = layout.run_path(task, record["run"])
    before = edit.read(path)
    if before is not None:
        if json.loads(before)["branch"] != record["branch"]:
            edit.write(path, layout.json_bytes(record))
        return
    edit.write(path, layout.json_bytes(record))
    edit.trailers += [("Task", task), ("Run", record["run"]), ("Outcome", record["outcome"])]
    try:
        was = tasks.read(edit.view, task)
    except UsageError:
        return  # deleted or broken meanwhile: the record is kept all the same
    tasks.rewrite(edit, was, transition(was, ran(record)))


def _subject(edit: Edit, records: Mapping[str, RecordJson]) -> str:
    runs = [value for key, value in edit.trailers if key == "Run"]
    if len(runs) != 1:
        return f"fold {len(runs)}: {', '.join(sorted(records))}"
    task, record = next((t, r) for t, r in records.items() if r["run"] == runs[0])
    status = record["status"] or record["outcome"]
    word = status if record["outcome"] == "succeeded" else record["outcome"]
    return one_line(f"{word.replace('_', ' ')} {task}: {record['reason']}", _SUBJECT_LIMIT)


def _deletions(parts: list[_Part]) -> dict[str, tuple[str | None, str | None]]:
    return {f"{CLAIMS}{part.task}": (part.landing.oid, None) for part in parts}
