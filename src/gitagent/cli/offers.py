"""`diff`, `accept`, `reject`, `drop`: what a person does with finished work."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from gitagent.cli.options import add_json, add_task
from gitagent.cli.reading import read_near
from gitagent.cli.session import Session
from gitagent.core.checks import CheckResult
from gitagent.core.errors import GitagentError, Refused, UsageError
from gitagent.core.events import Checked


def configure_diff(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `diff`."""
    add_task(parser)
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--stat", action="store_true", help="only which files, and how much")
    shape.add_argument("--name-only", action="store_true", help="only the names of the files")


def diff_command(session: Session, arguments: argparse.Namespace) -> int:
    """Print what the last run of a task changed, as a patch."""
    from gitagent.runner.offered import last_work, with_objects

    project = session.project
    queue = read_near(session, arguments.task)
    task = queue.find(arguments.task)
    found = last_work(project, queue, task)
    if found is None:
        message = f"{task.id} has no work to show: no run of it changed a file"
        raise Refused(message, hint=f"see `gitagent show {task.id}`")
    found = with_objects(project, found)
    options = _diff_options(session, arguments)
    git = project.repository.git
    captured = git.run("diff", *options, found.record["base_commit"], found.work, "--")
    session.data_bytes(captured.stdout)
    if captured.exit_code != 0:
        session.say(captured.stderr.decode(errors="replace").strip())
    return 1 if captured.exit_code else 0


def _diff_options(session: Session, arguments: argparse.Namespace) -> list[str]:
    options = ["--no-ext-diff", "--no-textconv", "--find-renames"]
    options.append("--color=always" if session.colour else "--color=never")
    if arguments.stat:
        options.append("--stat")
    elif arguments.name_only:
        options.append("--name-only")
    else:
        options += ["--patch", "--binary"]
    return options


@contextmanager
def _deciding(session: Session) -> Iterator[None]:
    """Hear of the queue before a person decides, and push what came of it (DESIGN section 5)."""
    from gitagent.runner.waiting import never

    session.project.sync(never)
    yield
    try:
        session.project.sync(never)
    except GitagentError as error:
        session.say(f"warning: decided here, and not pushed yet: {error}")
        session.hint("run `gitagent sync`")


def configure_accept(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `accept`."""
    add_task(parser)
    parser.add_argument("--dry-run", action="store_true", help="only say what would land")
    add_json(parser)


def accept_command(session: Session, arguments: argparse.Namespace) -> int:
    """Land finished work on the base, verified again if it is not the tree that was verified."""
    from gitagent.runner import offers

    project = session.project
    if arguments.dry_run:
        found = offers.offer(project, read_near(session, arguments.task), arguments.task)
        base = project.base()
        session.say(f"would land {found.work[:12]} on `{base.branch}` at {base.commit[:12]}")
        session.data(found.work)
        return 0

    def tell(result: CheckResult) -> None:
        from gitagent.views.event import event_line

        line = event_line(Checked("", result), verbose=False, colour=session.colour_err)
        session.say(line or result.name)

    with session.interruptible() as interrupt, _deciding(session):
        found = offers.offer(project, read_near(session, arguments.task), arguments.task)
        landing = offers.accept(project, found, interrupt.asked, tell)
    if arguments.json:
        value = {"task": found.task.id, "branch": landing.branch, "commit": landing.commit}
        session.json(value)
    else:
        session.data(landing.commit)
    session.say(f"{found.task.id} is done: landed on `{landing.branch}`")
    session.say(f"to take it back: git revert {landing.commit[:12]}")
    return 0


def configure_reject(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `reject`."""
    add_task(parser)
    parser.add_argument("--because", metavar="TEXT", required=True,
                        help="what is wrong: the next attempt is told so")  # fmt: skip


def reject_command(session: Session, arguments: argparse.Namespace) -> int:
    """Send finished work back with a reason; the task is open again."""
    from gitagent.runner import offers

    if not arguments.because.strip():
        message = "`--because` is empty"
        raise UsageError(message, hint="say what is wrong, so that it can be mended")
    with _deciding(session):
        queue = read_near(session, arguments.task)
        task = offers.reject(session.project, queue, arguments.task, arguments.because)
    session.say(f"{task.id} is open again; the next run of it is told why")
    session.say(f"to do it now: gitagent run {task.id}")
    session.data(task.id)
    return 0


def configure_drop(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `drop`."""
    add_task(parser)


def drop_command(session: Session, arguments: argparse.Namespace) -> int:
    """Discard a task and its work, and say how to get both back."""
    from gitagent.runner import offers

    with _deciding(session):
        task, found = offers.drop(
            session.project, read_near(session, arguments.task), arguments.task
        )
    session.say(f"{task.id} is cancelled")
    session.say(f"to reopen it: gitagent update {task.id} --status open")
    if found is not None:
        session.say(f"to get the work back: git branch {task.id}-work {found.work}")
    session.data(task.id)
    return 0
