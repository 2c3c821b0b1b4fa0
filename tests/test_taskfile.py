"""Task files: read strictly, written back with nothing changed but what changed."""

from __future__ import annotations

import time
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gitagent.core.checks import CheckSpec
from gitagent.core.errors import BadInput
from gitagent.core.ids import ALPHABET, is_task_id
from gitagent.core.task import Budget, Integrate, PlanMode, Status, Task, WaitingFor
from gitagent.store.taskfile import parse, render, rewrite, unknown_keys
from support.bad_tasks import ID, corpus

PATH = "tasks/k3/k3x9m.md"

WRITTEN_BY_HAND = """\
---
# Who knows why
title: 'Fix the pager'   # as Ada calls it
status: done  # was open
priority: 1
estimate: 3d # we keep our own
blocked_by: [12345, abcde]  # both
labels:
  - bug # it is one
  # and it is in
  - ui

budget:
  tokens: 2M   # many
  time: 45m
waiting_for:   # nothing
verify:
- pytest -q
- {name: lint, run: ruff check ., timeout: 5m}
created: 2026-11-21T04:00:00+01:00
# the end
---

The pager stops.

## Acceptance criteria
- [x] it goes on
"""


def read(data: bytes) -> Task:
    return parse(data, id=ID, path=PATH)


def front(lines: str) -> bytes:
    return f"---\ntitle: x\n{lines}\n---\n".encode()


def refused(data: bytes) -> BadInput:
    with pytest.raises(BadInput) as caught:
        read(data)
    assert caught.value.file == PATH
    return caught.value


def changed_lines(before: bytes, after: bytes) -> tuple[list[bytes], list[bytes]]:
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    return [x for x in old if x not in new], [x for x in new if x not in old]


def test_every_key_is_read() -> None:
    task = read(
        front(
            "status: waiting\nwaiting_for: answer\npriority: 0\nblocked_by: [12345, 01234]\n"
            "labels: [a, 'true']\ncreated: 2026-11-21T04:00:00.123+01:00\n"
            "source: https://example.com/1\nagent: claude\nmodel: opus-4.5\nreviewer: none\n"
            "verify: pytest -q\nintegrate: commit\n"
            "budget: {attempts: 2, turns: 9, tokens: 1.5M, usd: 0.50, time: 1h30m}\n"
            "allow: ['src/**']\nnot_before: 2026-12-01T00:00:00Z\nstack: true\nplan: approve"
        )
    )

    assert task == Task(
        id=ID,
        title="x",
        status=Status.WAITING,
        waiting_for=WaitingFor.ANSWER,
        priority=0,
        blocked_by=("12345", "01234"),
        labels=("a", "true"),
        created="2026-11-21T03:00:00Z",
        source="https://example.com/1",
        agent="claude",
        model="opus-4.5",
        reviewer="none",
        verify=(CheckSpec(run="pytest -q", name="pytest -q"),),
        integrate=Integrate.COMMIT,
        budget=Budget(attempts=2, turns=9, tokens=1_500_000, usd=0.5, seconds=5400.0),
        allow=("src/**",),
        not_before="2026-12-01T00:00:00Z",
        stack=True,
        plan=PlanMode.APPROVE,
    )
    unread = {"body", "unverified"}
    plain = Task("", "")
    for each in fields(Task):
        assert each.name in unread or getattr(task, each.name) != getattr(plain, each.name)


def test_checks_are_commands_or_mappings() -> None:
    task = read(
        front(
            "verify:\n  - |\n    make\n    make test\n  - name: lint\n    run: ruff check .\n"
            '    timeout: 5m\n    paths: ["**/*.py"]\n    network: host\n    env: [CI]\n'
            "  - {run: slow, timeout: 90}\n  - {run: quick, timeout: 0.5s}"
        )
    )

    assert task.verify == (
        CheckSpec(run="make\nmake test\n", name="make\nmake test"),
        CheckSpec("ruff check .", "lint", 300.0, ("**/*.py",), "host", ("CI",)),
        CheckSpec("slow", "slow", 90.0),
        CheckSpec("quick", "quick", 0.5),
    )
    assert not task.unverified


