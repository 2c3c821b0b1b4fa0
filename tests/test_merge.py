"""Two clones that both changed the queue: merged per task and per field, and nothing is lost."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitagent.core.checks import CheckSpec
from gitagent.core.errors import BadInput
from gitagent.core.task import Budget, Integrate, Status, Task, WaitingFor
from gitagent.git import commits, merge_file, objects, trees
from gitagent.git.command import Git
from gitagent.git.merge_file import MergedText
from gitagent.git.repository import GITAGENT, Repository
from gitagent.store import taskfile
from gitagent.store.layout import task_path
from gitagent.store.merge import merge
from gitagent.store.merge_fields import join_tasks
from gitagent.store.merge_task import MergedFile, merge_task
from support.story import Person, Repo

ID = "k3x9m"
PATH = task_path(ID)
WHEN = datetime(2026, 11, 21, tzinfo=UTC)
GIT = Git(Path("/nowhere"), {"PATH": os.environ["PATH"]})
BODY = "".join(f"Line {n}\n\nMore of {n}\n\n" for n in range(6))
BASE = Task(
    id=ID, title="Fix the pager", body=BODY, labels=("bug", "ui"), blocked_by=("abcde", "fghjk"),
    created="2026-11-21T04:00:00Z", allow=("src/**", "tests/**"),
    verify=(CheckSpec("pytest -q", "pytest -q"), CheckSpec("ruff check .", "lint")),
    budget=Budget(turns=9, usd=2.0),
)  # fmt: skip


def text(base: bytes, one: bytes, two: bytes) -> MergedText | None:
    return merge_file.merge_file(GIT, base, one, two)


def merged(base: bytes | None, ours: bytes | None, theirs: bytes | None) -> MergedFile:
    result = merge_task(ID, base, ours, theirs, text)
    assert merge_task(ID, base, theirs, ours, text) == result
    return result


def joined(ours: Mapping[str, Any], theirs: Mapping[str, Any], **base: Any) -> Task:
    """Return what both sides became that set these fields, and expect no conflict."""
    task, conflicts = in_conflict(ours, theirs, **base)
    assert conflicts == ()
    return task


def in_conflict(
    ours: Mapping[str, Any], theirs: Mapping[str, Any], **base: Any
) -> tuple[Task, tuple[str, ...]]:
    before = replace(BASE, **base)
    data = taskfile.render(before)
    sides = [taskfile.rewrite(data, before, replace(before, **side)) for side in (ours, theirs)]
    result = merged(data, *sides)
    return read(result), result.conflicts


def read(result: MergedFile | bytes | None) -> Task:
    data = result.data if isinstance(result, MergedFile) else result
    assert data is not None
    return taskfile.parse(data, id=ID, path=PATH)


def test_what_each_side_changed_is_there() -> None:
    task = joined(
        {"title": "Mend the pager", "labels": ("ui", "new"), "blocked_by": ("abcde",),
         "model": "opus", "budget": Budget(turns=5, usd=2.0)},
        {"integrate": Integrate.PR, "labels": ("bug", "ui", "also"), "agent": "codex",
         "blocked_by": ("abcde", "fghjk", "22222"), "budget": Budget(turns=9, usd=3.0)},
    )  # fmt: skip

    assert task == replace(
        BASE, title="Mend the pager", labels=("ui", "also", "new"), blocked_by=("abcde", "22222"),
        model="opus", agent="codex", integrate=Integrate.PR, budget=Budget(turns=5, usd=3.0),
    )  # fmt: skip


def test_the_same_change_on_both_sides_is_no_conflict() -> None:
    same: dict[str, Any] = {"title": "Mend it", "body": "Another.\n", "status": Status.DONE}

    assert joined({**same, "agent": "a"}, same) == replace(BASE, **same, agent="a")


def test_checks_are_joined_by_name() -> None:
    pytest_q, lint = BASE.verify
    strict = replace(lint, run="ruff check --select ALL .")
    extra = CheckSpec("mypy", "mypy")

    assert joined({"verify": (pytest_q, strict)}, {"verify": (lint, extra)}).verify == (
        strict, extra,
    )  # fmt: skip
    task, conflicts = in_conflict(
        {"verify": (pytest_q, strict)}, {"verify": (pytest_q, replace(lint, run="flake8"))}
    )
    assert conflicts == ("verify.lint",)
    assert "flake8" in task.body + str(task.verify)
    assert "--select ALL" in task.body + str(task.verify)


def test_no_checks_at_all_and_other_checks_are_a_conflict_and_the_checks_stay() -> None:
    none = {"verify": (), "unverified": True}
    task, conflicts = in_conflict(none, {"verify": (CheckSpec("mypy", "mypy"),)})

    assert conflicts == ("verify",)
    assert (task.unverified, task.verify) == (False, (CheckSpec("mypy", "mypy"),))
    assert "verify: none" in task.body
    assert joined(none, {"agent": "a"}).unverified


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "result"),
    [
        ("open", "cancelled", "in_review", "cancelled"),
        ("open", "done", "failed", "done"),
        ("in_review", "done", "open", "done"),
        ("open", "in_review", "failed", "in_review"),
        ("open", "in_review", "waiting", "in_review"),
        ("open", "failed", "waiting", "waiting"),
        ("failed", "open", "failed", "open"),
        ("in_review", "open", "failed", "failed"),
        ("done", "open", "done", "open"),
        ("done", "open", "in_review", "in_review"),
    ],
)
def test_of_two_statuses_the_one_that_people_must_see_wins(
    base: str, ours: str, theirs: str, result: str
) -> None:
    states = [
        {"status": Status(each), "waiting_for": WaitingFor.ANSWER if each == "waiting" else None}
        for each in (base, ours, theirs)
    ]

    task = joined(states[1], states[2], **states[0])

    assert task.status == result
    assert task.waiting_for == ("answer" if result == "waiting" else None)


def test_what_a_task_waits_for_goes_with_its_status() -> None:
    plan = {"status": Status.WAITING, "waiting_for": WaitingFor.PLAN}
    answer = {"status": Status.WAITING, "waiting_for": WaitingFor.ANSWER}
    again = {"status": Status.OPEN, "waiting_for": None}

    assert joined(again, answer, **plan).waiting_for is WaitingFor.ANSWER
    assert joined(plan, answer).waiting_for is WaitingFor.ANSWER
    assert joined({"status": Status.DONE, "waiting_for": None}, answer, **plan).waiting_for is None


@pytest.mark.parametrize("base", ["open", "done"])
def test_two_people_who_decided_against_each_other_are_asked(base: str) -> None:
    ours = Status.DONE if base == "open" else Status.OPEN
    task, conflicts = in_conflict(
        {"status": ours}, {"status": Status.CANCELLED}, status=Status(base)
    )

    assert conflicts == ("status",)
    assert (task.status, task.waiting_for) == (Status.WAITING, WaitingFor.CONFLICT)
    assert f"status: {ours}\n" in task.body
    assert "status: cancelled\n" in task.body


def test_the_more_urgent_priority_and_the_later_time_win() -> None:
    early, late = "2026-12-01T00:00:00Z", "2026-12-02T00:00:00Z"

    assert joined({"priority": 0}, {"priority": 4}).priority == 0
    assert joined({"not_before": early}, {"not_before": late}).not_before == late
    assert joined({"not_before": early}, {"not_before": None}, not_before=late).not_before == early


def test_two_removals_do_not_lift_the_limit_on_paths() -> None:
    task, conflicts = in_conflict({"allow": ("src/**",)}, {"allow": ("tests/**",)})

    assert conflicts == ("allow",)
    assert len(task.allow) == 1
    assert "allow: [src/**]\nallow: [tests/**]" in task.body.replace('"', "")
    assert joined({"allow": ("src/**", "a")}, {"allow": ("src/**", "b")}).allow == (
        "src/**", "a", "b",
    )  # fmt: skip


def test_an_undecidable_conflict_waits_for_a_person_with_both_texts() -> None:
    task, conflicts = in_conflict(
        {"title": "Mend the pager", "agent": "codex", "status": Status.IN_REVIEW},
        {"title": "Replace the pager", "agent": "claude"},
    )

    assert conflicts == ("title", "agent")
    assert (task.status, task.waiting_for) == (Status.WAITING, WaitingFor.CONFLICT)
    assert task.title == "Mend the pager"
    assert task.body == BODY + (
        "\n## Conflict\n\n"
        "Two clones changed this task, and what they changed does not fit together. Keep what\n"
        "is right, delete this section, and run `gitagent update k3x9m --status open`.\n\n"
        "Its status was `in_review`.\n\n"
        "`title`, as the two sides have it:\n\n"
        "```yaml\ntitle: Mend the pager\ntitle: Replace the pager\n```\n\n"
        "`agent`, as the two sides have it:\n\n```yaml\nagent: codex\nagent: claude\n```\n"
    )


def test_a_closed_task_stays_closed_since_others_need_it() -> None:
    task, conflicts = in_conflict({"title": "A", "status": Status.DONE}, {"title": "B"})

    assert (task.status, conflicts) == (Status.DONE, ("title",))
    assert "title: B" in task.body + f"title: {task.title}"
    assert "title: A" in task.body


def test_bodies_are_merged_line_by_line() -> None:
    ours, theirs = BODY.replace("Line 0", "Ours"), BODY.replace("Line 5", "Theirs")

    assert joined({"body": ours}, {"body": theirs}).body == (
        BODY.replace("Line 0", "Ours").replace("Line 5", "Theirs")
    )
    task, conflicts = in_conflict(
        {"body": ours}, {"body": theirs.replace("Line 0", "```\nNot ours")}
    )
    assert conflicts == ("body",)
    head, section = task.body.split("## Conflict")
    assert ("Theirs" in head, "<<<<<<<" in head) == (True, False)
    assert "````\n<<<<<<< one side\n" in section  # a fence longer than the one in the text
    assert ("\nOurs\n" in section, "\nNot ours\n" in section) == (True, True)
    assert task.acceptance == BASE.acceptance


def test_comments_and_unknown_keys_of_both_sides_survive() -> None:
    base = (
        b"---\ntitle: x # why\nteam: core\npriority: 1\nlabels:\n  - bug # it is\n"
        b"created: 2026-11-21T04:00:00Z\nagent: me\nlast: [1]\n---\n\nBody\n"
    )
    ours = base.replace(b"# why", b"# because").replace(b"core", b"web")
    theirs = base.replace(b"agent: me", b"# mine\nagent: me").replace(b"last: [1]", b"last: [2]")
    theirs = theirs.replace(b"last", b"cost: {a: 1}\nlast")

    result = merged(base, ours, theirs)

    assert (result.conflicts, result.beside) == ((), None)
    assert result.data == (
        b"---\ntitle: x # because\nteam: web\npriority: 1\nlabels:\n  - bug # it is\n"
        b"created: 2026-11-21T04:00:00Z\n# mine\nagent: me\ncost: {a: 1}\nlast: [2]\n---\n\nBody\n"
    )
    both = merged(base, ours, base.replace(b"core", b"api"))
    assert both.conflicts == ("team",)
    assert b"team: web\nteam: api\n" in (both.data or b"")
    assert b"# because" in (both.data or b"")


def test_a_file_that_was_edited_by_hand_keeps_its_look_when_the_other_side_was_not() -> None:
    base = taskfile.render(BASE)
    by_hand = b"\xef\xbb\xbf" + base.replace(b"\n", b"\r\n").replace(b"Fix", b"# Fix\r\ntitle: Fix")
    by_hand = by_hand.replace(b"title: # Fix", b"# Fix")
    theirs = taskfile.rewrite(base, BASE, replace(BASE, agent="codex"))

    result = merged(base, by_hand, theirs)

    assert result.data is not None
    assert result.data.startswith(b"\xef\xbb\xbf---\r\n# Fix\r\ntitle: Fix")
    assert b"agent: codex\r\n---\r\n" in result.data


def test_a_deletion_wins_over_a_run_and_loses_to_an_edit() -> None:
    base = taskfile.render(BASE)
    ran = taskfile.rewrite(base, BASE, replace(BASE, status=Status.IN_REVIEW))
    edited = taskfile.rewrite(base, BASE, replace(BASE, title="Mend it"))

    assert merged(base, None, base).data is None
    assert merged(base, None, ran) == MergedFile(None)
    result = merged(base, None, edited)
    assert result.conflicts == ("deleted",)
    assert (read(result).title, read(result).waiting_for) == ("Mend it", WaitingFor.CONFLICT)
    assert "One side deleted this task" in read(result).body
    broken = b"---\ntitle: [\n---\n"
    assert merged(base, None, broken) == MergedFile(broken, ("deleted",))


BROKEN = b"---\ntitle: x\nstatus: nearly\n---\n\nA body of its own\n"


def test_a_broken_side_is_kept_in_the_others_conflict_section() -> None:
    base = taskfile.render(BASE)
    edited = taskfile.rewrite(base, BASE, replace(BASE, title="Mend it"))

    assert merged(base, base, BROKEN) == MergedFile(BROKEN)
    result = merged(base, edited, BROKEN)
    assert (result.conflicts, read(result).title) == (("file",), "Mend it")
    assert BROKEN.decode() in read(result).body
    for strange in (b"\xff\0\xfe", b"---\n" + b"x" * (260 << 10)):
        result = merged(base, edited, strange)
        assert (result.data, result.beside) == (edited, strange)


def test_two_broken_sides_are_merged_line_by_line_or_both_kept() -> None:
    base = BROKEN.replace(b"body", b"long\nlong\nlong\nbody")
    ours, theirs = base.replace(b"A long", b"OURS"), base.replace(b"own", b"THEIRS")

    assert merged(base, ours, theirs) == MergedFile(ours.replace(b"own", b"THEIRS"))
    result = merged(base, ours, base.replace(b"A long", b"OTHER"))
    assert result.conflicts == ("file",)
    assert b"OURS" in (result.data or b"")
    assert b"OTHER" in (result.data or b"")
    assert {(r := merged(None, b"\0a", b"\0b")).data, r.beside} == {b"\0a", b"\0b"}
    assert merged(None, b"", b"x\n") == MergedFile(b"x\n")


def test_a_merge_that_no_file_can_hold_keeps_both_files() -> None:
    base = taskfile.render(BASE)
    sides = [
        taskfile.rewrite(base, BASE, replace(BASE, body=f"{letter * 99}\n" * 1500))
        for letter in "ab"
    ]

    result = merged(base, *sides)

    assert [result.data, result.beside] == sides
    assert result.conflicts == ("body", "too large")


def test_two_tasks_that_got_the_same_id_offline_are_both_told() -> None:
    ours, theirs = (Task(ID, title, f"{title}\n", labels=(title,)) for title in ("One", "Two"))

    result = merged(None, taskfile.render(ours), taskfile.render(theirs))

    task = read(result)
    assert result.conflicts == ("title", "body")
    assert (task.title, task.labels) == ("One", ("One", "Two"))
    assert "title: Two" in task.body
    assert "\nTwo\n" in task.body


# The laws, on files that any edits made of one base.

SETS = ("labels", "blocked_by")
EDITS: dict[str, st.SearchStrategy[Any]] = {
    "title": st.sampled_from(["A", "B: b", "C # c"]),
    "status": st.sampled_from(Status),
    "priority": st.integers(0, 4),
    "agent": st.sampled_from([None, "a", "b"]),
    "stack": st.booleans(),
    "integrate": st.none() | st.sampled_from(Integrate),
    "not_before": st.sampled_from([None, "2026-12-01T00:00:00Z", "2027-12-01T00:00:00Z"]),
    "budget": st.builds(Budget, turns=st.sampled_from([9, 5]), usd=st.sampled_from([2.0, 7.5])),
    "body": st.lists(st.integers(0, 5), unique=True, max_size=2).map(
        lambda lines: "".join(
            line.replace("Line", "New") if any(str(n) in line for n in lines) else line
            for line in BODY.splitlines(keepends=True)
        )
    ),
}


@st.composite
def edited(draw: st.DrawFn, *, scalars: tuple[str, ...] = tuple(EDITS)) -> Task:
    names = draw(st.sets(st.sampled_from(scalars), max_size=3)) if scalars else set()
    task = replace(BASE, **{name: draw(EDITS[name]) for name in sorted(names)})
    for name, pool in (("labels", "abcd"), ("blocked_by", "1234")):
        old: tuple[str, ...] = getattr(BASE, name)
        kept = [each for each in old if draw(st.integers(0, 3))]
        more = draw(st.lists(st.sampled_from(pool), unique=True, max_size=2))
        added = [each * 5 if name == "blocked_by" else each for each in more]
        edges: dict[str, Any] = {name: tuple(kept + added)}
        task = replace(task, **edges)
    kept_checks = tuple(check for check in BASE.verify if draw(st.integers(0, 3)))
    task = replace(task, verify=kept_checks)
    return replace(task, waiting_for=WaitingFor.PLAN) if task.status == "waiting" else task


BASE_FILE = taskfile.render(BASE)
NOTES = st.sampled_from([b"", b"# a note\n", b"mine: 1\n", b"mine: {a: [1, 'x']}\n# own\n"])


@st.composite
def files(draw: st.DrawFn) -> tuple[Task, bytes, bytes]:
    task, note = draw(edited()), draw(NOTES)
    data = taskfile.rewrite(BASE_FILE, BASE, task)
    return task, data.replace(b"labels:", note + b"labels:", 1), note


LAWS = settings(max_examples=150, deadline=None)


@LAWS
@given(files(), files())
def test_nothing_is_lost_whoever_merges(
    ours: tuple[Task, bytes, bytes], theirs: tuple[Task, bytes, bytes]
) -> None:
    (one, first, _), (two, second, _) = ours, theirs

    result = merged(BASE_FILE, first, second)

    assert result.data is not None
    assert merged(BASE_FILE, first, first).data == first
    assert merged(BASE_FILE, first, BASE_FILE).data == first
    assert merged(second, result.data, second).data == result.data
    task = read(result)
    assert result.beside is None
    for name in SETS:
        was, sides = set(getattr(BASE, name)), [set(getattr(side, name)) for side in (one, two)]
        added = (sides[0] | sides[1]) - was
        assert set(getattr(task, name)) == (was & sides[0] & sides[1]) | added
    told = f"{result.data.decode()}\n{task}"
    for name in ("title", "agent", "integrate", "stack"):
        for side in (one, two):
            value = getattr(side, name)
            if value != getattr(BASE, name):
                assert getattr(task, name) == value or str(value) in told
    for side in (one, two):
        assert all(line in told for line in side.body.splitlines() if line.startswith("New"))
    if result.conflicts:
        assert "## Conflict" in task.body
        assert task.status in (Status.WAITING, Status.DONE, Status.CANCELLED)
    assert "## Conflict" in task.body or not result.conflicts
    for _, data, note in (ours, theirs):
        if b"mine" in note and b"mine" in data:
            assert b"mine" in result.data


@settings(max_examples=50, deadline=None)
@given(
    edited(scalars=("title", "agent", "stack", "priority")),
    edited(scalars=("integrate", "budget", "body", "priority", "not_before")),
    edited(scalars=("priority", "not_before")),
    st.sampled_from([Status.OPEN, Status.FAILED, Status.IN_REVIEW, Status.DONE]),
)
def test_three_clones_that_meet_in_any_order_have_the_same_file(
    one: Task, two: Task, three: Task, status: Status
) -> None:
    clones = (replace(one, status=status), two, replace(three, status=Status.FAILED))
    sides = [taskfile.rewrite(BASE_FILE, BASE, clone) for clone in clones]

    results = set()
    for first, second, third in permutations(sides):
        met = merged(BASE_FILE, first, second)
        all_met = merged(BASE_FILE, met.data, third)
        assert met.conflicts + all_met.conflicts == ()
        results.add(all_met.data)

    assert len(results) == 1


ANY_BYTES = st.binary(max_size=60) | st.sampled_from(
    [BROKEN, BASE_FILE, b"---\ntitle: x\n---\n", b"---\ntitle: [\n---\n", b"\r\n", b"---"]
)


@LAWS
@given(st.none() | ANY_BYTES, st.none() | ANY_BYTES, st.none() | ANY_BYTES)
def test_whatever_bytes_are_there_both_sides_stay(
    base: bytes | None, ours: bytes | None, theirs: bytes | None
) -> None:
    result = merged(base, ours, theirs)

    kept = (result.data or b"") + (result.beside or b"")
    old = base.split(b"\n") if base is not None else []
    for side in (ours, theirs):
        if side is not None and side != base and not is_good(side):
            assert all(line in kept for line in side.split(b"\n") if line not in old)
        elif side is not None and side not in (base, BASE_FILE):
            assert b"title: x" in kept


def is_good(data: bytes) -> bool:
    try:
        return taskfile.parse(data, id=ID, path=PATH) is not None
    except BadInput:
        return False


@LAWS
@given(edited(), edited())
def test_joining_fields_gives_the_same_for_both_orders_where_nothing_conflicts(
    one: Task, two: Task
) -> None:
    first, second = join_tasks(BASE, one, two), join_tasks(BASE, two, one)

    assert {each.field for each in first[1]} == {each.field for each in second[1]}
    if not first[1]:
        assert replace(first[0], body="") == replace(second[0], body="")


# Whole branches.


class Queue:
    """The objects of one repository, and commits made of files."""

    def __init__(self, repo: Repo) -> None:
        self.repo = repo
        self.repository = Repository.find(repo.path, repo.person.environment())
        self.raw = self.repository.raw

    def commit(
        self, *parents: str, executable: tuple[str, ...] = (), **files: bytes | None
    ) -> str:  # fmt: skip
        return self.commit_files(files, *parents, executable=executable)

    def commit_files(
        self, files: Mapping[str, bytes | None], *parents: str, executable: tuple[str, ...] = ()
    ) -> str:
        changes: dict[bytes, trees.Change] = {
            path.encode(): None if data is None else (
                trees.EXECUTABLE if path in executable else trees.BLOB,
                objects.write_blob(self.raw, data),
            )
            for path, data in files.items()
        }  # fmt: skip
        return self.commit_entries(changes, *parents)

    def commit_entries(self, changes: Mapping[bytes, trees.Change], *parents: str) -> str:
        before = self.repository.tree_of(parents[0]) if parents else None
        tree = str(trees.edit(self.raw, before, changes))
        return commits.write(
            self.repository, commits.Draft(tree, parents, "by hand", GITAGENT, WHEN)
        )

    def merge(self, ours: str, theirs: str) -> str:
        return merge(self.repository, ours, theirs, WHEN)

    def files(self, commit: str) -> dict[str, bytes]:
        tree = self.repository.tree_of(commit)
        return {
            os.fsdecode(path): b"" if mode == trees.GITLINK else self.repository.blob(str(oid))
            for path, mode, oid in trees.walk(self.raw, tree)
        }

    def both(self, ours: str, theirs: str) -> dict[str, bytes]:
        """Merge, both ways round, and return the files."""
        one, two = self.merge(ours, theirs), self.merge(theirs, ours)
        assert self.repository.tree_of(one) == self.repository.tree_of(two)
        assert self.merge(one, theirs) == one
        assert self.merge(ours, one) == one
        return self.files(one)


@pytest.fixture
def queue(repo: Repo) -> Queue:
    return Queue(repo)


def tip(repo: Repo) -> str:
    return repo.git("rev-parse", "gitagent/tasks")


def cloned(repo: Repo, path: Path) -> Repo:
    repo.git("clone", "-q", str(repo.path), str(path))
    clone = Repo(path, repo.person)
    clone.git("branch", "-q", "--no-track", "gitagent/tasks", "origin/gitagent/tasks")
    return clone


def meet(repo: Repo, other: Repo) -> str:
    """Merge what the other clone has into this one's queue."""
    repo.git("fetch", "-q", str(other.path), "gitagent/tasks:refs/other/tasks")
    made = Queue(repo).merge(tip(repo), repo.git("rev-parse", "refs/other/tasks"))
    repo.git("update-ref", "refs/heads/gitagent/tasks", made)
    return made


