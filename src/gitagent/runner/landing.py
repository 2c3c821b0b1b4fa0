"""Landing a run: its record, the claim's last value, and what is kept of unfinished work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import reduce

from gitagent.core.checks import CheckKind
from gitagent.core.errors import ConflictError, GitagentError
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
from gitagent.core.task import Integrate
from gitagent.git.refs import RUNS
from gitagent.runner.journal import entry_json
from gitagent.runner.work import Work
from gitagent.store.fold import fold

_EVENTS_LIMIT = 256 << 10
"""Bytes of events that a record keeps (DESIGN section 4)."""


def land(work: Work) -> RecordJson:
    """Land a run that has ended, and return its record; the claim is gone afterwards.

    A run that lost its claim lands nothing: its work stays under `refs/gitagent/runs`.
    """
    candidate = keep_work(work)
    record = make_record(work, candidate)
    passed = record["outcome"] == Outcome.SUCCEEDED
    try:
        work.project.claims.land(
            work.held, record, record["work"] if passed else None, work.project.now()
        )
    except ConflictError:
        return {**record, "outcome": Outcome.LOST_CLAIM.value, "reason": "the claim was lost"}
    return _folded(work, record)


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
        done = fold(work.project.repository, work.project.author, work.project.now())
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
    ran = Ran(ended.outcome, order.integrate, ended.waiting_for)
    after = transition(order.task, ran)
    attempts = attempt_logs(history)
    branched = passed and order.integrate in (Integrate.BRANCH, Integrate.PR)
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
        base_run=None,
        continues=claim.continues,
        started=entries[0].at,
        ended=entries[-1].at,
        sandboxed=False,
        verified=passed and _verified(attempts),
        auth=None,
        messages_read=list(work.desk.read),
        events=bounded(entries),
    )


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