def test_verify_none_is_not_the_same_as_no_verify() -> None:
    assert read(front("verify: none")).unverified
    assert read(front("verify: none")).verify == ()
    assert not read(front("verify: []")).unverified
    assert not read(front("verify:")).unverified


def test_crlf_a_byte_order_mark_and_blanks_behind_the_dashes_are_nothing_special() -> None:
    text = "---  \r\ntitle: Größe\r\n--- \r\n\r\nBody\r\n"

    assert read(b"\xef\xbb\xbf" + text.encode()) == Task(id=ID, title="Größe", body="Body\r\n")


@pytest.mark.parametrize("end", ["---", "---\n", "---\n\n", "---\r\n\r\n"])
def test_a_body_may_be_empty(end: str) -> None:
    assert read(f"---\ntitle: x\n{end}".encode()).body == ""


def test_a_body_may_hold_anything_that_is_utf_8() -> None:
    body = "---\nnot: yaml: at all\n\t\0 \u2028 😀\n---\n"

    assert read(b"---\ntitle: x\n---\n" + body.encode()).body == body


def test_200_bad_files_among_1000_good_ones_are_200_errors_with_file_and_line() -> None:
    bad = corpus()
    good = [
        WRITTEN_BY_HAND.replace("the pager'", f"pager {n}'").encode()
        if n % 2
        else f"---\ntitle: Task {n}\nstatus: open\npriority: {n % 5}\n---\n\nBody {n}\n".encode()
        for n in range(1000)
    ]
    files = [(f"bad/{n}.md", data) for n, (_, data, _) in enumerate(bad)]
    files += [(f"good/{n}.md", data) for n, data in enumerate(good)]
    tasks: list[Task] = []
    errors: list[BadInput] = []

    start = time.process_time()
    for path, data in files:
        try:
            tasks.append(parse(data, id=ID, path=path))
        except BadInput as error:
            errors.append(error)
    seconds = time.process_time() - start

    print(f"F12: {len(bad)} bad and {len(good)} good task files in {seconds:.2f} s")
    assert len(bad) >= 200
    assert [error.file for error in errors] == [f"bad/{n}.md" for n in range(len(bad))]
    assert [(name, error.line) for (name, _, _), error in zip(bad, errors, strict=True)] == [
        (name, line) for name, _, line in bad
    ]
    assert all(str(error).isprintable() and len(str(error)) < 400 for error in errors)
    assert len(tasks) == 1000
    assert seconds < 2


@pytest.mark.parametrize(
    ("lines", "message", "hint"),
    [
        (
            "status: opne",
            "`status` must be one of open, waiting, in_review, done, failed, cancelled, not `opne`",
            "did you mean `open`?",
        ),
        ("integrate: Branch", "not `Branch`", "did you mean `branch`?"),
        ("priority: high", "`priority` must be an integer from 0 to 4, not `high`", None),
        ("labels: [2024]", "`labels[0]` must be text, not the number 2024", "put it in quotes"),
        ("labels: bug", "`labels` must be a list, not `bug`", "write it as `[a, b]`"),
        (
            "budget: {tunrs: 5}",
            "`budget.tunrs` is not a known key; allowed are attempts, turns, tokens, usd, time",
            "did you mean `turns`?",
        ),
        (f"blocked_by: [{ID}]", f"the task `{ID}` needs itself", None),
        ("blocked_by: [abcde, abcde]", "`blocked_by` has the id `abcde` twice", None),
        ("verify: [a, a]", "`verify` has the check name `a` twice", None),
        ("verify: [review]", "a check cannot have the name `review`", "give it another `name`"),
        ("not_before: soon", "such as 2026-11-21T04:00:00Z, not `soon`", None),
        ("source: " + "x" * 80 + "\x9bm", "the character U+009B is not allowed here", None),
        ('agent: "\\x1b[31m"', r"not `\u001b[31m`", None),
    ],
)  # fmt: skip
def test_an_error_says_what_was_found_what_is_allowed_and_what_was_meant(
    lines: str, message: str, hint: str | None
) -> None:
    error = refused(front(lines))

    assert message in error.message
    assert hint is None or error.hint == hint