def test_two_clones_that_worked_offline_meet(repo: Repo, tmp_path: Path) -> None:
    repo.ready()
    shared = repo.gitagent("add", "Shared", "--label", "a")
    other = cloned(repo, tmp_path / "other")
    mine = repo.gitagent("add", "Mine", "--needs", shared)
    repo.gitagent("update", shared, "--label", "mine", "--priority", "1")
    theirs = other.gitagent("add", "Theirs", "--blocks", shared)
    other.gitagent("update", shared, "--title", "Ours", "--not-label", "a")
    other.gitagent("update", shared, "--label", "theirs")
    other.gitagent("next", "--command", "echo x > x")
    record = other.record(theirs)

    made = meet(repo, other)
    other_made = meet(other, repo)

    assert other_made == made
    assert {task["id"] for task in repo.json("list", "--all")} == {shared, mine, theirs}
    task = repo.show(shared)
    assert (task["title"], task["priority"], task["labels"]) == ("Ours", 1, ["mine", "theirs"])
    assert task["blocked_by"] == [theirs]
    assert repo.record(theirs) == record
    log = repo.git("log", "-1", "--format=%s%n%cn%n%(trailers)", made).split("\n")
    assert log[:3] == [
        "merge: tasks changed on both sides: 1, in conflict: 0", "gitagent", f"Task: {shared}",
    ]  # fmt: skip
    repo.git("fsck", "--strict")


