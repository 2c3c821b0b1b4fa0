"""Landing a run: one compare-and-swap of its claim, repeated until its fate is known.

PROTOCOL section 4. A push that failed is unknown until it is read back, whatever it printed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime

from gitagent.core.errors import ConflictError, ExternalError
from gitagent.core.record import RecordJson
from gitagent.store import layout
from gitagent.store.branch import View
from gitagent.store.claims import Claims, Held, Landed


class LostClaim(ConflictError):
    """The claim is somebody else's; `now` is what it is by now, None when it is gone.

    `last` is the run that was recorded last, None when none was.
    """

    def __init__(self, task: str, now: Held | Landed | None, last: str | None) -> None:
        self.now = now
        super().__init__(f"the claim on {task} was lost: {_holder(now, last)}")


class NotLanded(ExternalError):
    """The remote did not answer; whether the run has landed will be known when it does."""


def land(
    claims: Claims,
    held: Held,
    record: RecordJson,
    work: str | None,
    when: datetime,
    tries: Iterable[int],
) -> int:
    """Land a run, and return the number of the try at which that was known, from 0.

    `tries` waits between its numbers, and ends when nobody wants to wait longer. Raises
    `LostClaim`, and `NotLanded` when `tries` ended first: the landing is kept then, and
    `finish` goes on with it.
    """
    landing = claims.write_landing(held, record, work, when)
    if claims.upstream.shared:
        claims.keep_landing(held.claim.task, landing.oid)
    return _carry_through(claims, held, landing, when, tries)


def finish(claims: Claims, when: datetime, tries: Iterable[int]) -> tuple[str, ...]:
    """Go on with the landings whose fate a dead or a cut off process did not learn.

    Returns the tasks that have landed; raises `NotLanded` as `land` does.
    """
    landed = []
    for task, oid in claims.kept_landings().items():
        value = claims.parse(oid)
        if isinstance(value, Landed):
            try:
                _carry_through(claims, claims.claim_of(oid), value, when, tries)
                landed.append(task)
            except LostClaim:
                continue
    return tuple(landed)


def _carry_through(
    claims: Claims, held: Held, landing: Landed, when: datetime, tries: Iterable[int]
) -> int:
    task = held.claim.task
    for number in tries:
        if claims.put_landing(task, landing.oid, held.oid):
            _forget(claims, task)
            return number
        try:
            now = claims.ask(task)
            if _is_landing(now, landing) or _is_recorded(claims, held, now):
                _forget(claims, task)
                return number
        except ExternalError:
            continue
        if not isinstance(now, Held) or now.claim.run != held.claim.run:
            _forget(claims, task)
            raise LostClaim(task, now, _last_run(claims, task))
        if now.oid != held.oid:
            held = now
            landing = claims.write_landing(held, landing.record, landing.work, when)
            claims.keep_landing(task, landing.oid)
    message = f"the remote does not answer, so {task} has not landed yet; its work is kept here"
    raise NotLanded(message, hint="run `gitagent sync` when the remote can be reached")


def _is_landing(now: Held | Landed | None, landing: Landed) -> bool:
    return isinstance(now, Landed) and now.record["run"] == landing.record["run"]


def _is_recorded(claims: Claims, held: Held, now: Held | Landed | None) -> bool:
    """Say whether the run was folded already; the tasks branch is fetched after the claim was."""
    if isinstance(now, Held) and now.claim.run == held.claim.run:
        return False
    claims.upstream.refresh()
    view = View(claims.repository, claims.repository.refs.read(claims.upstream.tasks))
    data = view.read(layout.run_path(held.claim.task, held.claim.run))
    return data is not None and json.loads(data).get("epoch") == held.claim.epoch


def _forget(claims: Claims, task: str) -> None:
    if claims.upstream.shared:
        claims.keep_landing(task, None)


def _last_run(claims: Claims, task: str) -> str | None:
    """Return the newest run of a task in the tasks branch as last heard; ULIDs sort by time."""
    view = View(claims.repository, claims.repository.refs.read(claims.upstream.tasks))
    names = (path.rpartition("/")[2] for path, _ in view.blobs(layout.runs_folder(task)))
    return max((name.removesuffix(".json") for name in names), default=None)


def _holder(now: Held | Landed | None, last: str | None) -> str:
    if isinstance(now, Held):
        process = now.claim.process
        return f"run {now.claim.run} on {process.host} has it (epoch {now.claim.epoch})"
    if isinstance(now, Landed):
        return f"run {now.record['run']} has landed"
    return f"run {last} is recorded" if last else "it was given back"
