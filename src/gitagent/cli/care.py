"""`lint` and `doctor`: what is wrong, and the mend."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

from gitagent.cli.options import add_json
from gitagent.cli.session import Session
from gitagent.config import FILE
from gitagent.core.errors import BadInput, NoQueue, UsageError

if TYPE_CHECKING:
    from gitagent.store.queue import Queue

_BROKEN = 2


def configure_lint(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `lint`."""
    add_json(parser)


def lint_command(session: Session, arguments: argparse.Namespace) -> int:
    """Check every task file and the configuration; exit 2 when something is broken."""
    queue = session.project.queue()
    if queue.commit is None:
        raise NoQueue(session.project.repository.remote_with("gitagent/tasks"))
    rows = [
        *_broken_files(queue),
        *_edges(queue),
        *_cycles(queue),
        *_unknown_keys(session),
        *_config(session),
    ]
    if arguments.json:
        session.json(rows)
    else:
        for row in rows:
            place = ":".join(str(row[key]) for key in ("file", "line") if row[key] is not None)
            session.data(f"{place}: {row['severity']}: {row['message']}")
    errors = sum(row["severity"] == "error" for row in rows)
    session.say(f"{len(queue.graph.tasks)} tasks are good; {errors} errors")
    return _BROKEN if errors else 0


def _row(severity: str, file: str, line: int | None, message: str) -> dict[str, object]:
    return {"severity": severity, "file": file, "line": line, "message": message}


def _broken_files(queue: Queue) -> Iterable[dict[str, object]]:
    for broken in queue.broken:
        yield _row("error", broken.path, broken.line, broken.message)


def _edges(queue: Queue) -> Iterable[dict[str, object]]:
    from gitagent.store.layout import task_path

    graph = queue.graph
    for task in graph.tasks.values():
        for needed in task.blocked_by:
            if needed not in graph.tasks and needed not in graph.broken:
                message = f"`blocked_by` names `{needed}`, and there is no such task"
                yield _row("error", task_path(task.id), None, message)


def _cycles(queue: Queue) -> Iterable[dict[str, object]]:
    from gitagent.store.layout import task_path

    for task, words in sorted(queue.graph.cycles.items()):
        yield _row("error", task_path(task), None, f"is {words}")


def _unknown_keys(session: Session) -> Iterable[dict[str, object]]:
    """Warn of keys that nobody reads but that look like one that is."""
    from gitagent.store import layout
    from gitagent.store.taskfile import unknown_keys

    for path, data in session.project.branch.view().files(layout.TASKS):
        try:
            slips = [each for each in unknown_keys(data, path=path) if each.meant]
        except BadInput:
            continue  # listed as broken already
        for slip in slips:
            message = f"`{slip.key}` means nothing; did you mean `{slip.meant}`?"
            yield _row("warning", path, slip.line, message)


def _config(session: Session) -> Iterable[dict[str, object]]:
    """Check the configuration as committed on the base, and as it lies in the checkout."""
    from gitagent.config import parse

    project = session.project
    try:
        project.base()
    except UsageError as error:
        yield _row("error", error.file or FILE, error.line, f"{error.message} (on the base)")
    for checkout in project.repository.checkouts():
        path = checkout.path / FILE
        if checkout.git_dir == project.repository.here and path.is_file():
            try:
                parse(path.read_bytes(), file=str(path))
            except BadInput as error:
                yield _row("error", str(path), error.line, error.message)


def configure_doctor(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `doctor`."""
    parser.add_argument("--fix", action="store_true", help="mend what is gitagent's own")
    add_json(parser)


def doctor_command(session: Session, arguments: argparse.Namespace) -> int:
    """Say what is missing or wrong, with the mend; exit 1 when something is."""
    from gitagent.runner.doctor import examine, mend

    if arguments.fix:
        for line in mend(session.project):
            session.say(line)
    rows = examine(session.project)
    if arguments.json:
        session.json([{"ok": row.ok, "what": row.what, "mend": row.mend} for row in rows])
    else:
        for row in rows:
            session.data(f"{'ok  ' if row.ok else 'BAD '} {row.what}")
            if row.mend:
                session.data(f"     mend: {row.mend}")
    return 0 if all(row.ok for row in rows) else 1
