"""Reporting runs, and `next` for many of them: what is printed, and with which exit code."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gitagent.cli import dry
from gitagent.cli.failure import report_error
from gitagent.cli.session import Session
from gitagent.core.errors import GitagentError
from gitagent.core.graph import Readiness
from gitagent.core.outcome import ENDINGS, Outcome
from gitagent.core.record import RecordJson, run_json
from gitagent.core.task import CLOSED, Status

if TYPE_CHECKING:
    from gitagent.cli.live import Live
    from gitagent.runner.board import Plan
    from gitagent.runner.next import Foreman

INTERRUPTED = 130


def next_many(session: Session, arguments: argparse.Namespace, foreman: Foreman, live: Live) -> int:
    """Do tasks, several at once, and return the exit code: 1 if any did not succeed."""
    from gitagent.runner.supervise import supervise

    crowd = _Crowd(session, live, as_json=arguments.json)
    _ = session.project.heart  # one for all jobs: it is made before they are
    try:
        with live:
            supervise(lambda _job: _another(foreman, live), _plan(arguments), foreman.stop, crowd)
    except KeyboardInterrupt:
        session.abandon(INTERRUPTED)
    if not crowd.codes and not foreman.stop():
        session.say(dry.nothing(session))
    settle(session, foreman)
    if arguments.all:
        _say_what_waits(session)
    return INTERRUPTED if foreman.stop() else max(crowd.codes, default=0)


def _plan(arguments: argparse.Namespace) -> Plan:
    from gitagent.runner.board import Plan

    waits = arguments.all or arguments.watch
    count = None if waits else arguments.count or arguments.jobs
    return Plan(arguments.jobs, count, waits, arguments.watch, arguments.overlap)


def _another(foreman: Foreman, live: Live) -> Foreman:
    """Return the same foreman for another thread."""
    return replace(foreman, project=foreman.project.again(), listen=live.listener())


class _Crowd:
    """Prints what becomes of many runs, one after the other; `codes` are their exit codes."""

    def __init__(self, session: Session, live: Live, *, as_json: bool) -> None:
        self._session = session
        self._live = live
        self._as_json = as_json
        self.codes: list[int] = []

    def ended(self, record: RecordJson) -> None:
        """Report a run that ended."""
        with self._live.aside():
            self._live.forget(record["task"])
            self.codes.append(report(self._session, record, as_json=self._as_json))

    def failed(self, task: str | None, error: GitagentError) -> None:
        """Report an error that stops nothing but the run that it is of."""
        with self._live.aside():
            if task is not None:
                self._live.forget(task)
                self._session.say(f"{task} broke off; it is not tried again by this command")
            report_error(self._session, error, as_json=self._as_json)
            self.codes.append(1)

    def waits(self, tasks: Sequence[str]) -> None:
        """Say what is waited for."""
        with self._live.aside():
            shown = ", ".join(tasks[:8]) + (", ..." if len(tasks) > 8 else "")  # noqa: PLR2004 - a line
            self._session.say(f"nothing else is ready; waiting for what runs elsewhere: {shown}")


def report_and_settle(
    session: Session, arguments: argparse.Namespace, foreman: Foreman, record: RecordJson
) -> int:
    """Report the one run of a command, leave nothing unfolded, and return the exit code."""
    code = report(session, record, as_json=arguments.json)
    settle(session, foreman)
    return code


def report(session: Session, record: RecordJson, *, as_json: bool) -> int:
    """Print what came of a run, at once, and return its exit code."""
    from gitagent.views.run import run_summary

    if as_json:
        session.json_line(run_json(record))
    else:
        session.data(record["branch"] or record["url"] or record["commit"] or record["outcome"])
        session.flush()
    session.say(run_summary(record).rstrip("\n"))
    return ENDINGS[Outcome(record["outcome"])].exit_code


def settle(session: Session, foreman: Foreman) -> None:
    """Fold what has landed before leaving; what cannot be folded now has landed all the same."""
    try:
        foreman.settle()
    except GitagentError as error:
        session.say(f"warning: what has landed cannot be folded now: {error}")


def _say_what_waits(session: Session) -> None:
    graph = session.project.having(*set(Status) - CLOSED).graph
    tasks = list(graph.tasks.values())
    offered = [task.id for task in tasks if task.status is Status.IN_REVIEW]
    held = [task.id for task in tasks if task.status is Status.WAITING]
    blocked = [task.id for task in tasks if graph.readiness(task) is Readiness.BLOCKED]
    failed = Counter(task.status for task in tasks)[Status.FAILED]
    if offered:
        session.say(f"{_tasks(len(offered))} for `gitagent accept {offered[0]}`")
    if held:
        session.say(f"{_tasks(len(held))} for you: see `gitagent show {held[0]}`")
    if failed:
        session.say(f"{failed} failed: see `gitagent list --status failed`")
    if blocked:
        session.say(f"{_tasks(len(blocked))} for others: see `gitagent why {blocked[0]}`")


def _tasks(count: int) -> str:
    return "1 task waits" if count == 1 else f"{count} tasks wait"