def test_a_missing_title_is_said_with_how_to_add_it() -> None:
    error = refused(b"---\nstatus: open\n---\n")

    assert (error.message, error.line) == ("`title` is missing", 2)
    assert error.hint == "add a line `title: WHAT TO DO`"


def test_unknown_keys_are_kept_and_slips_of_known_ones_are_told() -> None:
    data = front("blocked-by: []\nprioritiy: 1\nTitle: y\nestimate: 3d")

    assert read(data).title == "x"
    assert [tuple(each) for each in unknown_keys(data, path=PATH)] == [
        ("blocked-by", 3, "blocked_by"),
        ("prioritiy", 4, "priority"),
        ("Title", 5, "title"),
        ("estimate", 6, None),
    ]


def test_a_rewrite_changes_the_lines_of_what_changed_and_no_other() -> None:
    data = WRITTEN_BY_HAND.encode()
    before = read(data)
    after = replace(
        before,
        status=Status.OPEN,
        blocked_by=("abcde",),
        labels=("ui", "new: one"),
        budget=replace(before.budget, seconds=60.0, turns=7),
        waiting_for=WaitingFor.PLAN,
        model="opus",
    )

    result = rewrite(data, before, after)

    assert read(result) == after
    gone, new = changed_lines(data, result)
    assert gone == [
        b"status: done  # was open\n",
        b"blocked_by: [12345, abcde]  # both\n",
        b"  - bug # it is one\n",
        b"  time: 45m\n",
        b"waiting_for:   # nothing\n",
    ]
    assert new == [
        b"status: open  # was open\n",
        b"blocked_by: [abcde]  # both\n",
        b'  - "new: one"\n',
        b"  time: 1m\n",
        b"  turns: 7\n",
        b"waiting_for: plan   # nothing\n",
        b"model: opus\n",
    ]


def test_a_value_that_goes_takes_its_lines_along_and_a_default_stays_as_a_word() -> None:
    data = WRITTEN_BY_HAND.encode()
    before = read(data)

    result = rewrite(data, before, replace(before, labels=(), verify=(), priority=2))

    gone, new = changed_lines(data, result)
    assert b"labels:\n" in gone
    assert b"  - ui\n" in gone
    assert b"verify:\n" in gone
    assert b"- pytest -q\n" in gone
    assert new == [b"priority: 2\n"]


def test_a_rewrite_of_a_windows_file_keeps_its_line_ends_and_its_mark() -> None:
    data = b"\xef\xbb\xbf" + WRITTEN_BY_HAND.replace("\n", "\r\n").encode()
    before = read(data)
    after = replace(before, agent="codex", priority=3, labels=("bug", "ui", "z"), body="a\r\nb")

    result = rewrite(data, before, after)

    assert read(result) == after
    assert result.startswith(b"\xef\xbb\xbf---\r\n")
    assert result.count(b"\n") == result.count(b"\r\n")
    assert rewrite(data, before, before) == data


@pytest.mark.parametrize(
    "text",
    [
        "---\n{title: x, status: done, mine: 1}\n---\n",
        "---\n? title\n: x\n? status\n: done\n? mine\n: 1\n---\n",
        "---\n  title: x\n  status: done\n  mine: 1\n---\n",
        "---\nmine: 1\ntitle: >-\n  x\nstatus: |-\n  done\n\n---\n",
        "---\ntitle: x\nstatus:\n  done\nmine: 1\n---",
        "---\ntitle: x\nstatus: done\nmine: 1\nlast: |+\n  y\n\n---\n",
        '---\n"title": "x"\n"status" : \'done\'\n"mine": 1\n---\n',
        "---\ntitle: x\nstatus:\n  # why\n  done # so\nmine: 1\nlabels: [a,\n  b]\n---\nBody",
    ],
)
def test_front_matter_in_any_style_can_be_rewritten(text: str) -> None:
    before = read(text.encode())
    after = replace(before, status=Status.OPEN, labels=("q",), agent="me", body="New\n")

    result = rewrite(text.encode(), before, after)

    assert read(result) == after
    assert "mine" in [each.key for each in unknown_keys(result, path=PATH)]


