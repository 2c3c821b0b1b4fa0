"""The quick reader of usual task files: whatever it reads, the strict one reads the same."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gitagent.core.task import Integrate, Status, Task
from gitagent.store.taskfile import parse, render
from gitagent.store.usual import usual
from support.bad_tasks import ID, corpus

PATH = "tasks/k3/k3x9m.md"
KEYS = [
    "title", "status", "waiting_for", "priority", "blocked_by", "labels", "created", "source",
    "integrate", "allow", "not_before", "stack", "plan", "agent", "verify", "estimate",
]  # fmt: skip
WORDS = [
    "open", "done", "true", "false", "null", "~", "no", "0", "2", "5", "12345", "01234", "1.5",
    "abcde", "k3x9m", "tasks", "plan", "report", "auto", "2026-11-21T04:00:00Z", "2026-02-30",
    "2026-11-21T04:00:00+01:00", "0001-01-01T00:00:00+05:00", "src/**", "Fix a: b", "a #b", "a#b",
    "\u0663", "a b", "\xe9", "\u5b57", "---", "...", "99999999999999999999", "1_000", "0x10", "y",
]  # fmt: skip
SIGNS = st.sampled_from([*"atru01.:# -'\"[]{},?&*!|>%@`\\\t\r\n/(+$\x7f\xa0\xe9\u2028\ufeff", ", "])
TEXTS = st.one_of(
    st.sampled_from(WORDS),
    st.lists(SIGNS, max_size=8).map("".join),
    st.text(max_size=6),
)
LISTS = st.lists(TEXTS, max_size=3).map(lambda each: f"[{', '.join(each)}]")
VALUES = st.one_of(TEXTS, LISTS, TEXTS.map(lambda each: f'"{each}"'))
LINES = st.builds("{}: {}".format, st.sampled_from(KEYS), VALUES)
FILES = st.builds(
    "---\ntitle: {}\n{}---\n{}".format,
    VALUES,
    st.lists(LINES.map("{}\n".format), max_size=3).map("".join),
    st.sampled_from(["", "\n", "\r\n", "\nbody\n", "body", "\n\nbody", "\r", "\n---\n", "\ufeff"]),
)


@settings(max_examples=3000, deadline=None)
@given(FILES)
@example("---\ntitle: a\nstatus: open\nstatus: done\n---\n")
@example("---\ntitle: a\n---\t\nbody\n---\n")
@example("---\ntitle: a:\n---\n")
@example("---\ntitle: a \n---\n")
@example("---\ntitle: a #b\n---\n")
@example(f"---\ntitle: a\nblocked_by: [{ID}]\n---\n")
def test_what_is_read_quickly_is_read_the_same_by_the_strict_reader(text: str) -> None:
    data = text.encode()
    found = usual(data, id=ID)

    assert found is None or found == parse(data, id=ID, path=PATH)


def test_no_wrong_file_is_taken_for_a_usual_one() -> None:
    assert [name for name, data, _ in corpus() if usual(data, id=ID) is not None] == []


USUAL = Task(
    ID,
    "3 pages: \xe9 is lost in `it`",
    "\nIt is.\n---\n",
    status=Status.IN_REVIEW,
    priority=0,
    blocked_by=("abcde", "12abc"),
    labels=("core", "part 7"),
    created="2026-11-21T04:00:00Z",
    source="https://example.com/issues/3",
    integrate=Integrate.REPORT,
    allow=("src/**",),
    not_before="2027-01-01T00:00:00Z",
    stack=True,
)


def test_what_gitagent_writes_is_mostly_read_quickly() -> None:
    assert usual(render(USUAL), id=ID) == USUAL
    assert usual(render(Task(ID, "Quoted - 'here'")), id=ID) == Task(ID, "Quoted - 'here'")
    assert usual(render(Task(ID, "12")), id=ID) == Task(ID, "12")


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf---\ntitle: a\n---\n",
        b"---\r\ntitle: a\r\n---\r\n",
        b"---\ntitle: 12\n---\n",
        b"---\ntitle: a\nverify: none\n---\n",
        b"---\ntitle: a\nlabels:\n- b\n---\n",
        b"---\ntitle: a\n---\n" + b"x" * 70_000,
        b"---\ntitle: a # b\n---\n",
    ],
)
def test_what_is_written_otherwise_is_left_to_the_strict_reader(data: bytes) -> None:
    assert usual(data, id=ID) is None
