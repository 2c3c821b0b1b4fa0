"""`next` and `run`: doing tasks."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from gitagent.cli.live import Live
from gitagent.cli.options import add_task, add_work
from gitagent.cli.reading import read_queue
from gitagent.cli.session import Interrupt, Session
from gitagent.core.outcome import ENDINGS, Outcome
from gitagent.core.record import RecordJson, run_json
from gitagent.core.task import Integrate, Status

if TYPE_CHECKING:
    from gitagent.runner.next import Foreman
    from gitagent.runner.order import Order

INTERRUPTED = 130


def configure_next(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `next`."""
    many = parser.add_mutually_exclusive_group()
    many.add_argument("--count", type=_positive, metavar="N", help="do up to N tasks")
    many.add_argument("--all", action="store_true", help="go on until nothing is ready")
    add_work(parser)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        message = f"`{text}` is not a whole number from 1 up"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def next_command(session: Session, arguments: argparse.Namespace) -> int:
    """Do the next ready task, or several; one that fails does not stop the others."""
    read_queue(session)
    with session.interruptible() as interrupt:
        foreman, live = _foreman(session, arguments, interrupt)
        if arguments.dry_run:
            return _dry_run(session, arguments, foreman)
        wanted = arguments.count or (None if arguments.all else 1)
        codes = _work_off(session, arguments, live, interrupt, wanted, foreman.next)
    if arguments.all:
        _say_what_waits(session)
    return _together(codes)


def _work_off(
    session: Session,
    arguments: argparse.Namespace,
    live: Live,
    interrupt: Interrupt,
    wanted: int | None,
    do: Callable[[], RecordJson | None],
) -> list[int]:
    codes: list[int] = []
    while (wanted is None or len(codes) < wanted) and not interrupt.asked():
        with live:
            record = do()
        if record is None:
            if not codes:
                session.say(_nothing(session))
            break
        codes.append(_report(session, arguments, record))
    return codes


def configure_run(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `run`."""
    add_task(parser)
    add_work(parser)


def run_command(session: Session, arguments: argparse.Namespace) -> int:
    """Do one task."""
    read_queue(session)
    with session.interruptible() as interrupt:
        foreman, live = _foreman(session, arguments, interrupt)
        if arguments.dry_run:
            return _dry_run_one(session, arguments, foreman)
        with live:
            record = foreman.run(arguments.task)
    return _report(session, arguments, record)


def _foreman(
    session: Session, arguments: argparse.Namespace, interrupt: Interrupt
) -> tuple[Foreman, Live]:
    from gitagent import plugins
    from gitagent.runner.next import Foreman
    from gitagent.runner.order import Wishes

    live = Live(session)
    wishes = Wishes(
        agent=arguments.agent,
        model=arguments.model,
        integrate=Integrate(arguments.integrate) if arguments.integrate else None,
        command=arguments.command,
    )
    foreman = Foreman(session.project, wishes, plugins.agents(), interrupt.asked, live.show)
    return foreman, live


def _dry_run(session: Session, arguments: argparse.Namespace, foreman: Foreman) -> int:
    found = foreman.dry()
    if found is None:
        session.say(_nothing(session))
        return 0
    return _say_order(session, arguments, found[0])


def _dry_run_one(session: Session, arguments: argparse.Namespace, foreman: Foreman) -> int:
    from gitagent.runner.select import choose

    project = session.project
    choice = choose(project.queue(), arguments.task)
    return _say_order(session, arguments, foreman.order(choice.task, project.base()))


def _say_order(session: Session, arguments: argparse.Namespace, order: Order) -> int:
    value = {
        "task": order.task.id,
        "title": order.task.title,
        "base": order.base.branch,
        "commit": order.base.commit,
        "agent": order.agent.name,
        "model": order.model,
        "checks": [{"name": each.name, "run": each.run} for each in order.checks],
        "integrate": order.integrate.value,
    }
    if arguments.json:
        session.json_line(value)
        return 0
    session.data(order.task.id)
    session.say(f"would do {order.task.id}: {order.task.title}")
    session.say(f"  agent {order.agent.name}, from `{order.base.branch}`, to {order.integrate}")
    for check in order.checks:
        session.say(f"  verified by `{check.run}`")
    if not order.checks:
        session.say("  NOT VERIFIED by anything: no check is configured")
    return 0


def _report(session: Session, arguments: argparse.Namespace, record: RecordJson) -> int:
    from gitagent.views.run import run_summary

    if arguments.json:
        session.json_line(run_json(record))
    else:
        session.data(record["branch"] or record["url"] or record["commit"] or record["outcome"])
    session.say(run_summary(record).rstrip("\n"))
    return ENDINGS[Outcome(record["outcome"])].exit_code


def _together(codes: list[int]) -> int:
    if INTERRUPTED in codes:
        return INTERRUPTED
    return max(codes, default=0)


def _nothing(session: Session) -> str:
    """Say why nothing is ready, with what to do about it."""
    graph = session.project.queue().graph
    open_tasks = [task for task in graph.tasks.values() if task.status is Status.OPEN]
    if not graph.tasks:
        return "nothing is ready: there are no tasks; add one with `gitagent add TITLE`"
    if not open_tasks:
        return "nothing is ready: no task is open; see `gitagent status`"
    first = min(open_tasks, key=lambda task: (task.priority, task.created, task.id))
    reason = graph.reason(first) or "it was claimed just now"
    return f"nothing is ready: {first.id} {reason}; see `gitagent why {first.id}`"


def _say_what_waits(session: Session) -> None:
    queue = session.project.queue()
    tasks = list(queue.graph.tasks.values())
    offered = [task.id for task in tasks if task.status is Status.IN_REVIEW]
    held = [task.id for task in tasks if task.status is Status.WAITING]
    failed = Counter(task.status for task in tasks)[Status.FAILED]
    if offered:
        session.say(f"{_tasks(len(offered))} for `gitagent accept {offered[0]}`")
    if held:
        session.say(f"{_tasks(len(held))} for you: see `gitagent show {held[0]}`")
    if failed:
        session.say(f"{failed} failed: see `gitagent list --status failed`")


def _tasks(count: int) -> str:
    return "1 task waits" if count == 1 else f"{count} tasks wait"
