"""`next` and `run`: doing tasks."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from gitagent.cli import dry
from gitagent.cli.many import next_many, report_and_settle
from gitagent.cli.options import add_task, add_work
from gitagent.cli.reading import read_index
from gitagent.cli.session import Interrupt, Session
from gitagent.core.task import Integrate

if TYPE_CHECKING:
    from gitagent.cli.live import Live
    from gitagent.runner.next import Foreman


def configure_next(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `next`."""
    many = parser.add_mutually_exclusive_group()
    many.add_argument("--count", type=_positive, metavar="N", help="do up to N tasks")
    many.add_argument("--all", action="store_true", help="go on until nothing is ready")
    many.add_argument("--watch", action="store_true", help="go on for ever, until Ctrl-C")
    parser.add_argument(
        "--jobs",
        type=_positive,
        metavar="N",
        default=1,
        help="do N tasks at once; without --count, --all or --watch, N in all",
    )
    parser.add_argument(
        "--overlap",
        action="store_true",
        help="with --jobs: do tasks at once though their `allow` paths overlap",
    )
    add_work(parser)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        message = f"`{text}` is not a whole number from 1 up"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def next_command(session: Session, arguments: argparse.Namespace) -> int:
    """Do the next ready task, or several; one that fails does not stop the others."""
    if arguments.dry_run:
        known = dry.answer(session, dry.Wishes.of(arguments), as_json=arguments.json)
        if known is not None:
            return known
    read_index(session)
    with session.interruptible() as interrupt:
        live = _live(session, arguments.jobs)
        foreman = _foreman(session, arguments, interrupt, live)
        if arguments.dry_run:
            return dry.work_out(session, arguments, foreman)
        if arguments.count or arguments.all or arguments.watch or arguments.jobs > 1:
            return next_many(session, arguments, foreman, live)
        with live:
            record = foreman.next()
        if record is None:
            session.say(dry.nothing(session))
            return 0
        return report_and_settle(session, arguments, foreman, record)


def configure_run(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `run`."""
    add_task(parser)
    add_work(parser)


def run_command(session: Session, arguments: argparse.Namespace) -> int:
    """Do one task."""
    read_index(session)
    with session.interruptible() as interrupt:
        live = _live(session)
        foreman = _foreman(session, arguments, interrupt, live)
        if arguments.dry_run:
            return _dry_run_one(session, arguments, foreman)
        with live:
            record = foreman.run(arguments.task)
        return report_and_settle(session, arguments, foreman, record)


def _live(session: Session, jobs: int = 1) -> Live:
    from gitagent.cli.live import Live

    return Live(session, jobs)


def _foreman(
    session: Session, arguments: argparse.Namespace, interrupt: Interrupt, live: Live
) -> Foreman:
    from gitagent import plugins
    from gitagent.runner.next import Foreman
    from gitagent.runner.order import Wishes

    wishes = Wishes(
        agent=arguments.agent,
        model=arguments.model,
        integrate=Integrate(arguments.integrate) if arguments.integrate else None,
        command=arguments.command,
    )
    agents = plugins.agents()
    return Foreman(session.project, wishes, agents, interrupt.asked, live.listener())


def _dry_run_one(session: Session, arguments: argparse.Namespace, foreman: Foreman) -> int:
    from gitagent.runner.select import choose

    project = session.project
    choice = choose(project, project.near(arguments.task), arguments.task)
    order = foreman.order(choice.task, project.base())
    return dry.say(session, dry.order_json(order), as_json=arguments.json)
