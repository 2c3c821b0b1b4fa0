"""What checks found, and why a task is not ready, for people."""

from __future__ import annotations

from gitagent.core.graph import Cause, TaskGraph
from gitagent.core.record import CheckJson, FindingJson
from gitagent.text import one_line
from gitagent.views.words import duration

LINE = 300
"""Characters of a finding or a cause that are shown."""
DEEPEST = 12
"""Steps of indentation; what is deeper says its depth in a number instead."""


def finding_line(finding: FindingJson) -> str:
    """Return one finding as `path:line: severity: message (hint)`, as far as it is known."""
    place = [str(each) for each in (finding["path"], finding["line"]) if each is not None]
    said = ": ".join([*([":".join(place)] if place else []), finding["severity"]])
    hint = f" ({finding['hint']})" if finding["hint"] else ""
    return one_line(f"{said}: {finding['message']}{hint}", LINE)


def verdict(check: CheckJson, *, held: bool) -> str:
    """Return in words what a check said; `held` if only a person may let it through."""
    if check["ok"]:
        return "failed as before" if check["preexisting"] else "passed"
    if held:
        return "held"
    return "timed out" if check["timed_out"] else "failed"


def figures(check: CheckJson) -> str:
    """Return how a check ended and how long it took: `exit 1, 2.3 s`."""
    code = check["exit_code"]
    said = [f"exit {code}"] if code else []
    return ", ".join([*said, duration(check["seconds"])])


def why_text(graph: TaskGraph, task_id: str) -> str:
    """Return why a task is not ready, each cause indented below what it holds up.

    Root causes, where something can be done, are marked with `->`.
    """
    causes = graph.why(task_id)
    if not causes:
        return f"{_named(graph, task_id)} is ready"
    return "\n".join(_cause(graph, each) for each in causes)


def _cause(graph: TaskGraph, cause: Cause) -> str:
    deep = f"({cause.depth}) " if cause.depth > DEEPEST else ""
    margin = "    " * min(cause.depth, DEEPEST) + ("-> " if cause.root else "")
    return margin + one_line(f"{deep}{_named(graph, cause.task)} {cause.text}", LINE)


def _named(graph: TaskGraph, task_id: str) -> str:
    task = graph.tasks.get(task_id)
    return f"{task_id} ({one_line(task.title, 60)})" if task else task_id