def test_a_conflict_is_told_and_settled_by_a_person(repo: Repo, tmp_path: Path) -> None:
    repo.ready()
    task = repo.gitagent("add", "Old")
    other = cloned(repo, tmp_path / "other")
    repo.gitagent("update", task, "--title", "Mine")
    other.gitagent("update", task, "--title", "Theirs")

    made = meet(repo, other)

    shown = repo.show(task)
    assert (shown["status"], shown["waiting_for"]) == ("waiting", "conflict")
    assert "title: Mine\ntitle: Theirs\n" in shown["body"]
    assert "waits for conflict" in shown["reason"]
    assert f"Conflict: {task} (title)" in repo.git("log", "-1", "--format=%(trailers)", made)
    assert repo.call("lint").code == 0
    repo.given({"EDITOR": "sed -i '/^## Conflict/,$d'"}).gitagent("edit", task)
    repo.gitagent("update", task, "--status", "open", "--title", "Theirs")
    meet(other, repo)
    assert (other.status(task), other.show(task)["title"]) == ("open", "Theirs")


def test_two_clones_that_both_began_the_queue_meet(repo: Repo, person: Person) -> None:
    repo.ready()
    other = Repo.create(repo.path.parent / "other", person).ready()
    other.commit("not the same commit")
    mine, theirs = repo.gitagent("add", "Mine"), other.gitagent("add", "Theirs")
    other.gitagent("add", "Another day")

    meet(repo, other)

    assert {mine, theirs} < {task["id"] for task in repo.json("list")}
    assert "README.md" in repo.git("ls-tree", "--name-only", "gitagent/tasks")


