"""What an agent is told: one pure function from values to text."""

from __future__ import annotations

from collections.abc import Sequence

from gitagent.core.checks import CheckResult, CheckSpec
from gitagent.core.message import Message, MessageKind
from gitagent.core.run import Feedback
from gitagent.core.task import Task
from gitagent.text import clean, one_line

_RULES = """\
You work in a git worktree of your own. Change the files that the task asks for and nothing
else; leave committing to gitagent. When you exit with status 0, what the files hold then is
made a commit and judged; any other status says that you failed."""

_TITLES = {
    MessageKind.REJECTION: "A person sent the last result back",
    MessageKind.DIRECTIVE: "A person directs",
    MessageKind.ANSWER: "A person answers",
    MessageKind.NOTE: "A note",
    MessageKind.QUESTION: "A question",
    MessageKind.STOP: "A person wanted this stopped",
}


def prompt(
    task: Task,
    checks: Sequence[CheckSpec],
    messages: Sequence[Message],
    feedback: Feedback | None,
) -> str:
    """Return the whole prompt of an attempt, for an agent without a session to go on with."""
    parts = [
        f"# Task {task.id}: {one_line(task.title, 500)}",
        clean(task.body).strip(),
        *(_message(each) for each in messages),
        f"## How to work\n\n{_RULES}",
        _checks(task, checks),
        _scope(task),
        _feedback(feedback) if feedback else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _message(message: Message) -> str:
    title = _TITLES[message.kind]
    return f"## {title} ({message.at})\n\n{clean(message.text).strip()}"


def _checks(task: Task, checks: Sequence[CheckSpec]) -> str:
    if task.unverified:
        return "## Checks\n\nNothing is run to verify this task; run no checks yourself."
    if not checks:
        return ""
    lines = "\n".join(f"- `{each.run}`" for each in checks)
    return f"## Checks\n\nThese must exit 0 in a clean checkout of your result:\n\n{lines}"


def _scope(task: Task) -> str:
    if not task.allow:
        return ""
    lines = "\n".join(f"- `{each}`" for each in task.allow)
    return f"## Allowed paths\n\nChange only files that match one of:\n\n{lines}"


def _feedback(feedback: Feedback) -> str:
    parts = ["## What your last attempt got wrong"]
    if feedback.error is not None:
        parts.append(f"{clean(feedback.error.message)}\n{_block(feedback.error.output.text())}")
    parts += [_failed(each) for each in feedback.failed]
    return "\n\n".join(parts)


def _failed(result: CheckResult) -> str:
    parts = [f"### {result.name} failed{_status(result)}"]
    if result.command is not None and result.command != result.name:
        parts.append(f"`{result.command}`")
    for finding in result.findings:
        where = ":".join(str(x) for x in (finding.path, finding.line) if x is not None)
        parts.append(f"- {where + ': ' if where else ''}{clean(finding.message)}")
    text = result.output.text()
    if text.strip():
        parts.append(_block(text))
    return "\n\n".join(parts)


def _status(result: CheckResult) -> str:
    if result.timed_out:
        return f": no end after {result.seconds:.0f} s"
    return f" with exit status {result.exit_code}" if result.exit_code is not None else ""


def _block(text: str) -> str:
    """Fence text with more backticks than it holds in a row."""
    shown = clean(text).strip("\n")
    fence = "```"
    while fence in shown:
        fence += "`"
    return f"{fence}\n{shown}\n{fence}"