def test_what_no_file_can_say_is_refused_and_not_written() -> None:
    task = Task(id=ID, title="x")
    for wrong in (
        replace(task, title="a\nb"),
        replace(task, title=""),
        replace(task, title="\udcff"),
        replace(task, body="\udcff"),
        replace(task, priority=9),
        replace(task, blocked_by=(ID,)),
        replace(task, verify=(CheckSpec("a", "n"), CheckSpec("b", "n"))),
    ):
        with pytest.raises(BadInput):
            render(wrong)
        with pytest.raises(BadInput):
            rewrite(render(task), task, wrong)


def test_a_new_file_is_short_and_as_a_person_would_write_it() -> None:
    task = Task(
        id=ID,
        title="Fix the pager, again",
        body="It stops.\n",
        labels=("bug",),
        created="2026-11-21T04:00:00Z",
        verify=(CheckSpec("pytest -q", "pytest -q"), CheckSpec("ruff check .", "lint", 300.0)),
        budget=Budget(tokens=2_000_000, usd=5.0, seconds=5400.0),
    )

    assert render(task).decode() == (
        "---\ntitle: Fix the pager, again\nstatus: open\nlabels: [bug]\n"
        "created: 2026-11-21T04:00:00Z\n"
        "verify: [pytest -q, {name: lint, run: ruff check ., timeout: 5m}]\n"
        "budget: {tokens: 2M, usd: 5, time: 1h30m}\n---\n\nIt stops.\n"
    )


CHARACTERS = st.characters(exclude_categories=["Cs"])
PRINTED = st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"])
LINE = st.text(PRINTED, min_size=1, max_size=40).filter(str.strip)
WORD = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,9}", fullmatch=True)
IDS = st.text(ALPHABET, min_size=5, max_size=6).filter(lambda x: is_task_id(x) and x != ID)
TIMES = st.datetimes().map(lambda t: t.replace(microsecond=0).isoformat() + "Z")
SECONDS = st.integers(1, 600_000).map(lambda n: n / 4)


def tuples(each: SearchStrategy[Any], **more: Any) -> SearchStrategy[Any]:
    return st.lists(each, max_size=4, **more).map(tuple)


COMMAND = st.text(CHARACTERS, min_size=1, max_size=40).filter(
    lambda x: x.strip() and "\0" not in x and x.strip() not in ("guard", "review", "none")
)
CHECKS = st.one_of(
    COMMAND.map(lambda run: CheckSpec(run, run.strip())),
    st.builds(
        CheckSpec,
        run=COMMAND,
        name=LINE.filter(lambda x: x not in ("guard", "review")),
        timeout=SECONDS,
        paths=tuples(LINE),
        network=st.sampled_from(["none", "host"]),
        env=tuples(st.from_regex(r"[A-Z_][A-Z0-9_]{0,5}", fullmatch=True)),
    ),
)
BUDGETS = st.builds(
    Budget,
    attempts=st.none() | st.integers(1, 9),
    turns=st.none() | st.integers(1, 999),
    tokens=st.none() | st.integers(1, 10**9),
    usd=st.none() | st.floats(0, 1000),
    seconds=st.none() | SECONDS,
)
TASKS = st.builds(
    Task,
    id=st.just(ID),
    title=LINE,
    body=st.text(CHARACTERS),
    status=st.sampled_from(Status),
    waiting_for=st.none() | st.sampled_from(WaitingFor),
    priority=st.integers(0, 4),
    blocked_by=tuples(IDS, unique=True),
    labels=tuples(LINE),
    created=st.just("") | TIMES,
    source=st.none() | LINE,
    agent=st.none() | WORD,
    model=st.none() | WORD,
    reviewer=st.none() | WORD,
    verify=tuples(CHECKS, unique_by=lambda check: check.name),
    integrate=st.none() | st.sampled_from(Integrate),
    budget=BUDGETS,
    allow=tuples(LINE),
    not_before=st.none() | TIMES,
    stack=st.booleans(),
    plan=st.none() | st.sampled_from(PlanMode),
)
UNVERIFIED = TASKS.map(lambda task: replace(task, verify=(), unverified=True))
ANY_TASK = TASKS | UNVERIFIED


