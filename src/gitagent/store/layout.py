"""Where everything lies on the tasks branch (DESIGN section 4)."""

from __future__ import annotations

import json

from gitagent.core.ids import is_task_id

README = "README.md"
TASKS = "tasks"
RUNS = "runs"
INBOX = "inbox"

README_TEXT = b"""# The queue of gitagent

This branch holds tasks for coding agents, and what became of them. It shares no history with
the code and is never checked out: gitagent reads and writes it as git objects.

- `tasks/<2>/<id>.md`: one task: YAML front matter and a Markdown body
- `runs/<2>/<id>/<run>.json`: one run's record, written once
- `state/<2>/<id>.json`: what an agent knew of a task after its last run
- `inbox/<2>/<id>/<ulid>.json`: one message, written once
- `memory/<2>/<hash>.md`: one thing learned

Read it with `git log gitagent/tasks`; change it with `gitagent`.
"""


def json_bytes(value: object) -> bytes:
    """Return a JSON file's bytes: UTF-8, and an escape for what in a path is none."""
    text = json.dumps(value, ensure_ascii=False, indent=1)
    return text.encode("utf-8", "backslashreplace")  # of a surrogate: `\\udcff`, as JSON has it


def task_path(task: str) -> str:
    """Return the path of a task's file."""
    return f"{TASKS}/{task[:2]}/{task}.md"


def run_path(task: str, run: str) -> str:
    """Return the path of a run's record."""
    return f"{RUNS}/{task[:2]}/{task}/{run}.json"


def runs_folder(task: str) -> str:
    """Return the folder of a task's records."""
    return f"{RUNS}/{task[:2]}/{task}"


def inbox_folder(task: str) -> str:
    """Return the folder of a task's messages."""
    return f"{INBOX}/{task[:2]}/{task}"


def message_path(task: str, message: str) -> str:
    """Return the path of a message."""
    return f"{inbox_folder(task)}/{message}.json"


def task_of(path: str) -> str | None:
    """Return the id of the task that a path below `tasks/` names; None when it names none."""
    task = path.rpartition("/")[2].removesuffix(".md")
    return task if is_task_id(task) and path == task_path(task) else None