def test_a_cycle_that_only_the_merge_closes_keeps_both_edges_and_is_told(
    repo: Repo, tmp_path: Path
) -> None:
    repo.ready()
    first, second = repo.gitagent("add", "First"), repo.gitagent("add", "Second")
    other = cloned(repo, tmp_path / "other")
    repo.gitagent("update", first, "--needs", second)
    other.gitagent("update", second, "--needs", first)

    meet(repo, other)

    assert repo.show(first)["blocked_by"] == [second]
    assert repo.show(second)["blocked_by"] == [first]
    assert "cycle" in repo.show(first)["reason"]
    assert repo.json("list", "--ready") == []


def test_one_that_contains_the_other_is_the_merge(queue: Queue) -> None:
    base = queue.commit(a=b"1")
    ours = queue.commit(base, a=b"2")

    assert queue.merge(base, ours) == ours
    assert queue.merge(ours, base) == ours
    assert queue.merge(ours, ours) == ours


def test_records_and_messages_of_both_are_there_and_one_path_with_two_contents_is_two(
    queue: Queue,
) -> None:
    run = "runs/k3/k3x9m/01m7y77q5k1yq88yet2nnypnht.json"
    base = queue.commit_files({"README.md": b"r"})
    ours = queue.commit_files({run: b"{}", "inbox/k3/k3x9m/1.json": b"1", "x": b"ours"}, base)
    theirs = queue.commit_files({run: b"[]", "memory/aa/aa.md": b"m", "x": b"theirs"}, base)

    files = queue.both(ours, theirs)

    assert files["inbox/k3/k3x9m/1.json"] == b"1"
    assert files["memory/aa/aa.md"] == b"m"
    assert sorted(data for path, data in files.items() if path.startswith(run)) == [b"[]", b"{}"]
    assert run in files
    assert {data for path, data in files.items() if path[0] == "x"} == {b"ours", b"theirs"}


