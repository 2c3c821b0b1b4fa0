"""`add`: a new task, or many from a file."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gitagent.cli.editor import edit_text
from gitagent.cli.options import add_integrate
from gitagent.cli.reading import read_index
from gitagent.cli.session import Session
from gitagent.core.checks import CheckSpec
from gitagent.core.errors import BadInput, UsageError
from gitagent.core.task import DEFAULT_PRIORITY, LOWEST_PRIORITY, Integrate, Task

if TYPE_CHECKING:
    from gitagent.runner.project import Project
    from gitagent.store.index import Index
    from gitagent.store.json_lines import Line

_NONE = "none"


def configure_add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `add`."""
    parser.add_argument("title", metavar="TITLE", nargs="?", help="what is wanted, in one line")
    parser.add_argument(
        "--from",
        metavar="FILE",
        dest="file",
        help="add a task for each line of FILE (- for stdin), all or none: a JSON object with the "
        "keys of a task file and `body`; `blocked_by` may name ids, and other lines by their "
        "`key`; prints KEY ID, or LINE ID, for each",
    )
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
    parser.add_argument(
        "--stack",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="start from the offer of what it needs, before that is accepted",
    )
    parser.add_argument("--agent", help="who does it")
    parser.add_argument("--model", help="the model that the agent uses")
    add_integrate(parser)


def fields_of(arguments: argparse.Namespace) -> dict[str, object]:
    """Return the fields of a task that the arguments set."""
    fields: dict[str, object] = {}
    for name in ("agent", "model", "priority", "stack"):
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
    """Add a task, or those of a file, and print what was added."""
    if arguments.file is not None:
        _refuse_beside_file(arguments)
        return _add_from(session, arguments.file)
    if arguments.title is None:
        message = "TITLE is missing, or `--from FILE`"
        raise UsageError(message, hint="see `gitagent add --help`")
    return _add_one(session, arguments)


def _refuse_beside_file(arguments: argparse.Namespace) -> None:
    """Refuse what says something of one task, where a file says all."""
    given = {**vars(arguments), "file": None}
    said = [name for name, value in given.items() if not (value in (None, []) or value is False)]
    if said:
        named = "TITLE" if said[0] == "title" else f"--{said[0].replace('_', '-')}"
        message = f"`{named}` cannot stand beside `--from`"
        raise UsageError(message, hint="write it into the lines of the file")


def _add_from(session: Session, name: str) -> int:
    from gitagent.store import json_lines
    from gitagent.store.batch import add_all

    read_index(session)
    project, file = session.project, "<stdin>" if name == "-" else name
    lines = json_lines.read(_read(session, name), file=file)
    if not lines:
        session.say(f"there are no tasks in `{file}`")
        return 0
    added = add_all(project.branch, _dated(project, lines), file=file,
                    author=project.author, when=project.now())  # fmt: skip
    known = sum(not each.new for each in added)
    if known:
        session.say(f"{known} of {len(added)} are tasks already, by their `source`")
    for each in added:
        session.data(f"{each.line.label} {each.id}")
    return 0


def _dated(project: Project, lines: tuple[Line, ...]) -> tuple[Line, ...]:
    """Return the lines with the time of now where none says when it was created."""
    now = project.timestamp()
    return tuple(
        line
        if line.says.task.created
        else line._replace(says=line.says._replace(task=replace(line.says.task, created=now)))
        for line in lines
    )


def _add_one(session: Session, arguments: argparse.Namespace) -> int:
    """Add a task and print its id; a task from the same source is printed instead."""
    from gitagent.store import tasks

    project = session.project
    index = read_index(session)
    source = arguments.source
    known = None if source is None else index.ask(lambda found: found.from_source(source))
    if known is not None:
        session.say(f"{source} is a task already")
        session.data(known.id)
        return 0
    task = Task(
        id="",
        title=arguments.title,
        body=_body(session, arguments),
        blocked_by=tuple(dict.fromkeys(_ids(index, arguments.needs))),
        labels=tuple(dict.fromkeys(arguments.label or ())),
        created=project.timestamp(),
        source=source,
        **fields_of(arguments),  # type: ignore[arg-type]  # checked by argparse
    )
    writable(replace(task, id="00000"))
    added = tasks.add(
        project.branch,
        task,
        author=project.author,
        when=project.now(),
        blocks=_ids(index, arguments.blocks),
    )
    session.data(added.id)
    return 0


def _ids(index: Index, starts: list[str]) -> list[str]:
    return index.ask(lambda found: [found.find(start).id for start in starts])


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


def _body(session: Session, arguments: argparse.Namespace) -> str:
    if arguments.edit:
        text = edit_text(session, f"# {arguments.title}\n\n", "body.md")
        return text.removeprefix(f"# {arguments.title}").strip("\n") + "\n"
    if arguments.body_file is None:
        body: str = arguments.body or ""
        return body if not body or body.endswith("\n") else f"{body}\n"
    return _text(session, arguments.body_file)


def _text(session: Session, name: str) -> str:
    try:
        return _read(session, name).decode()
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        message = "is not UTF-8"
        raise UsageError(message, file=name, line=line) from error


def _read(session: Session, name: str) -> bytes:
    try:
        return session.read_input() if name == "-" else Path(session.cwd, name).read_bytes()
    except OSError as error:
        message = f"`{name}` cannot be read: {error.strerror}"
        raise UsageError(message) from error
