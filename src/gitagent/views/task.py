"""A task as JSON, as a line of `list`, and as the page that `show` prints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from gitagent.core.graph import Readiness, Running, TaskGraph
from gitagent.core.task import DEFAULT_PRIORITY, Budget, Task
from gitagent.text import one_line, printable
from gitagent.views.terminal import Style, cells, crop, indent, kept_line, pad, paint
from gitagent.views.words import NO_TASK, duration, marker, minute, note, plural, state

if TYPE_CHECKING:
    from gitagent.core.checks import CheckSpec
    from gitagent.core.message import Message
    from gitagent.core.record import RecordJson

TITLE = 500
"""Characters of a title that a view looks at; what fits is fewer."""
LAST_RUNS = 5
LAST_MESSAGES = 10
_NARROWEST_NOTE = 12
_STATES = {
    "running": Style.CYAN,
    "ready": None,
    "waiting": Style.YELLOW,
    "in_review": Style.YELLOW,
    "done": Style.GREEN,
    "failed": Style.RED,
}


def task_json(task: Task, graph: TaskGraph) -> dict[str, object]:
    """Return a task as `--json` has it: DESIGN section 8's keys, then all of front matter.

    `verify` is the string `none` for a task that no command judges. In `budget`, `seconds`
    is wall time, and null means no limit of the task's own.
    """
    return {
        "id": task.id,
        "title": task.title,
        "status": task.status.value,
        "waiting_for": task.waiting_for.value if task.waiting_for else None,
        "ready": graph.readiness(task) is Readiness.READY,
        "running": _running_json(graph.running.get(task.id)),
        "blocked_by": list(task.blocked_by),
        "blocks": list(graph.blocks(task.id)),
        "reason": graph.reason(task),
        "priority": task.priority,
        "labels": list(task.labels),
        "source": task.source,
        "created": task.created,
        "body": task.body,
        "acceptance": [{"text": each.text, "done": each.done} for each in task.acceptance],
        **_overrides_json(task),
    }


def _overrides_json(task: Task) -> dict[str, object]:
    return {
        "agent": task.agent,
        "model": task.model,
        "reviewer": task.reviewer,
        "verify": "none" if task.unverified else [_spec_json(each) for each in task.verify],
        "integrate": task.integrate.value if task.integrate else None,
        "budget": _budget_json(task.budget),
        "allow": list(task.allow),
        "not_before": task.not_before,
        "stack": task.stack,
        "plan": task.plan.value if task.plan else None,
    }


def _running_json(running: Running | None) -> dict[str, object] | None:
    if running is None:
        return None
    return {"run": running.run, "runner": running.runner, "epoch": running.epoch}


def _spec_json(spec: CheckSpec) -> dict[str, object]:
    return {
        "name": spec.name,
        "run": spec.run,
        "timeout": spec.timeout,
        "paths": list(spec.paths),
        "network": spec.network,
        "env": list(spec.env),
    }


def _budget_json(budget: Budget) -> dict[str, object]:
    return {
        "attempts": budget.attempts,
        "turns": budget.turns,
        "tokens": budget.tokens,
        "usd": budget.usd,
        "seconds": budget.seconds,
    }


class _Row(NamedTuple):
    mark: str
    id: str
    priority: str
    title: str
    note: str
    style: Style | None


class _Widths(NamedTuple):
    id: int
    priority: int
    title: int
    note: int


def task_table(tasks: Sequence[Task], graph: TaskGraph, width: int, *, colour: bool) -> str:
    """Return a line for each task, in the order given, with its columns aligned.

    `width` is in columns of the terminal. `colour` adds styles, and nothing that is only
    in them: the marker says the state, the note after the title why a task is not ready.
    """
    rows = [_row(task, graph) for task in tasks]
    widths = _widths(rows, width)
    return "\n".join(_line(row, widths, colour=colour) for row in rows)


def _row(task: Task, graph: TaskGraph) -> _Row:
    return _Row(
        mark=marker(task, graph),
        id=task.id,
        priority="" if task.priority == DEFAULT_PRIORITY else f"p{task.priority}",
        title=one_line(task.title, TITLE),
        note=one_line(note(task, graph), TITLE),
        style=_STATES.get(state(task, graph), Style.DIM),
    )


def _widths(rows: Sequence[_Row], width: int) -> _Widths:
    ids = max((len(row.id) for row in rows), default=0)
    priorities = max((len(row.priority) for row in rows), default=0)
    fixed = len("[ ] ") + ids + 2 + (priorities + 2 if priorities else 0)
    room = max(width - fixed, _NARROWEST_NOTE)
    titles = max((cells(row.title) for row in rows), default=0)
    notes = max((cells(row.note) for row in rows), default=0)
    title = min(titles, max(room - notes - 2, room * 3 // 5) if notes else room)
    return _Widths(ids, priorities, title, room - title - 2)


def _line(row: _Row, widths: _Widths, *, colour: bool) -> str:
    priority = f"{pad(row.priority, widths.priority)}  " if widths.priority else ""
    title = crop(row.title, widths.title)
    said = crop(row.note, widths.note) if widths.note >= _NARROWEST_NOTE else ""
    if said:
        title = f"{pad(title, widths.title)}  "
    parts = (
        paint(row.mark, row.style, colour=colour),
        f" {pad(row.id, widths.id)}  {priority}{title}",
        paint(said, Style.DIM, colour=colour),
    )
    return "".join(parts).rstrip()


def task_page(
    task: Task, graph: TaskGraph, runs: Sequence[RecordJson], messages: Sequence[Message]
) -> str:
    """Return what `show` prints for a person.

    `runs` and `messages` are in the order of their ids, the oldest first; the last few of
    each are shown.
    """
    from gitagent.views.run import run_line  # noqa: PLC0415  a list shows no run

    sections = (
        _head(task, graph),
        _fields(task, graph),
        printable(task.body).strip("\n"),
        _section("last runs", [run_line(each) for each in runs[-LAST_RUNS:]]),
        _section("messages", [_message(each) for each in messages[-LAST_MESSAGES:]]),
    )
    return "\n\n".join(section for section in sections if section)


def _head(task: Task, graph: TaskGraph) -> str:
    said = graph.reason(task) or state(task, graph)
    state_in_words = one_line(said.removeprefix("is "), TITLE)
    return f"{marker(task, graph)} {task.id}  {one_line(task.title, TITLE)}\n    {state_in_words}"


def _fields(task: Task, graph: TaskGraph) -> str:
    needs = [_other(each, graph) for each in task.blocked_by]
    blocks = [_other(each, graph) for each in graph.blocks(task.id)]
    rows: list[tuple[str, Iterable[str]]] = [
        ("needs", needs),
        ("blocks", blocks),
        ("priority", _given(None if task.priority == DEFAULT_PRIORITY else task.priority)),
        ("labels", _given(", ".join(task.labels))),
        ("criteria", _criteria(task)),
        ("verify", _verify(task)),
        ("agent", _given(_with_model(task.agent, task.model))),
        ("reviewer", _given(task.reviewer)),
        ("integrate", _given(task.integrate)),
        ("budget", _given(_budget(task.budget))),
        ("allow", _given(", ".join(task.allow))),
        ("plan", _given(task.plan)),
        ("stack", _given("starts from the branch of what it needs" if task.stack else None)),
        ("not before", _given(task.not_before)),
        ("source", _given(task.source)),
        ("created", _given(minute(task.created))),
    ]
    return "\n".join(_field(name, values) for name, values in rows if values)


def _given(value: object) -> list[str]:
    return [] if value is None or value == "" else [str(value)]


def _field(name: str, values: Iterable[str]) -> str:
    lines = [kept_line(value, TITLE) for value in values]
    return "\n".join(
        f"{head:<10}  {line}" for head, line in zip([name] + [""] * len(lines), lines, strict=False)
    )


def _other(task_id: str, graph: TaskGraph) -> str:
    task = graph.tasks.get(task_id)
    if task is not None:
        return f"{marker(task, graph)} {task_id}  {one_line(task.title, TITLE)}"
    wrong = "has a broken file" if task_id in graph.broken else "does not exist"
    return f"{NO_TASK} {task_id}  {wrong}"


def _criteria(task: Task) -> list[str]:
    criteria = task.acceptance
    done = sum(each.done for each in criteria)
    return [f"{done} of {len(criteria)} done"] if criteria else []


def _verify(task: Task) -> list[str]:
    if task.unverified:
        return ["none: no command checks this work"]
    return [
        each.run if each.name == each.run else f"{each.name}: {each.run}" for each in task.verify
    ]


def _with_model(agent: str | None, model: str | None) -> str:
    return " with ".join(each for each in (agent, model) if each)


def _budget(budget: Budget) -> str:
    said = (
        budget.attempts is not None and plural(budget.attempts, "attempt"),
        budget.turns is not None and plural(budget.turns, "turn"),
        budget.tokens is not None and plural(budget.tokens, "token"),
        budget.usd is not None and f"${budget.usd:g}",
        budget.seconds is not None and duration(budget.seconds),
    )
    return ", ".join(each for each in said if each)


def _section(name: str, lines: Sequence[str]) -> str:
    return "\n".join([f"{name}:", *(indent(line, "  ") for line in lines)]) if lines else ""


def _message(message: Message) -> str:
    head = f"{minute(message.at)}  {message.kind} from {message.sender}"
    return f"{kept_line(head, TITLE)}\n{indent(printable(message.text).strip(), '  ')}"