@given(ANY_TASK)
@example(Task(id=ID, title="x", body="\n"))
@example(Task(id=ID, title="x", body="\r\n---\n"))
@example(Task(id=ID, title="no", labels=("1", "null", "- a")))
def test_what_is_rendered_reads_back_as_the_same_task(task: Task) -> None:
    assert read(render(task)) == task


def by_hand(task: Task, extra: list[str], newline: str, *, bom: bool, space: str) -> bytes:
    """Return a file as a person may have it: comments, unknown keys, blank lines."""
    lines = render(task).decode().partition("\n---\n")
    head = lines[0].split("\n")
    for number, each in enumerate(extra):
        head.insert(1 + number % len(head), each)
    head = [f"{line}{space}# note {n}" if n else line for n, line in enumerate(head)]
    text = newline.join(head) + f"{newline}---{newline}{newline}{task.body}"
    return (b"\xef\xbb\xbf" if bom else b"") + text.encode()


@settings(max_examples=300)
@given(
    ANY_TASK,
    ANY_TASK,
    st.sets(st.sampled_from([f.name for f in fields(Task) if f.name != "id"]), max_size=4),
    st.lists(st.sampled_from(["", "# a word", "mine: [1, 2]", "theirs: {a: 'b'}"]), unique=True),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.sampled_from([" ", "   "]),
)
def test_a_rewrite_says_the_new_task_and_leaves_every_other_line(
    task: Task, other: Task, names: set[str], extra: list[str], newline: str, bom: bool, space: str
) -> None:
    data = by_hand(task, extra, newline, bom=bom, space=space)
    before = read(data)
    assert before == task
    after = replace(before, **{name: getattr(other, name) for name in names})
    assume(not (after.unverified and after.verify))

    result = rewrite(data, before, after)

    assert read(result) == after
    assert rewrite(data, before, before) == data
    differing = {name for name in names if getattr(before, name) != getattr(after, name)}
    keys = {"verify" if name == "unverified" else name for name in differing}
    old, new = (front_lines(each) for each in (data, result))
    kept = [line for line in old if line.partition(b":")[0].decode() not in keys]
    assert [line for line in new if line.partition(b":")[0].decode() not in keys] == kept
    assert result.startswith(b"\xef\xbb\xbf") == bom
    if "body" not in differing:
        assert result.partition(b"\n---")[2] == data.partition(b"\n---")[2]


def front_lines(data: bytes) -> list[bytes]:
    return data.partition(b"\n---")[0].split(b"\n")


GOOD = [WRITTEN_BY_HAND.encode(), WRITTEN_BY_HAND.replace("\n", "\r\n").encode()]
CHUNKS = [
    *(
        b"\t",
        b": ",
        b"&a",
        b"*a",
        b"---\n",
        b"\xff",
        b"\0",
        b"[",
        b"{",
        b"!",
        b"\n",
        b"'",
        b'"',
        b"|",
    ),
    *(b"- ", b"%", b"9" * 40, b"\xed\xa0\x80", b"\xe2\x80\xa8", b"<<: ", b"..."),
]
NOISE = st.binary(max_size=200)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(GOOD)))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 20)))
        data[start:end] = draw(st.sampled_from(CHUNKS) | st.binary(max_size=4))
    return bytes(data)


@settings(max_examples=1000)
@given(
    mutated()
    | st.binary(max_size=200)
    | st.binary(max_size=200).map(lambda b: b"---\n" + b + b"\n---\n")
)
def test_a_damaged_file_is_a_task_or_bad_input_with_a_line_and_nothing_else(data: bytes) -> None:
    try:
        task = read(data)
    except BadInput as error:
        assert error.file == PATH
        assert error.line
        assert 1 <= error.line <= data.count(b"\n") + 1
        assert str(error).isprintable()
    else:
        after = replace(task, status=Status.FAILED, labels=("one", "two"), agent=None)
        assert read(rewrite(data, task, after)) == after
        assert {e.key for e in unknown_keys(data, path=PATH)} == {
            e.key for e in unknown_keys(rewrite(data, task, after), path=PATH)
        }
