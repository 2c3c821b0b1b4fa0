"""A run for people: one line of it, and what is read at its end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from gitagent.core.outcome import Outcome
from gitagent.core.task import Status, WaitingFor
from gitagent.text import one_line
from gitagent.views.terminal import kept_line
from gitagent.views.words import duration, minute, plural, short

if TYPE_CHECKING:
    from gitagent.core.record import AttemptJson, RecordJson, UsageJson

LINE = 300
"""Characters of a reason that are shown."""
_FINDINGS = 5
_NAME = 30
_LONGEST_OUTCOME = max(len(each) for each in Outcome)


def run_line(record: RecordJson) -> str:
    """Return one line about a run: when, how it ended, its id, what it took, and why."""
    outcome = outcome_words(record["outcome"]).ljust(_LONGEST_OUTCOME)
    spent = _spent(record["attempts"], record["usage"])
    said = f"{minute(record['started'])}  {outcome}  {record['run']}  {spent}: {record['reason']}"
    return kept_line(said, LINE)


def ended_words(outcome: str, reason: str) -> str:
    """Return how a run ended and why, without saying `failed` twice."""
    return f"{outcome_words(outcome)}: {reason.removeprefix('failed: ')}"


def outcome_words(outcome: str) -> str:
    """Return an outcome as a person reads it: `checks failed`."""
    return outcome.replace("_", " ")


def run_summary(record: RecordJson) -> str:
    """Return what a person reads at the end of a run, ending with what to type next.

    The checks are not in it: each was told as it ended, and `log` tells it again.
    """
    return "\n\n".join((_result(record), _table(next_steps(record))))


def _result(record: RecordJson) -> str:
    said = f"{record['task']} {ended_words(record['outcome'], record['reason'])}"
    rows = [
        ("branch", record["branch"]),
        ("commit", short(record["commit"]) if record["commit"] else None),
        ("url", record["url"]),
        ("status", _status(record)),
        ("took", _spent(record["attempts"], record["usage"])),
    ]
    lines = [f"  {name:<8}{one_line(value, LINE)}" for name, value in rows if value]
    return "\n".join([one_line(said, LINE), *lines])


def _status(record: RecordJson) -> str | None:
    status = outcome_words(record["status"] or "")
    if record["waiting_for"]:
        return f"{status} for {record['waiting_for']}"
    if record["not_before"]:
        return f"{status}, not before {record['not_before']}"
    return status or None


def _spent(attempts: Sequence[AttemptJson], usage: UsageJson) -> str:
    said = [plural(len(attempts), "attempt"), duration(usage["seconds"])]
    tokens = usage["input_tokens"] + usage["output_tokens"]
    if tokens:
        said.append(plural(tokens, "token"))
    if usage["usd"]:
        said.append(f"${usage['usd']:.2f}{'' if usage['priced'] else ' or more'}")
    return ", ".join(said)


def next_steps(record: RecordJson) -> tuple[tuple[str, str], ...]:
    """Return what a person may type next and what each command does, the likeliest first."""
    task = record["task"]
    look = (f"gitagent diff {task}", "look at it")
    log = (f"gitagent log {task}", "see what happened")
    match record["status"]:
        case Status.IN_REVIEW:
            return (look, *_judge(task, "land it"))
        case Status.DONE:
            return (_landed(record["commit"]),) if record["commit"] else (log,)
        case Status.FAILED:
            return (log, *([look] if _has_work(record) else []), *_again(task))
        case Status.WAITING:
            return (log, *_answer(record, look))
        case Status.OPEN:
            return (log, (f"gitagent run {task}", "start again"))
        case _:
            return (log, ("gitagent status", "see who works on what"))


def _landed(commit: str) -> tuple[str, str]:
    return (f"git show {short(commit)}", "look at it")


def _has_work(record: RecordJson) -> bool:
    return record["commit"] is not None or record["work"] is not None


def _judge(task: str, accepting: str) -> tuple[tuple[str, str], ...]:
    return (
        (f"gitagent accept {task}", accepting),
        (f'gitagent reject {task} --because "..."', "send it back with the reason"),
    )


def _again(task: str) -> tuple[tuple[str, str], ...]:
    return (
        (f'gitagent reject {task} --because "..."', "open it again, with a hint for the agent"),
        (f"gitagent drop {task}", "give it up"),
    )


def _answer(record: RecordJson, look: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    task = record["task"]
    if record["waiting_for"] == WaitingFor.BUDGET:
        return (
            (f"gitagent edit {task}", "give it a larger budget"),
            (f"gitagent update {task} --status open", "and open it again"),
        )
    if not _has_work(record):
        return _again(task)
    guarded = record["outcome"] == Outcome.GUARDED
    return (look, *_judge(task, "land it all the same" if guarded else "land it once it can be"))


def _table(rows: Iterable[tuple[str, str]]) -> str:
    rows = tuple(rows)
    width = max((len(command) for command, _ in rows), default=0)
    return "\n".join(f"  {command:<{width}}  {does}" for command, does in rows)