def test_the_state_of_the_newer_run_wins(queue: Queue) -> None:
    path = "state/k3/k3x9m.json"
    base = queue.commit_files({path: json.dumps({"run": "01a"}).encode()})
    ours = queue.commit_files({path: json.dumps({"run": "01b", "goal": 1}).encode()}, base)
    theirs = queue.commit_files({path: json.dumps({"run": "01c"}).encode()}, base)
    odd = queue.commit_files({path: b"{"}, base)

    assert queue.both(ours, theirs) == {path: b'{"run": "01c"}'}
    assert queue.both(ours, odd) == {path: b'{"run": "01b", "goal": 1}'}
    assert queue.both(odd, queue.commit_files({path: None}, base)) == {path: b"{"}


def test_links_modes_submodules_and_folders_in_the_way_of_files_are_kept(queue: Queue) -> None:
    blob = objects.write_blob(queue.raw, b"target")
    base = queue.commit_files({PATH: BASE_FILE, "other": b"o", "d/x": b"x"})
    ours = queue.commit_entries({b"link": (trees.LINK, blob), b"d": (trees.BLOB, blob)}, base)
    ours = queue.commit_files({PATH: BASE_FILE.replace(b"Fix", b"Mend")}, ours, executable=(PATH,))
    theirs = queue.commit_entries({b"sub": (trees.GITLINK, base), b"d/y": (trees.BLOB, blob)}, base)
    theirs = queue.commit_files({PATH: BASE_FILE + b"More\n", "other": None}, theirs)

    files = queue.both(ours, theirs)
    tree = queue.repository.tree_of(queue.merge(ours, theirs))
    modes = {os.fsdecode(path): mode for path, mode, _ in trees.walk(queue.raw, tree)}

    assert (modes["link"], modes["sub"], modes[PATH]) == (
        trees.LINK, trees.GITLINK, trees.EXECUTABLE,
    )  # fmt: skip
    assert (files["d/x"], files["d/y"]) == (b"x", b"target")
    beside = [path for path in files if path.startswith("d.")]
    assert [files[path] for path in beside] == [b"target"]
    assert "other" not in files
    assert files[PATH] == BASE_FILE.replace(b"Fix", b"Mend") + b"More\n"


