"""Two versions of a task's file into one that loses nothing of either (DESIGN section 4).

Pure but for the merge of texts, which the caller gives. The two sides are put into an order of
their own first (by their bytes), so who merges with whom makes no difference to the result.
The front matter is joined by `merge_fields`, the body line by line. What is undecidable leaves
the task `waiting` for `conflict`, with both values under `## Conflict` in its body; a task
that is closed stays so, since reopening it would block what needs it.

A side that deleted the task loses against one that changed it, unless that one changed no more
than what a run's result sets: a person's deletion wins over that (PROTOCOL 5.2).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from gitagent.core.errors import BadInput
from gitagent.core.lifecycle import CLOSED
from gitagent.core.task import Status, Task, WaitingFor
from gitagent.git.merge_file import MergedText
from gitagent.store import frontmatter, whole
from gitagent.store.merge_fields import Conflict, Join, Three, join_tasks
from gitagent.store.whole import Whole
from gitagent.yaml_subset import MAX_BYTES, dump_value, show

MergeText: TypeAlias = Callable[[bytes, bytes, bytes], MergedText | None]
"""Merges (base, one, two); None for what is no text."""

_TICKS = re.compile("`+")
_REOPEN = ", and run `gitagent update {} --status open`"


@dataclass(frozen=True, slots=True)
class MergedFile:
    """The merged file, None where it is deleted; `conflicts` are the fields in conflict.

    `beside` is a version that found no place in `data`, to be kept next to it.
    """

    data: bytes | None
    conflicts: tuple[str, ...] = ()
    beside: bytes | None = None


@dataclass(frozen=True, slots=True)
class _Side:
    """A file that can be read, and what it says."""

    data: bytes
    says: Whole

    @property
    def body(self) -> bytes:
        return self.says.task.body.encode()


def merge_task(
    task_id: str, base: bytes | None, ours: bytes | None, theirs: bytes | None, text: MergeText
) -> MergedFile:
    """Join two versions of the file of `task_id`; None is no file. Never raises for a file."""
    if theirs in (ours, base):
        return MergedFile(ours)
    if ours == base:
        return MergedFile(theirs)
    if ours is None or theirs is None:
        return _against_deletion(task_id, base, ours or theirs or b"")
    one, two = sorted((ours, theirs))
    merged = _joined(task_id, base, one, two, text)
    if merged.data is not None and len(merged.data) > MAX_BYTES:
        return _apart(one, two, "too large")
    return merged


def _against_deletion(task_id: str, base: bytes | None, changed: bytes) -> MergedFile:
    before, after = _side(task_id, base), _side(task_id, changed)
    if after is None:
        return MergedFile(changed, ("deleted",))
    if before is not None and _but_state(before.says) == _but_state(after.says):
        return MergedFile(None)
    kept = _waiting(after.says.task, ["One side deleted this task, the other one changed it.\n"])
    try:
        return MergedFile(_rewritten(after, after.says._replace(task=kept)), ("deleted",))
    except BadInput:  # as files have a limit
        return MergedFile(changed, ("deleted",))


def _but_state(says: Whole) -> Whole:
    plain = Task(id="", title="")
    state = {name: getattr(plain, name) for name in ("status", "waiting_for", "not_before")}
    return says._replace(task=replace(says.task, **state))


def _joined(
    task_id: str, base: bytes | None, one: bytes, two: bytes, text: MergeText
) -> MergedFile:
    sides = _side(task_id, one), _side(task_id, two)
    if sides[0] is not None and sides[1] is not None:
        return _both(_side(task_id, base), sides[0], sides[1], text)
    good, broken = (sides[0], two) if sides[0] is not None else (sides[1], one)
    if good is not None:
        return _beside_broken(good, broken)
    merged = text(base or b"", one, two)
    if merged is None:
        return _apart(one, two, "file")
    return MergedFile(merged.marked or merged.text, ("file",) if merged.marked else ())


def _both(base: _Side | None, one: _Side, two: _Side, text: MergeText) -> MergedFile:
    before = base.says if base is not None else Whole(Task(one.says.task.id, ""), {})
    known = None if base is None else before.task
    task, conflicts = join_tasks(known, one.says.task, two.says.task)
    join = Join(list(conflicts))
    keys = Three(before.unknown, one.says.unknown, two.says.unknown)
    unknown = join.mapping("", keys, lambda value: value)
    body, sections = _body(before.task.body.encode(), one.body, two.body, text)
    told = [*(_section(each) for each in join.conflicts), *sections]
    task = replace(task, body=body.decode())
    if told:
        task = _waiting(task, told)
    names = (*(each.field for each in join.conflicts), *("body" for _ in sections))
    try:
        return MergedFile(_written(base, one, two, Whole(task, unknown), text), names)
    except BadInput:  # as files have a limit
        return _apart(one.data, two.data, *names, "too large")


def _body(base: bytes, one: bytes, two: bytes, text: MergeText) -> tuple[bytes, list[str]]:
    """Return the body, and the section that shows what is in conflict in it."""
    if two in (one, base):
        return one, []
    if one == base:
        return two, []
    merged = text(base, one, two)
    if merged is None:
        return one, [f"The body, as the other side has it:\n\n{_fenced(two, 'markdown')}"]
    if merged.marked is None:
        return merged.text, []
    return merged.text, [f"The body, both sides between marks:\n\n{_fenced(merged.marked, '')}"]


def _beside_broken(good: _Side, broken: bytes) -> MergedFile:
    try:
        words = f"The other side's file is broken:\n\n{_fenced(broken, '')}"
        task = _waiting(good.says.task, [words])
        return MergedFile(_rewritten(good, good.says._replace(task=task)), ("file",))
    except (UnicodeDecodeError, BadInput):  # no text, or too much of it
        return MergedFile(good.data, ("file",), broken)


def _apart(one: bytes, two: bytes, *conflicts: str) -> MergedFile:
    """Keep both whole, the smaller one as the task's file."""
    data, beside = sorted((one, two), key=len)
    return MergedFile(data, conflicts, beside)


