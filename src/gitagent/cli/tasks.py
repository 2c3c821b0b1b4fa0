"""`list`, `show`, `graph`, `why`: reading tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gitagent.cli.options import add_json, add_task
from gitagent.cli.reading import read_index, read_near
from gitagent.cli.session import Session
from gitagent.core.graph import Readiness
from gitagent.core.task import CLOSED, Status, Task

if TYPE_CHECKING:
    import argparse

    from gitagent.core.graph import TaskGraph
    from gitagent.store.index import Snapshot


def configure_list(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `list`."""
    parser.add_argument("--ready", action="store_true", help="only tasks that may be started now")
    parser.add_argument(
        "--status",
        action="append",
        choices=[status.value for status in Status],
        help="only tasks with this status; may be repeated",
    )
    parser.add_argument("--label", action="append", default=[], help="only tasks with this label")
    parser.add_argument("--all", action="store_true", help="closed tasks too")
    parser.add_argument("--search", metavar="TEXT", help="only tasks that hold all these words")
    parser.add_argument(
        "--matrix",
        action="store_true",
        help="the ready tasks, on one line, as the matrix of a GitHub Actions job",
    )
    add_json(parser)


class _Wanted(NamedTuple):
    """Which tasks to list; `words` are in lower case, as `casefold` has it."""

    ready: bool = False
    statuses: tuple[str, ...] = ()
    labels: frozenset[str] = frozenset()
    closed: bool = False
    words: tuple[str, ...] = ()


def list_command(session: Session, arguments: argparse.Namespace) -> int:
    """List tasks: the ready ones first, in the order in which they would be done."""
    wanted = _Wanted(
        arguments.ready,
        tuple(arguments.status or ()),
        frozenset(arguments.label),
        arguments.all or bool(arguments.search),
        tuple((arguments.search or "").casefold().split()),
    )
    if arguments.matrix:
        return _matrix(session, wanted._replace(ready=True))
    return _list(session, wanted, as_json=arguments.json)


def _matrix(session: Session, wanted: _Wanted) -> int:
    from gitagent.views.matrix import MOST_JOBS, matrix

    now = session.timestamp()
    chosen, _, _ = read_index(session).ask(
        lambda found: _chosen(found, wanted, now, needing=False), search=bool(wanted.words)
    )
    value, left_out = matrix(chosen)
    session.json_line(value)
    if left_out:
        session.say(f"{left_out} ready tasks did not fit: a matrix holds {MOST_JOBS}")
    return 0


def list_ready(session: Session, *, as_json: bool) -> int:
    """List the ready tasks."""
    return _list(session, _Wanted(ready=True), as_json=as_json)


def _list(session: Session, wanted: _Wanted, *, as_json: bool) -> int:
    from gitagent.views.task import task_json, task_table

    now = session.timestamp()
    chosen, graph, some = read_index(session).ask(
        lambda found: _chosen(found, wanted, now, needing=as_json), search=bool(wanted.words)
    )
    if as_json:
        session.json([task_json(task, graph) for task in chosen])
    elif chosen:
        session.data(task_table(chosen, graph, session.width, colour=session.colour))
    else:
        session.say("no task matches" if some else "there are no tasks yet")
    return 0


def _chosen(
    found: Snapshot, wanted: _Wanted, now: str, *, needing: bool
) -> tuple[list[Task], TaskGraph, bool]:
    """Return the tasks to list, what is to be known of them, and whether there are any at all."""
    first, others = _candidates(found, wanted, now)
    ready = [task for task in first if _is_wanted(task, wanted)]
    rest: list[Task] = []
    if not wanted.ready:
        known = {task.id for task in ready}
        rest = sorted(
            (task for task in others if task.id not in known and _is_wanted(task, wanted)),
            key=lambda task: (task.status in CLOSED, task.priority, task.created, task.id),
        )
    chosen = [*ready, *rest]
    return chosen, found.around(chosen, now, needing=needing), bool(found.counts())