def test_clones_that_merged_crosswise_do_not_see_each_others_changes_as_conflicts(
    queue: Queue,
) -> None:
    def file(**changes: Any) -> dict[str, bytes | None]:
        return {PATH: taskfile.rewrite(BASE_FILE, BASE, replace(BASE, **changes))}

    base = queue.commit_files(file())
    ours = queue.commit_files(file(title="Ours"), base)
    theirs = queue.commit_files(file(agent="codex"), base)
    here, there = queue.merge(ours, theirs), queue.merge(theirs, ours)
    assert here != there

    newer = queue.commit_files(file(title="Newer", agent="claude"), here)
    labelled = queue.commit_files(file(title="Ours", agent="codex", labels=("new",)), there)

    task = read(queue.both(newer, labelled)[PATH])
    assert (task.title, task.agent, task.labels, task.status) == (
        "Newer", "claude", ("new",), Status.OPEN,
    )  # fmt: skip


def test_clones_that_merged_crosswise_for_long_are_merged_in_time(queue: Queue) -> None:
    here = there = queue.commit_files({"here": b"", "there": b""})
    for n in range(12):
        here = queue.commit_files({"here": b"%d" % n}, here)
        there = queue.commit_files({"there": b"%d" % n}, there)
        here, there = queue.merge(here, there), queue.merge(there, here)

    assert queue.both(here, there) == {"here": b"11", "there": b"11"}


