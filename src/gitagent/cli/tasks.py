"""`list`, `show`, `graph`, `why`: reading tasks."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from gitagent.cli.options import add_json, add_task
from gitagent.cli.reading import read_queue
from gitagent.cli.session import Session
from gitagent.core.graph import Readiness
from gitagent.core.lifecycle import CLOSED
from gitagent.core.task import Status, Task

if TYPE_CHECKING:
    from gitagent.store.queue import Queue


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
    add_json(parser)


def list_command(session: Session, arguments: argparse.Namespace) -> int:
    """List tasks: the ready ones first, in the order in which they would be done."""
    from gitagent.views.task import task_json, task_table

    queue = read_queue(session)
    chosen = [task for task in _in_order(queue) if _wanted(queue, task, arguments)]
    if arguments.json:
        session.json([task_json(task, queue.graph) for task in chosen])
    elif chosen:
        session.data(task_table(chosen, queue.graph, session.width, colour=session.colour))
    else:
        session.say("no task matches" if queue.graph.tasks else "there are no tasks yet")
    return 0


def _in_order(queue: Queue) -> list[Task]:
    ready = queue.graph.ready()
    first = {task.id for task in ready}
    rest = [task for task in queue.graph.tasks.values() if task.id not in first]
    return [*ready, *sorted(rest, key=lambda t: (t.status in CLOSED, t.priority, t.created, t.id))]


def _wanted(queue: Queue, task: Task, arguments: argparse.Namespace) -> bool:
    if arguments.ready and queue.graph.readiness(task) is not Readiness.READY:
        return False
    if arguments.status and task.status.value not in arguments.status:
        return False
    if task.status in CLOSED and not (arguments.all or arguments.status or arguments.search):
        return False
    if not set(arguments.label) <= set(task.labels):
        return False
    text = f"{task.id}\n{task.title}\n{task.body}\n{' '.join(task.labels)}".casefold()
    return all(word in text for word in (arguments.search or "").casefold().split())


def configure_show(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `show`."""
    add_task(parser)
    add_json(parser)


def show_command(session: Session, arguments: argparse.Namespace) -> int:
    """Show one task with its runs and messages."""
    from gitagent.store.messages import inbox
    from gitagent.store.records import records
    from gitagent.views.task import task_json, task_page

    queue = read_queue(session)
    task = queue.find(arguments.task)
    if arguments.json:
        session.json(task_json(task, queue.graph))
        return 0
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

    graph = read_queue(session).graph
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

    queue = read_queue(session)
    task = queue.find(arguments.task)
    if arguments.json:
        causes = [
            {"task": each.task, "text": each.text, "depth": each.depth, "root": each.root}
            for each in queue.graph.why(task.id)
        ]
        ready = queue.graph.readiness(task) is Readiness.READY
        session.json({"task": task.id, "ready": ready, "causes": causes})
        return 0
    session.data(why_text(queue.graph, task.id).rstrip("\n"))
    return 0