def _candidates(found: Snapshot, wanted: _Wanted, now: str) -> tuple[list[Task], list[Task]]:
    """Return the ready tasks, and those of the statuses that are wanted, as far as they match."""
    statuses = _statuses(wanted)
    if not wanted.words:
        return found.ready(now), [] if wanted.ready else found.with_status(statuses)
    held = found.holding(wanted.words)
    ready = [task for task in held if found.is_ready(task.id, now)]
    return ready, [task for task in held if task.status in statuses]


def _statuses(wanted: _Wanted) -> list[Status]:
    if wanted.statuses:
        return [Status(each) for each in wanted.statuses]
    return [status for status in Status if wanted.closed or status not in CLOSED]


def _is_wanted(task: Task, wanted: _Wanted) -> bool:
    if wanted.statuses and task.status.value not in wanted.statuses:
        return False
    return wanted.labels <= set(task.labels)


def configure_show(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `show`."""
    add_task(parser)
    add_json(parser)


def show_command(session: Session, arguments: argparse.Namespace) -> int:
    """Show one task with its runs and messages."""
    if arguments.json:
        from gitagent.views.task import task_json

        session.json(task_json(*_one(session, arguments)))
        return 0
    return _show_page(session, arguments)


def _one(session: Session, arguments: argparse.Namespace) -> tuple[Task, TaskGraph]:
    """Return the task that is named, and what is to be known of it."""
    now = session.timestamp()

    def ask(found: Snapshot) -> tuple[Task, TaskGraph]:
        task = found.find(arguments.task)
        return task, found.around([task], now)

    return read_index(session).ask(ask)


def _show_page(session: Session, arguments: argparse.Namespace) -> int:
    from gitagent.store.messages import inbox
    from gitagent.store.records import records
    from gitagent.views.task import task_page

    queue = read_near(session, arguments.task)
    task = queue.find(arguments.task)
    view = session.project.branch.view()
    runs = records(view, queue, task.id)
    session.data(task_page(task, queue.graph, runs, inbox(view, task.id)))
    return 0


def configure_graph(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `graph`."""
    parser.add_argument(
        "--format",
        choices=["text", "mermaid", "dot", "svg", "json"],
        default="text",
        help="how to draw it (default: text)",
    )
    parser.add_argument("--all", action="store_true", help="closed tasks too")
    parser.add_argument("--json", dest="format", action="store_const", const="json",
                        help="the same as --format json")  # fmt: skip


def graph_command(session: Session, arguments: argparse.Namespace) -> int:
    """Draw which task needs which."""
    from gitagent.views.graph import graph_dot, graph_json, graph_mermaid, graph_text
    from gitagent.views.svg import graph_svg

    now = session.timestamp()
    graph = read_index(session).ask(lambda found: found.graph(now))
    ids = [t.id for t in graph.tasks.values() if arguments.all or t.status not in CLOSED]
    if arguments.format == "json":
        session.json(graph_json(graph, ids))
        return 0
    draw = {"text": graph_text, "mermaid": graph_mermaid, "dot": graph_dot, "svg": graph_svg}
    text = draw[arguments.format](graph, ids)
    if text.strip():
        session.data(text.rstrip("\n"))
    if not ids:
        session.say("there are no open tasks")
    return 0


def configure_why(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `why`."""
    add_task(parser)
    add_json(parser)


def why_command(session: Session, arguments: argparse.Namespace) -> int:
    """Say why a task is not ready."""
    from gitagent.views.check import why_text

    task, graph = _one(session, arguments)
    if arguments.json:
        causes = [
            {"task": each.task, "text": each.text, "depth": each.depth, "root": each.root}
            for each in graph.why(task.id)
        ]
        ready = graph.readiness(task) is Readiness.READY
        session.json({"task": task.id, "ready": ready, "causes": causes})
        return 0
    session.data(why_text(graph, task.id).rstrip("\n"))
    return 0