NAMES = st.sampled_from(["tasks/aa/aaaaa.md", PATH, "README.md", "x/y", "x", "state/k3/k3x9m.json",
                         "runs/k3/k3x9m/1.json", "inbox/k3/k3x9m/2.json", "tasks/odd"])  # fmt: skip
CONTENTS = st.sampled_from([None, b"", b"a\n", b"b\n", BROKEN, BASE_FILE, b'{"run": "01"}'])
TREES = st.dictionaries(NAMES, CONTENTS, max_size=5).filter(lambda d: not {"x", "x/y"} <= set(d))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(TREES, TREES, TREES)
def test_whatever_files_are_there_the_merge_is_one_tree_and_holds_what_is_new(
    queue: Queue,
    base: dict[str, bytes | None],
    one: dict[str, bytes | None],
    two: dict[str, bytes | None],
) -> None:
    start = queue.commit_files({**base, "always": b"1"})
    ours = queue.commit_files({"1": b"", **one}, start)
    theirs = queue.commit_files({"2": b"", **two}, start)

    files = queue.both(ours, theirs)

    was = queue.files(start)
    for side in (queue.files(ours), queue.files(theirs)):
        for path, data in side.items():
            if was.get(path) != data and not path.startswith(("tasks/", "state/")):
                assert data in [files[each] for each in files if each.startswith(path)]
    queue.repo.git("fsck", "--strict", "--no-dangling")


