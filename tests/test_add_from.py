"""`add --from FILE`: many tasks from JSON Lines, all or nothing."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from gitagent.core.errors import BadInput
from gitagent.git.repository import GITAGENT, Repository
from gitagent.store import json_lines
from gitagent.store.batch import add_all
from gitagent.store.branch import TasksBranch
from support.quick import Quick, QuickRepo
from support.story import Person, Repo, Said


@pytest.fixture(scope="module")
def quick() -> Iterator[Quick]:
    with Quick() as warm:
        yield warm


@pytest.fixture
def repo(repo: Repo, person: Person, quick: Quick) -> QuickRepo:
    repo.ready()
    return QuickRepo(repo.path, person, quick)


def lines(*objects: Any) -> str:
    return "".join(f"{json.dumps(each)}\n" for each in objects)


def add(repo: Repo, text: str | bytes) -> Said:
    repo.write(".git/tasks.jsonl", text)
    return repo.call("add", "--from", ".git/tasks.jsonl")


def ids(said: Said) -> dict[str, str]:
    assert (said.code, said.err) == (0, ""), said
    return dict(line.rsplit(" ", 1) for line in said.out.splitlines())


def tip(repo: Repo) -> str:
    return repo.git("rev-parse", "gitagent/tasks")


def test_the_lines_become_tasks_that_need_each_other_in_one_commit(repo: QuickRepo) -> None:
    before = repo.gitagent("add", "There already")
    started = tip(repo)

    added = ids(
        add(
            repo,
            lines(
                {"title": "Release", "key": "the release", "blocked_by": ["docs", "api", before]},
                {"title": "Document it", "key": "docs", "blocked_by": ["api"], "priority": 1},
                {"title": "Build it", "key": "api", "body": "# How\n\nWell.\n"},
                {"title": "Nobody needs it"},
            ),
        )
    )

    assert list(added) == ["the release", "docs", "api", "4"]
    needs = {name: repo.show(task)["blocked_by"] for name, task in added.items()}
    assert needs == {
        "the release": [added["docs"], added["api"], before],
        "docs": [added["api"]], "api": [], "4": [],
    }  # fmt: skip
    assert repo.show(added["api"])["body"] == "# How\n\nWell.\n"
    assert repo.show(added["api"])["created"]
    assert repo.git("rev-parse", "gitagent/tasks^") == started
    message = repo.git("log", "-1", "--format=%s%n%(trailers)", "gitagent/tasks").splitlines()
    assert message[0] == f"add 4 tasks: {', '.join(added.values())}"
    assert [line for line in message if line] == [
        message[0], *(f"Task: {task}" for task in added.values()),
    ]  # fmt: skip


def test_every_key_of_a_task_file_may_be_given_and_unknown_ones_are_kept(repo: QuickRepo) -> None:
    given = {
        "status": "waiting", "waiting_for": "answer", "priority": 0, "labels": ["a", "true"],
        "created": "2026-11-21T04:00:00Z", "source": "https://example.com/1", "agent": "claude",
        "model": "opus-4.5", "reviewer": "none", "integrate": "commit", "allow": ["src/**"],
        "verify": ["pytest -q", {"name": "lint", "run": "ruff check .", "timeout": "5m"}],
        "budget": {"attempts": 2, "tokens": "1.5M", "usd": 0.5, "time": "1h30m"},
        "not_before": "2026-12-01T00:00:00Z", "stack": True, "plan": "approve",
    }  # fmt: skip
    more = {"estimate": "3d", "team: x": {"deep": [1, None, "two\n", 2.5]}, "agent": None}

    (task,) = ids(add(repo, lines({"title": "x", **given, "key": None}))).values()
    (other,) = ids(add(repo, lines({"title": "y", **more}))).values()

    shown = repo.show(task)
    assert {key: shown[key] for key in given if key not in ("verify", "budget")} == {
        key: value for key, value in given.items() if key not in ("verify", "budget")
    }
    text = repo.git("show", f"gitagent/tasks:tasks/{other[:2]}/{other}.md")
    assert 'estimate: 3d\n"team: x": {deep: [1, null, "two\\n", 2.5]}\n---' in text
    text = repo.git("show", f"gitagent/tasks:tasks/{task[:2]}/{task}.md")
    assert "verify: [pytest -q, {name: lint, run: ruff check ., timeout: 5m}]\n" in text
    assert "budget: {attempts: 2, tokens: 1500k, usd: 0.5, time: 1h30m}\n" in text
    assert repo.call("lint").code == 0


def test_a_line_whose_source_is_a_task_already_is_that_task(repo: QuickRepo) -> None:
    first = {"title": "First", "key": "a", "source": "https://example.com/1"}
    second = {"title": "Second", "key": "b", "source": "https://example.com/2"}
    known = ids(add(repo, lines(first)))
    started = tip(repo)

    said = add(repo, lines({**first, "title": "Changed", "blocked_by": ["b"]}, second))

    assert said.out.splitlines()[0] == f"a {known['a']}"
    assert said.err == "1 of 2 are tasks already, by their `source`\n"
    assert repo.show(known["a"])["title"] == "First"
    assert repo.show(known["a"])["blocked_by"] == []
    assert repo.git("rev-parse", "gitagent/tasks^") == started
    again = tip(repo)
    assert add(repo, lines(first, second)).out == said.out
    third = {"title": "Third", "blocked_by": ["a", known["a"]]}
    three = add(repo, lines(first, second, third))
    assert repo.show(three.out.split()[-1])["blocked_by"] == [known["a"]]
    assert repo.git("rev-parse", "gitagent/tasks^") == again
    subject = repo.git("log", "-1", "--format=%s", "gitagent/tasks")
    assert subject == f"add {three.out.split()[-1]}: Third"


def test_nothing_is_added_from_an_empty_file(repo: QuickRepo) -> None:
    started = tip(repo)

    for text in ("", "\n \n\t\r\n", "\ufeff"):
        said = add(repo, text)
        assert (said.code, said.out) == (0, "")
        assert said.err == "there are no tasks in `.git/tasks.jsonl`\n"
    assert tip(repo) == started


def test_a_byte_order_mark_crlf_and_blank_lines_are_nothing_special(repo: QuickRepo) -> None:
    text = '\ufeff{"title": "x", "body": "a\u2028b"}\r\n\r\n{"title": "Größe"}'

    added = ids(add(repo, text))

    assert list(added) == ["1", "3"]
    assert repo.show(added["1"])["body"] == "a\u2028b"


def test_standard_input_will_do(repo: QuickRepo) -> None:
    plain = Repo(repo.path, repo.person)

    said = plain.call("add", "--from", "-", stdin=b'{"title": "x", "key": "k"}\n')
    wrong = plain.call("add", "--from", "-", stdin=b"\n{}\n")

    assert repo.show(ids(said)["k"])["title"] == "x"
    assert (wrong.code, wrong.err.splitlines()[0]) == (2, "error: <stdin>:2: `title` is missing")


WRONG = [
    ("[1]", "a line must be one JSON object, not a list"),
    ('"x"', "a line must be one JSON object, not `x`"),
    ("null", "a line must be one JSON object, not nothing"),
    ("{", "this is not JSON: "),
    ('{"title": "x"} {"title": "y"}', "this is not JSON: Extra data (column 16)"),
    ('{"title": "x", "title": "y"}', "the key `title` stands here twice"),
    ('{"title": "x", "more": {"a": 1, "a": 2}}', "the key `a` stands here twice"),
    ('{"title": "x", "estimate": NaN}', "this is not JSON: `NaN` is no number"),
    ('{"title": "x", "estimate": -Infinity}', "this is not JSON: `-Infinity` is no number"),
    ('{"title": "x", "estimate": 1e999}', "a number is out of range"),
    ('{"title": "x", "estimate": ' + "9" * 5000 + "}", "a number is out of range"),
    ('{"title": "x", "estimate": ' + "9" * 30 + "}", "an integer beyond 64 bits"),
    ("{}", "`title` is missing"),
    ('{"title": ""}', "`title` must be text that is not empty"),
    ('{"title": "a\\nb"}', "`title` must be one line without control characters"),
    ('{"title": 7}', "`title` must be text, not the number 7"),
    ('{"title": "\\ud800"}', "bytes that are not UTF-8"),
    ('{"title": "x", "body": "\\udfff"}', "bytes that are not UTF-8"),
    ('{"title": "x", "\\ud800": 1}', "bytes that are not UTF-8"),
    ('{"title": "x", "body": ["y"]}', "`body` must be text, not a list"),
    ('{"title": "x", "key": 7}', "`key` must be text of one line, not the number 7"),
    ('{"title": "x", "key": "a\\nb"}', "`key` must be text of one line"),
    ('{"title": "x", "key": ""}', "`key` must be text of one line"),
    ('{"title": "x", "prioritiy": 1}', "`prioritiy` is not a known key"),
    ('{"title": "x", "blocked-by": []}', "`blocked-by` is not a known key"),
    ('{"title": "x", "Body": "y"}', "`Body` is not a known key"),
    ('{"title": "x", "id": "k3x9m"}', "`id` cannot be set"),
    ('{"title": "x", "status": "opne"}', "`status` must be one of open, waiting, in_review"),
    ('{"title": "x", "priority": 1.5}', "`priority` must be an integer from 0 to 4"),
    ('{"title": "x", "labels": ["a", 2024]}', "`labels[1]` must be text, not the number 2024"),
    ('{"title": "x", "budget": {"tunrs": 5}}', "`budget.tunrs` is not a known key"),
    ('{"title": "x", "blocked_by": "a"}', "`blocked_by` must be a list"),
    ('{"title": "x", "blocked_by": [1.5]}', "`blocked_by[0]` must be a task's id"),
    ('{"title": "x", "blocked_by": [""]}', "`blocked_by[0]` must be a task's id"),
    ('{"title": "x", "blocked_by": ["b", "b"]}', "`blocked_by` names `b` twice"),
    ('{"title": "x", "blocked_by": ["zzzzz"]}', "there is no such key and no such task"),
    ('{"title": "x", "blocked_by": [12345]}', "`blocked_by` names `12345`, and there is no such"),
    ('{"title": "x", "a": ' + "[" * 40 + "]" * 40 + "}", "more than 32 levels of nesting"),
    ("[" * 100_000, "more than 32 levels of nesting"),
    ('{"a":' * 100_000, "more than 32 levels of nesting"),
    (f'{{"title": "x", "body": "{"y" * (256 << 10)}"}}', "at most 262,144 may be"),
    (f'{{"title": "{"y" * (300 << 10)}"}}', "at most 262,144 may be"),
]


def test_what_is_wrong_is_told_with_file_and_line_and_nothing_is_added(repo: QuickRepo) -> None:
    started = tip(repo)

    for line, message in WRONG:
        said = add(repo, '{"title": "Good", "key": "b"}\n\n' + line + '\n{"title": "Good"}\n')
        first = said.err.splitlines()[0]
        assert (said.code, said.out) == (2, ""), line[:80]
        assert first.startswith("error: .git/tasks.jsonl:3: ")
        assert message in first
        assert first.isprintable()
        assert len(first) < 300

    assert tip(repo) == started


def test_bytes_that_are_not_utf_8_are_told_with_their_line(repo: QuickRepo) -> None:
    said = add(repo, b'{"title": "x"}\n{"title": "\xff"}\n')

    assert (said.code, said.err.splitlines()[0]) == (
        2, "error: .git/tasks.jsonl:2: the byte 0xff is not UTF-8",
    )  # fmt: skip


def test_a_slip_of_a_key_has_a_hint(repo: QuickRepo) -> None:
    for slip, meant in (("prioritiy", "priority"), ("Body", "body"), ("keys", "key")):
        said = add(repo, lines({"title": "x", slip: 1}))
        assert said.err.splitlines()[1] == f"hint: did you mean `{meant}`?"


def test_two_lines_with_one_key_or_source_are_refused(repo: QuickRepo) -> None:
    for name in ("key", "source"):
        said = add(repo, lines({"title": "x", name: "same"}, {"title": "y", name: "same"}))
        assert said.err == f"error: .git/tasks.jsonl:2: line 1 has the {name} `same` too\n"


def test_a_name_that_is_a_key_and_a_task_is_refused(repo: QuickRepo) -> None:
    task = repo.gitagent("add", "There already")

    said = add(repo, lines({"title": "x", "key": task}, {"title": "y", "blocked_by": [task]}))

    assert said.code == 2
    assert f".git/tasks.jsonl:2: `blocked_by` names `{task}`, which is a line's key" in said.err


def test_a_cycle_is_spelled_with_the_keys(repo: QuickRepo) -> None:
    started = tip(repo)
    said = add(
        repo,
        lines(
            {"title": "Out", "blocked_by": ["a"]},
            {"title": "A", "key": "a", "blocked_by": ["the b"]},
            {"title": "B", "key": "the b", "blocked_by": ["c"]},
            {"title": "C", "key": "c", "blocked_by": ["a"]},
        ),
    )
    alone = add(repo, lines({"title": "A", "key": "a", "blocked_by": ["a"]}))

    assert said.err.splitlines()[0] == (
        "error: .git/tasks.jsonl:2: `a` is in a cycle: a -> the b -> c -> a"
    )
    assert alone.err.splitlines()[0] == "error: .git/tasks.jsonl:1: `a` is in a cycle: a -> a"
    assert tip(repo) == started


def test_what_says_something_of_one_task_cannot_stand_beside_a_file(repo: QuickRepo) -> None:
    for more, named in (
        (["A title"], "TITLE"),
        (["--body", ""], "--body"),
        (["--body-file", "x"], "--body-file"),
        (["--edit"], "--edit"),
        (["--needs", "x"], "--needs"),
        (["--label", "x"], "--label"),
        (["--priority", "0"], "--priority"),
        (["--source", "x"], "--source"),
        (["--integrate", "pr"], "--integrate"),
    ):
        said = repo.call("add", "--from", "tasks.jsonl", *more)
        assert said.code == 2
        assert said.err.splitlines()[0] == f"error: `{named}` cannot stand beside `--from`"


def test_add_wants_a_title_or_a_file_that_is_there(repo: QuickRepo) -> None:
    nothing, missing = repo.call("add"), repo.call("add", "--from", "no.jsonl")

    assert (nothing.code, nothing.err.splitlines()[0]) == (
        2,
        "error: TITLE is missing, or `--from FILE`",
    )
    assert (missing.code, missing.err) == (
        2, "error: `no.jsonl` cannot be read: No such file or directory\n",
    )  # fmt: skip


def test_1000_lines_with_3000_edges_take_about_a_second(repo: QuickRepo) -> None:
    chance = random.Random(1)  # noqa: S311
    given = [
        {
            "title": f"Task {n}", "key": f"t{n}", "body": f"Do {n}.\n", "priority": n % 5,
            "blocked_by": [f"t{each}" for each in chance.sample(range(n), min(n, 3))],
        }
        for n in range(1002)
    ]  # fmt: skip
    chance.shuffle(given)
    repository = Repository.find(repo.path, repo.person.environment())

    began, started = time.perf_counter(), time.process_time()
    read = json_lines.read(lines(*given).encode(), file="tasks.jsonl")
    added = add_all(
        TasksBranch(repository), read, file="tasks.jsonl", author=GITAGENT, when=datetime.now(UTC)
    )
    seconds, worked = time.perf_counter() - began, time.process_time() - started

    print(f"D7: {len(added):,} lines of JSON added in {seconds:.1f} s, {worked:.1f} s of them work")
    assert worked < 3  # the rest is the disk, which takes 1,600 objects one by one
    by_id = {each.id: each.line for each in added}
    listed = repo.json("list")
    assert [len(listed), sum(len(each["blocked_by"]) for each in listed)] == [1002, 3000]
    for each in listed:
        needs = {by_id[needed].key for needed in each["blocked_by"]}
        assert needs == set(by_id[each["id"]].needs)
    assert repo.git("rev-list", "--count", "gitagent/tasks") == "2"


def test_lines_are_read_without_a_repository() -> None:
    (line,) = json_lines.read(b'\n{"title": "x", "blocked_by": ["a", "b"]}', file="f")

    assert (line.number, line.key, line.needs, line.says.task.title) == (2, None, ("a", "b"), "x")
    with pytest.raises(BadInput) as caught:
        json_lines.read(b"{}", file="f")
    assert (caught.value.file, caught.value.line) == ("f", 1)