def _section(conflict: Conflict) -> str:
    name = conflict.field
    lines = "".join(f"{dump_value({name: each})[1:-1]}\n" for each in conflict[1:])
    return f"{show(name)}, as the two sides have it:\n\n{_fenced(lines.encode(), 'yaml')}"


def _fenced(text: bytes, language: str) -> str:
    shown = text.decode()
    marks = "`" * max(3, 1 + max(map(len, _TICKS.findall(shown)), default=0))
    return f"{marks}{language}\n{shown}{'' if shown.endswith(chr(10)) else chr(10)}{marks}\n"


def _waiting(task: Task, told: list[str]) -> Task:
    closed = task.status in CLOSED
    advice = (
        "Two clones changed this task, and what they changed does not fit together. Keep what\n"
        f"is right, delete this section{'' if closed else _REOPEN.format(task.id)}.\n"
    )
    section = "\n".join(["## Conflict\n", advice, *_was(task), *told])
    lead = task.body + ("\n" if task.body and not task.body.endswith("\n") else "")
    body = f"{lead}\n{section}" if lead else section
    if closed:
        return replace(task, body=body)
    return replace(task, body=body, status=Status.WAITING, waiting_for=WaitingFor.CONFLICT)


def _was(task: Task) -> list[str]:
    """Tell the status that `waiting` for `conflict` takes the place of."""
    if task.status in (*CLOSED, Status.OPEN) or task.waiting_for is WaitingFor.CONFLICT:
        return []
    waiting = f" for `{task.waiting_for}`" if task.waiting_for else ""
    return [f"Its status was `{task.status}`{waiting}.\n"]


def _side(task_id: str, data: bytes | None) -> _Side | None:
    try:
        return None if data is None else _Side(data, whole.read(data, task_id))
    except BadInput:
        return None


def _rewritten(side: _Side, says: Whole) -> bytes:
    return whole.rewrite(side.data, side.says, says)


def _written(
    base: _Side | None, one: _Side, two: _Side, says: Whole, text: MergeText
) -> bytes:  # fmt: skip
    """Write the result into the file that keeps most of what is no value: comments, layout.

    A side that gitagent could have made of the base has nothing of that, and where neither
    has, it is the base's file that is rewritten: then three clones get the same one in
    whatever order they meet.
    """
    if base is None:
        return _rewritten(one, says)
    by_hand = [side for side in (one, two) if not _is_plain(base, side)]
    if len(by_hand) > 1:
        fronts = [_front(side.data) for side in (base, one, two)]
        merged = text(*fronts)
        if merged is not None and merged.marked is None:
            data = merged.text + one.data[len(fronts[1]) :]
            joined = _side(says.task.id, data)
            if joined is not None and _but_body(joined.says) == _but_body(says):
                return _rewritten(joined, says)
    return _rewritten(by_hand[0] if by_hand else base, says)


def _is_plain(base: _Side, side: _Side) -> bool:
    """Say whether the values alone differ, in whatever order the keys came."""
    made = _rewritten(base, side.says)
    return sorted(_front(made).split(b"\n")) == sorted(_front(side.data).split(b"\n"))


def _front(data: bytes) -> bytes:
    """Return the file up to the end of the front matter's values."""
    parts = frontmatter.split(data, file="the task")
    mark = len(data) - len(data.removeprefix(frontmatter.BOM))
    return data[: mark + len((parts.opening + parts.yaml).encode())]


def _but_body(says: Whole) -> Whole:
    return says._replace(task=replace(says.task, body=""))
