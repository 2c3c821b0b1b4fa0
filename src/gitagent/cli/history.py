"""`status` and `log`: what runs, what waits, and what happened."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from gitagent.cli.options import add_json, add_task
from gitagent.cli.reading import read_index, read_near
from gitagent.cli.session import Session
from gitagent.core.events import Entry
from gitagent.core.graph import Readiness
from gitagent.core.task import CLOSED, Status
from gitagent.store.index import Snapshot

if TYPE_CHECKING:
    from gitagent.store.queue import Queue


def configure_status(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `status`."""
    add_json(parser)


def status_command(session: Session, arguments: argparse.Namespace) -> int:
    """Show what runs now, and what waits for whom."""
    from gitagent.views.status import status_page

    index = read_index(session)
    queue = session.project.having(*set(Status) - CLOSED)
    value = _status(queue)
    if arguments.json:
        session.json(value)
    else:
        done = index.ask(Snapshot.counts).get(Status.DONE, 0)
        session.data(status_page(queue.graph, done, value["running"], colour=session.colour))
    return 0


def _status(queue: Queue) -> dict[str, list[dict[str, object]]]:
    from gitagent.runner.select import dead_claims

    dead = dead_claims(queue)
    running: list[dict[str, object]] = [
        {
            "task": task,
            "run": held.claim.run,
            "host": held.claim.process.host,
            "pid": held.claim.process.pid,
            "epoch": held.claim.epoch,
            "alive": task not in dead,
        }
        for task, held in sorted(queue.held.items())
    ]
    tasks = queue.graph.tasks.values()
    groups = {
        status.value: [{"task": t.id, "title": t.title} for t in tasks if t.status is status]
        for status in (Status.WAITING, Status.IN_REVIEW, Status.FAILED)
    }
    ready = [{"task": t.id, "title": t.title} for t in queue.graph.ready()]
    blocked = [
        {"task": t.id, "title": t.title}
        for t in tasks
        if queue.graph.readiness(t) is Readiness.BLOCKED
    ]
    return {"running": running, "ready": ready, "blocked": blocked, **groups}  # type: ignore[dict-item]


def configure_log(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `log`."""
    add_task(parser)
    parser.add_argument("-v", "--verbose", action="store_true", help="every event")
    add_json(parser)


def log_command(session: Session, arguments: argparse.Namespace) -> int:
    """Show what happened in a task's runs, the oldest first."""
    from gitagent.runner.journal import entry_json
    from gitagent.views.event import log_lines

    queue = read_near(session, arguments.task)
    task = queue.find(arguments.task)
    runs = _runs(session, queue, task.id)
    if arguments.json:
        value = [
            {"run": run, "events": [entry_json(entry) for entry in entries]}
            for run, entries in runs
        ]
        session.json(value)
        return 0
    for run, entries in runs:
        session.data(f"run {run}")
        for line in log_lines(entries, verbose=arguments.verbose, colour=session.colour):
            session.data(f"  {line}")
    if not runs:
        session.say(f"{task.id} has not been run yet")
    return 0


def _runs(session: Session, queue: Queue, task: str) -> list[tuple[str, list[Entry]]]:
    """Return the runs of a task and their events: landed ones, then the one that runs now."""
    from gitagent.runner import journal
    from gitagent.store.records import records

    project = session.project
    found = [
        (record["run"], [journal.parse_entry(event) for event in record["events"]])
        for record in records(project.branch.view(), queue, task)
    ]
    held = queue.held.get(task)
    if held is not None:
        path = project.run_folder(held.claim.run) / "journal.jsonl"
        if path.is_file():
            found.append((held.claim.run, journal.read(path)))
    return found
