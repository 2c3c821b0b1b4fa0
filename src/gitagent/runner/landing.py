"""Landing a run: its record, the claim's last value, and what is kept of unfinished work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import reduce

from gitagent.core.checks import CheckKind
from gitagent.core.errors import GitagentError
from gitagent.core.events import (
    AgentReplied,
    AttemptStarted,
    Checked,
    Ended,
    Entry,
    Event,
    Integrated,
    Offered,
    Rebased,
    Warned,
)
from gitagent.core.lifecycle import Ran, transition
from gitagent.core.outcome import Outcome
from gitagent.core.record import RECORD_VERSION, RecordJson, attempts_json, usage_json
from gitagent.core.run import AttemptLog, Candidate, Usage
from gitagent.core.task import BRANCHED
from gitagent.git.refs import BRANCHES, RUNS
from gitagent.runner.journal import entry_json
from gitagent.runner.offered import withdraw
from gitagent.runner.waiting import never, tries
from gitagent.runner.work import Work
from gitagent.store import landing
from gitagent.store.fold import fold
from gitagent.store.records import records

_PATIENCE = 3
"""Timeouts of a push for which a landing is tried before it is kept for later."""
_EVENTS_LIMIT = 256 << 10
"""Bytes of events that a record keeps (DESIGN section 4)."""


def land(work: Work) -> RecordJson:
    """Land a run that has ended, and return its record; the claim is gone afterwards.

    A run that lost its claim lands nothing: its work stays under `refs/gitagent/runs`.
    Raises `NotLanded` when a remote gives no answer for too long.
    """
    project = work.project
    candidate = keep_work(work)
    record = make_record(work, candidate)
    passed = record["outcome"] == Outcome.SUCCEEDED
    work.end_turn()
    held = project.heart.take(work.held)
    patience = tries(never, _PATIENCE * project.push_timeout)
    passing = record["work"] if passed else None
    if passed and work.replaces is not None:
        withdraw(project, work.replaces)
    try:
        number = landing.land(project.claims, held, record, passing, project.now(), patience)
    except landing.LostClaim as lost:
        return {**record, "outcome": Outcome.LOST_CLAIM.value, "reason": str(lost), "branch": None}
    if number > 0:
        work.append(Warned(f"landed at try {number + 1}: the remote had not answered before"))
    if not project.upstream.shared:
        return _folded(work, record)
    _keep_branch(work, record)
    return record


def _keep_branch(work: Work, record: RecordJson) -> None:
    """Make the branch here too, or move it on from earlier work: the fold makes it there."""
    project, name = work.project, record["branch"]
    if name is None or project.repository.checkout_of(name) is not None:
        return
    ref = f"{BRANCHES}{name.removeprefix('gitagent/')}"
    now = project.repository.refs.read(ref)
    earlier = records(project.branch.view(), project.queue(), record["task"])
    if now is None or now in {each["commit"] for each in earlier}:
        project.repository.refs.move({ref: (now, record["work"])})


def keep_work(work: Work) -> Candidate | None:
    """Keep what the run made under `refs/gitagent/runs/<run>`, also when it did not pass."""
    candidate = work.state.candidate
    if candidate is None and work.state.prepared:
        candidate, _ = work.take_snapshot()
    if candidate is None or not candidate.changed:
        return candidate
    ref = f"{RUNS}{work.run}"
    repository = work.project.repository
    repository.refs.update({ref: (repository.refs.read(ref), candidate.commit)})
    return candidate


def _folded(work: Work, record: RecordJson) -> RecordJson:
    """Fold at once; what cannot be folded now has landed all the same."""
    try:
        done = fold(work.project.claims, work.project.author, work.project.now())
    except GitagentError as error:
        work.append(Warned(f"landed, and not folded yet: {error}"))
        return record
    return next((each for each in done if each["run"] == record["run"]), record)


def make_record(work: Work, candidate: Candidate | None) -> RecordJson:
    """Return the record of a run from its journal."""
    entries, order, claim = work.journal.entries, work.order, work.held.claim
    history = [entry.event for entry in entries]
    ended = next(event for event in history if isinstance(event, Ended))
    placed = next((event for event in history if isinstance(event, Integrated)), None)
    passed = ended.outcome is Outcome.SUCCEEDED
    changed = candidate if candidate is not None and candidate.changed else None
    if placed is not None and placed.run is not None:
        changed = _found(work, placed.commit)
    ran = Ran(ended.outcome, order.integrate, ended.waiting_for)
    after = transition(order.task, ran)
    attempts = attempt_logs(history)
    branched = passed and order.integrate in BRANCHED
    return RecordJson(
        v=RECORD_VERSION,
        run=claim.run,
        task=claim.task,
        outcome=ended.outcome.value,
        reason=ended.reason,
        branch=f"gitagent/{claim.task}" if branched else None,
        commit=changed.commit if changed else None,
        tree=changed.tree if changed else None,
        url=placed.url if placed else None,
        attempts=attempts_json(attempts),
        usage=usage_json(reduce(Usage.__add__, (each.usage for each in attempts), Usage())),
        status=after.status.value,
        waiting_for=after.waiting_for.value if after.waiting_for else None,
        not_before=after.not_before,
        integrate=order.integrate.value,
        epoch=claim.epoch,
        runner=claim.runner,
        base=order.base.branch,
        work=changed.commit if changed else None,
        base_commit=changed.base if changed else claim.base,
        base_run=placed.run if placed else None,
        continues=claim.continues,
        started=entries[0].at,
        ended=entries[-1].at,
        sandboxed=False,
        verified=passed and _verified(attempts),
        auth=None,
        messages_read=list(work.desk.read),
        events=bounded(entries),
    )


def _found(work: Work, commit: str) -> Candidate:
    """Return what an earlier run had put on the base already."""
    repository = work.project.repository
    parent = str(repository.commit(commit).parent_ids[0])
    trees = repository.tree_of(parent), repository.tree_of(commit)
    return Candidate(parent, trees[0], commit, trees[1])


def attempt_logs(history: Iterable[Event]) -> list[AttemptLog]:
    """Return the attempts that a history tells of, each with its last checks."""
    logs: list[AttemptLog] = []
    judged = ""
    for event in history:
        match event:
            case AttemptStarted():
                logs.append(AttemptLog(event.number, event.agent, event.model))
            case AgentReplied(reply=reply):
                error = reply.error.error_class if reply.error else None
                logs[-1] = replace(
                    logs[-1], usage=reply.usage, error_class=error, summary=reply.summary
                )
            case Offered(candidate=candidate) | Rebased(candidate=candidate):
                kept = logs[-1].checks if candidate.tree == judged else ()
                logs[-1] = replace(logs[-1], checks=kept)
            case Checked(result=result):
                judged = event.tree
                logs[-1] = replace(logs[-1], checks=(*logs[-1].checks, result))
            case _:
                pass
    return logs


def bounded(entries: Sequence[Entry]) -> list[dict[str, object]]:
    """Return the events as the record keeps them: at most 256 KiB, outputs shortened first."""
    kept = [entry_json(entry) for entry in entries]
    size = sum(len(str(each)) for each in kept)
    while size > _EVENTS_LIMIT and len(kept) > 2:  # noqa: PLR2004 - the first and the last stay
        middle = len(kept) // 2
        size -= len(str(kept.pop(middle)))
    return kept


def _verified(attempts: Sequence[AttemptLog]) -> bool:
    checks = attempts[-1].checks if attempts else ()
    # A command none of whose `paths` changed did not run: it has no exit code.
    ran = [each for each in checks if each.kind is CheckKind.COMMAND and each.exit_code is not None]
    return bool(ran) and all(each.ok for each in checks)
