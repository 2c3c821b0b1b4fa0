"""An event of a run as a person reads it: on the screen now, and in `gitagent log` later."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import assert_never

from gitagent.core.checks import CheckResult, Excerpt, Verdict
from gitagent.core.events import (
    AgentReplied,
    AttemptStarted,
    Checked,
    CheckStarted,
    Claimed,
    Ended,
    Entry,
    Event,
    Integrated,
    IntegrationHeld,
    Offered,
    Prepared,
    Rebased,
    StopRequested,
    Warned,
)
from gitagent.core.outcome import Outcome
from gitagent.core.record import check_json
from gitagent.core.run import AgentReply
from gitagent.text import one_line, printable
from gitagent.views.check import figures, finding_line, verdict
from gitagent.views.run import ended_words
from gitagent.views.terminal import Style, indent, kept_line, paint
from gitagent.views.words import duration, more_than, plural, short

LINE = 300
"""Characters of one line that are shown."""
OUTPUT_LINES = 15
"""Last lines of a failed check's output that are shown; the whole of it is in its log."""
_FINDINGS = 15
_PATHS = 5
_MARGIN = "  "


def event_line(event: Event, *, verbose: bool, colour: bool = False) -> str | None:
    """Return an event in words, or None for one that only `verbose` shows.

    What belongs to the event follows on indented lines: the findings of a failed check and
    the end of its output, what an agent assumed or left open, changed paths. `colour` adds
    a style to the first line, and says nothing that the words do not.
    """
    said = _said(event, verbose=verbose)
    if said is None:
        return None
    first = paint(one_line(said[0], LINE), _style(event), colour=colour)
    return "\n".join([first, *(_MARGIN + kept_line(each, LINE) for each in said[1:])])


def _style(event: Event) -> Style | None:
    match event:
        case Claimed():
            return Style.BOLD
        case Warned() | IntegrationHeld() | StopRequested():
            return Style.YELLOW
        case Checked(result=result):
            return Style.GREEN if result.ok else Style.RED
        case Ended(outcome=outcome):
            return Style.GREEN if outcome is Outcome.SUCCEEDED else Style.RED
        case AgentReplied(reply=reply) if reply.error is not None:
            return Style.RED
        case _:
            return None


def _said(event: Event, *, verbose: bool) -> list[str] | None:  # noqa: C901, PLR0911, PLR0912 - one arm each
    match event:
        case Claimed():
            return [_claimed(event, verbose=verbose)]
        case Warned():
            return [f"warning: {event.text}"]
        case Prepared():
            return [f"worktree {event.worktree}"] if verbose else None
        case AttemptStarted():
            return [_attempt(event)]
        case AgentReplied():
            return _replied(event.reply)
        case Offered():
            return _offered(event, verbose=verbose)
        case CheckStarted():
            return [f"check {event.name} started"] if verbose else None
        case Checked():
            return _checked(event.result, verbose=verbose)
        case Rebased():
            return [f"rebased on {short(event.candidate.base)}, where the base is now"]
        case Integrated():
            return [f"integrated as {_where(event)}"]
        case IntegrationHeld():
            return [f"not integrated: {event.reason}"]
        case StopRequested():
            return [f"asked to stop by {event.by}"]
        case Ended():
            return [_ended(event)]
        case _:
            assert_never(event)


def _claimed(event: Claimed, *, verbose: bool) -> str:
    goes_on = f", goes on from run {event.continues}" if event.continues else ""
    run = f" (run {event.run}, epoch {event.epoch})" if verbose else ""
    return f"{event.task} {event.title}: starts from {short(event.base)}{goes_on}{run}"


def _attempt(event: AttemptStarted) -> str:
    model = f" ({event.model})" if event.model else ""
    return f"attempt {event.number} with {event.agent}{model}"


def _replied(reply: AgentReply) -> list[str]:
    time = duration(reply.usage.seconds)
    if reply.error is not None:
        said = f"agent failed ({reply.error.error_class}, {time}): {reply.error.message}"
        return [said, *_output(reply.error.output, None)]
    summary = f": {reply.summary}" if reply.summary else ""
    asks = [f"needs attention: {reply.needs_attention}"] if reply.needs_attention else []
    return [
        f"agent finished ({time}){summary}",
        *asks,
        *(f"assumed: {each}" for each in reply.assumptions),
        *(f"left open: {each}" for each in reply.unresolved),
    ]


def _offered(event: Offered, *, verbose: bool) -> list[str]:
    if not event.candidate.changed:
        return ["no file changed"]
    said = f"{plural(event.files, 'file')} changed"
    if verbose:
        return [said, *event.paths, *more_than(event.files, len(event.paths), "file")]
    shown = ", ".join(event.paths[:_PATHS])
    more = event.files - len(event.paths[:_PATHS])
    return [f"{said}: {shown}{f' and {more:,} more' if more > 0 else ''}" if shown else said]


def _checked(result: CheckResult, *, verbose: bool) -> list[str]:
    check = check_json(result)
    word = verdict(check, held=result.verdict is Verdict.HELD)
    said = f"check {result.name} {word} ({figures(check)})"
    if result.ok and not verbose:
        return [said]
    findings = [finding_line(each) for each in check["findings"]]
    if verbose and result.command and result.command != result.name:
        said = f"{said}: {result.command}"
    more = more_than(len(findings), _FINDINGS, "finding")
    output = [] if result.ok else _output(result.output, result.log)
    return [said, *findings[:_FINDINGS], *more, *output]


def _output(output: Excerpt, log: str | None) -> list[str]:
    lines = [each.rstrip() for each in printable(output.text()).split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    cut = len(lines) > OUTPUT_LINES or output.omitted > 0
    shown = [f"| {line}".rstrip() for line in lines[-OUTPUT_LINES:]]
    where = f"the end of its output, all of it is in {log}" if log else "the end of its output"
    return [f"{where}:", *shown] if cut else shown


def _where(event: Integrated) -> str:
    commit = short(event.commit)
    ref = event.ref.removeprefix("refs/heads/") if event.ref else None
    said = f"{ref} ({commit})" if ref else f"commit {commit}"
    return f"{said}, {event.url}" if event.url else said


def _ended(event: Ended) -> str:
    waits = f"; waits for {event.waiting_for}" if event.waiting_for else ""
    return f"{ended_words(event.outcome, event.reason)}{waits}"


def log_lines(entries: Sequence[Entry], *, verbose: bool, colour: bool = False) -> tuple[str, ...]:
    """Return the lines of a run's log: each event after its time, a date where a day begins.

    Times are shown in UTC, as they are written.
    """
    lines: list[str] = []
    day = ""
    for entry in entries:
        said = event_line(entry.event, verbose=verbose, colour=colour)
        if said is None:
            continue
        if entry.at[:10] != day:
            day = entry.at[:10]
            lines.append(f"{one_line(day, LINE)} (UTC)")
        lines.extend(_timed(one_line(entry.at[11:19], LINE), said.split("\n")))
    return tuple(lines)


def _timed(time: str, said: Iterable[str]) -> list[str]:
    first, *rest = said
    return [f"{time}  {first}", *(indent(each, " " * (len(time) + 2)) for each in rest)]