def test_of_100_000_tasks_only_the_shards_that_differ_are_read(queue: Queue) -> None:
    blob = objects.write_blob(queue.raw, BASE_FILE)
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
    names = [a + b for a in alphabet for b in alphabet]
    # A shard that is not there at all: reading it would be an error.
    shards = {name.encode(): (trees.TREE, f"{n:040x}") for n, name in enumerate(names, 1)}
    for name in ("k3", "aa", "bb"):
        listed = {f"{name}{n:03}.md".encode(): (trees.BLOB, blob) for n in range(98)}
        shards[name.encode()] = trees.TREE, str(trees.write_tree(queue.raw, listed))
    tasks = trees.write_tree(queue.raw, shards)
    start = queue.commit_entries({b"tasks": (trees.TREE, tasks)})
    mine, theirs = (BASE_FILE.replace(b"Fix", word) for word in (b"Mend", b"Redo"))
    ours = queue.commit_files({"tasks/k3/k3000.md": mine, "tasks/aa/aa001.md": mine}, start)
    other = queue.commit_files({"tasks/k3/k3000.md": theirs, "tasks/bb/bb001.md": theirs}, start)

    began = time.perf_counter()
    made = queue.merge(ours, other)
    seconds = time.perf_counter() - began

    print(f"F4: clones of {98 * len(shards):,} tasks merged in {seconds * 1000:.0f} ms")
    tree = queue.repository.tree_of(made)
    for path, data in (("tasks/aa/aa001.md", mine), ("tasks/bb/bb001.md", theirs)):
        assert trees.read(queue.raw, tree, path.encode()) == data
    assert seconds < 1
