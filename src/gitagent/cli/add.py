"""`add`: a new task."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gitagent.cli.editor import edit_text
from gitagent.cli.options import add_integrate
from gitagent.cli.reading import read_queue
from gitagent.cli.session import Session
from gitagent.core.checks import CheckSpec
from gitagent.core.errors import BadInput, UsageError
from gitagent.core.task import DEFAULT_PRIORITY, LOWEST_PRIORITY, Integrate, Task

if TYPE_CHECKING:
    from gitagent.store.queue import Queue

_NONE = "none"


def configure_add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `add`."""
    parser.add_argument("title", metavar="TITLE", help="what is wanted, in one line")
    body = parser.add_mutually_exclusive_group()
    body.add_argument("--body", metavar="TEXT", help="what is wanted, in Markdown")
    body.add_argument("--body-file", metavar="FILE", help="read the body from FILE, - for stdin")
    body.add_argument("--edit", action="store_true", help="write the body in your editor")
    parser.add_argument("--needs", metavar="ID", action="append", default=[],
                        help="a task that must be done first; may be repeated")  # fmt: skip
    parser.add_argument("--blocks", metavar="ID", action="append", default=[],
                        help="a task that needs this one; may be repeated")  # fmt: skip
    add_fields(parser)
    parser.add_argument("--source", metavar="URL",
                        help="where it comes from; nothing is added twice")  # fmt: skip


def add_fields(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that set fields of a task, for `add` and `update`."""
    parser.add_argument("--label", metavar="NAME", action="append", help="may be repeated")
    parser.add_argument(
        "--priority",
        type=int,
        choices=range(LOWEST_PRIORITY + 1),
        help=f"0 is the highest (default: {DEFAULT_PRIORITY})",
    )
    parser.add_argument(
        "--verify",
        metavar="CMD",
        action="append",
        help="a command that must pass, besides the base's; `none` verifies nothing",
    )
    parser.add_argument("--allow", metavar="GLOB", action="append",
                        help="the only paths that may change; may be repeated")  # fmt: skip
    parser.add_argument("--agent", help="who does it")
    parser.add_argument("--model", help="the model that the agent uses")
    add_integrate(parser)


def fields_of(arguments: argparse.Namespace) -> dict[str, object]:
    """Return the fields of a task that the arguments set."""
    fields: dict[str, object] = {}
    for name in ("agent", "model", "priority"):
        if getattr(arguments, name) is not None:
            fields[name] = getattr(arguments, name)
    if arguments.integrate is not None:
        fields["integrate"] = Integrate(arguments.integrate)
    if arguments.allow is not None:
        fields["allow"] = tuple(arguments.allow)
    if arguments.verify is not None:
        fields |= _verify(arguments.verify)
    return fields


def _verify(commands: list[str]) -> dict[str, object]:
    if _NONE in commands:
        if len(commands) > 1:
            message = "`--verify none` cannot stand beside other commands"
            raise UsageError(message)
        return {"unverified": True, "verify": ()}
    checks = tuple(CheckSpec(run=run, name=run) for run in dict.fromkeys(commands))
    return {"unverified": False, "verify": checks}


def add_command(session: Session, arguments: argparse.Namespace) -> int:
    """Add a task and print its id; a task from the same source is printed instead."""
    from gitagent.store import tasks

    project = session.project
    queue = read_queue(session)
    known = _from_source(queue, arguments.source)
    if known is not None:
        session.say(f"{arguments.source} is a task already")
        session.data(known.id)
        return 0
    task = Task(
        id="",
        title=arguments.title,
        body=_body(session, arguments),
        blocked_by=tuple(dict.fromkeys(queue.find(each).id for each in arguments.needs)),
        labels=tuple(dict.fromkeys(arguments.label or ())),
        created=project.timestamp(),
        source=arguments.source,
        **fields_of(arguments),  # type: ignore[arg-type]  # checked by argparse
    )
    writable(replace(task, id="00000"))
    blocks = [queue.find(each).id for each in arguments.blocks]
    added = tasks.add(
        project.branch, task, author=project.author, when=project.now(), blocks=blocks
    )
    session.data(added.id)
    return 0


def writable(task: Task) -> Task:
    """Return `task`; raises `UsageError` when no file could say it.

    The line of a file that nobody has seen would help nobody.
    """
    from gitagent.store import taskfile

    try:
        taskfile.render(task)
    except BadInput as error:
        raise UsageError(error.message, hint=error.hint) from error
    return task


def _from_source(queue: Queue, source: str | None) -> Task | None:
    if source is None:
        return None
    return next((task for task in queue.graph.tasks.values() if task.source == source), None)


def _body(session: Session, arguments: argparse.Namespace) -> str:
    if arguments.edit:
        text = edit_text(session, f"# {arguments.title}\n\n", "body.md")
        return text.removeprefix(f"# {arguments.title}").strip("\n") + "\n"
    if arguments.body_file is None:
        body: str = arguments.body or ""
        return body if not body or body.endswith("\n") else f"{body}\n"
    return _read(session, arguments.body_file)


def _read(session: Session, name: str) -> str:
    try:
        data = session.read_input() if name == "-" else Path(session.cwd, name).read_bytes()
        return data.decode()
    except OSError as error:
        message = f"`{name}` cannot be read: {error.strerror}"
        raise UsageError(message) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        message = "is not UTF-8"
        raise UsageError(message, file=name, line=line) from error
