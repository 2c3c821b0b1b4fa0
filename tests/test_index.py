"""The index against its definition: the graph of all tasks, parsed anew from the branch."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gitagent.core.errors import BadInput, UnknownTask
from gitagent.core.graph import TaskGraph
from gitagent.core.task import BRANCHED, Integrate, Status, Task
from gitagent.git.plain import Place, find
from gitagent.git.plain_refs import read_ref, refs_below
from gitagent.store.index import Index, Snapshot, words
from gitagent.store.index.files import parse_file
from gitagent.store.taskfile import render
from support.story import PYTHON, Person, Repo

NOW = "2026-11-21T12:00:00Z"
IDS = ("aaaaa", "aabbb", "bbbbb", "ccccc")
RUN = "01m7y77q5k1yq88yet2nnypnht"


class Desk:
    """A repository whose refs are written by plain git, and its index."""

    def __init__(self, repo: Repo) -> None:
        self.repo = repo
        self.files: dict[str, bytes] = {}
        place = find(repo.path, repo.person.environment())
        assert place is not None
        self.place: Place = place
        self.index = Index(place)
        self.number = 0

    def commit(self, *, orphan: bool = False) -> None:
        """Let the tasks branch hold `files`, in a new commit."""
        parent = [] if orphan or not self._tip() else ["from refs/heads/gitagent/tasks^0"]
        head = ["commit refs/heads/gitagent/tasks", "committer A <a@b> 1790000000 +0000", "data 1"]
        stream = "\n".join([*head, "x", *parent, "deleteall", ""]).encode()
        for path, data in self.files.items():
            stream += f"M 100644 inline {path}\ndata {len(data)}\n".encode() + data + b"\n"
        self._git("fast-import", "--quiet", "--force", stdin=stream)

    def claim(self, task: str, **fields: Any) -> str:
        """Let somebody on another machine claim a task, and return the claim's commit."""
        self.number += 1
        said = {"v": 1, "task": task, "run": RUN, "runner": "r", "host": "h", "boot": "b",
                "pid_ns": "n", "pid": 1, "pid_start": 1, "epoch": 1, "lease_s": 1200,
                "base": "x", "nonce": str(self.number), **fields}  # fmt: skip
        empty = self._git("hash-object", "-w", "-t", "tree", "--stdin")
        oid = self._git("commit-tree", "-m", f"claim {task}\n\n{json.dumps(said)}", empty)
        self._git("update-ref", f"refs/gitagent/claims/{task}", oid)
        return oid

    def land(self, task: str, outcome: str, integrate: str = "report") -> None:
        """Let a run of a task land."""
        record = {"run": RUN, "outcome": outcome, "integrate": integrate, "waiting_for": None,
                  "not_before": None}  # fmt: skip
        blob = self._git("hash-object", "-w", "--stdin", stdin=json.dumps(record).encode())
        tree = self._git("mktree", stdin=f"100644 blob {blob}\trecord.json\n".encode())
        oid = self._git("commit-tree", "-m", f"landed {task}\n\n{{}}", tree)
        self._git("update-ref", f"refs/gitagent/claims/{task}", oid)

    def release(self, task: str) -> None:
        """Let nobody hold a task."""
        self._git("update-ref", "-d", f"refs/gitagent/claims/{task}")

    def graph(self) -> TaskGraph:
        """Return the queue's graph: every file parsed, every landing laid over it."""
        parsed = [parse_file(path, data) for path, data in self.files.items()]
        fresh = {each.id: each for each in parsed if isinstance(each, Task)}
        queue = self.index.read(NOW)
        assert {k: v for k, v in fresh.items() if k not in queue.landed} == {
            k: v for k, v in queue.graph.tasks.items() if k not in queue.landed
        }
        broken = {each.path for each in parsed if not isinstance(each, Task)}
        assert {each.path for each in queue.broken} == broken
        return replace(queue.graph, tasks=dict(queue.graph.tasks))

    def _tip(self) -> str | None:
        return read_ref(self.place.common_dir, "refs/heads/gitagent/tasks")

    def _git(self, *arguments: str, stdin: bytes = b"") -> str:
        said = self.repo.person.run("git", *arguments, cwd=self.repo.path, stdin=stdin)
        assert said.code == 0, said.err
        return said.out.strip()


@pytest.fixture
def desk(repo: Repo) -> Desk:
    return Desk(repo)


def put(desk: Desk, *tasks: Task) -> None:
    for task in tasks:
        desk.files[f"tasks/{task.id[:2]}/{task.id}.md"] = render(task)
    desk.commit()


# What is needed mostly stands before, so that not all of it is one knot of cycles.
NEEDS = st.sampled_from(range(len(IDS))).flatmap(
    lambda at: st.tuples(
        st.just(IDS[at]),
        st.lists(
            st.sampled_from((*IDS[:at] * 6, *IDS, "zzzzz")).filter(lambda each: each != IDS[at]),
            max_size=2,
            unique=True,
        ).map(tuple),
    )
)
STATUSES = st.sampled_from([Status.OPEN, Status.OPEN, Status.DONE, Status.IN_REVIEW, *Status])
FIELDS = st.one_of(
    STATUSES.map(lambda each: {"status": each}),
    STATUSES.map(lambda each: {"status": each}),
    st.sampled_from([False, True, True]).map(lambda each: {"stack": each}),
    st.sampled_from([None, *Integrate]).map(lambda each: {"integrate": each}),
    st.integers(0, 4).map(lambda each: {"priority": each}),
    st.sampled_from([None, "2026-11-20T04:00:00Z", "2027-01-01T00:00:00Z"]).map(
        lambda each: {"not_before": each}
    ),
)
deeds = st.one_of(
    st.tuples(st.just("set"), st.sampled_from(IDS), FIELDS),
    st.tuples(st.just("set"), st.sampled_from(IDS), FIELDS),
    NEEDS.map(lambda each: ("set", each[0], {"blocked_by": each[1]})),
    NEEDS.map(lambda each: ("set", each[0], {"blocked_by": each[1]})),
    st.tuples(st.sampled_from(["break", "delete", "claim", "release"]), st.sampled_from(IDS)),
    st.tuples(
        st.just("land"),
        st.sampled_from(IDS),
        st.sampled_from(["succeeded", "agent_failed"]),
        st.sampled_from(["report", "branch"]),
    ),
)
CHAIN = [
    Task(each, "t", blocked_by=IDS[at - 1 : at] if at else (), stack=at > 1)
    for at, each in enumerate(IDS)
]


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example(  # a task in a cycle is written anew, and then what it needs is done
    [
        [("set", "aaaaa", {"blocked_by": ("aabbb",)})],
        [("set", "aabbb", {"stack": True})],
        [("land", "aaaaa", "succeeded", "report")],
    ]
)
@given(st.lists(st.lists(deeds, min_size=1, max_size=2), min_size=10, max_size=16))
def test_after_any_changes_the_index_says_what_the_graph_of_all_tasks_says(
    tmp_path_factory: pytest.TempPathFactory, steps: list[list[tuple[Any, ...]]]
) -> None:
    folder = tmp_path_factory.mktemp("law")
    desk = Desk(Repo.create(folder / "repo", Person(folder / "home")))
    put(desk, *CHAIN)
    for step in steps:
        for deed, *what in step:
            do(desk, deed, *what)
        desk.commit()
        graph = desk.graph()
        ready, counts, near_ready, cyclic = desk.index.ask(
            lambda found: (
                found.ready(NOW), found.counts(), found.around(found.ready(NOW), NOW),
                found.graph(NOW).cycles,
            )
        )  # fmt: skip
        assert tuple(ready) == graph.ready()
        every = list(graph.tasks.values())
        assert counts == {s: n for s in Status if (n := sum(t.status is s for t in every))}
        assert cyclic == graph.cycles
        for task in every:
            near = desk.index.ask(around(task))
            assert near.reason(task) == graph.reason(task)
            assert near.readiness(task) == graph.readiness(task)
            assert near.blocks(task.id) == graph.blocks(task.id)
            assert near.why(task.id) == graph.why(task.id)
        assert all(near_ready.blocks(task.id) == graph.blocks(task.id) for task in ready)


def around(task: Task) -> Callable[[Snapshot], TaskGraph]:
    return lambda found: found.around([task], NOW)


def do(desk: Desk, deed: str, what: Any, *more: Any) -> None:
    match deed:
        case "set":
            path = f"tasks/{what[:2]}/{what}.md"
            before = parse_file(path, desk.files.get(path, b""))
            old = before if isinstance(before, Task) else Task(what, "t")
            desk.files[path] = render(replace(old, **more[0]))
        case "break":
            desk.files[f"tasks/{what[:2]}/{what}.md"] = b"---\ntitle: x\nstatus: nearly\n---\n"
        case "delete":
            desk.files.pop(f"tasks/{what[:2]}/{what}.md", None)
        case "claim":
            desk.claim(what)
        case "release":
            desk.release(what)
        case "land":
            desk.land(what, *more)
        case _:
            raise AssertionError(deed)


LETTERS = st.sampled_from(
    [*"aAbB\xdf\u0130i\u0307sS\xe9 -\"'%_*\n\0", "ab", "abc", "\u5b57", "\U0001f600"]
)
TEXTS = st.lists(LETTERS, max_size=9).map("".join)
NAMES = st.lists(
    TEXTS.map(lambda text: f"x{''.join(c for c in text if c.isprintable())}"), max_size=2
)
TEXTED = st.builds(
    Task, id=st.sampled_from(IDS), title=st.just("Ab abc"), body=TEXTS, labels=NAMES.map(tuple)
)
SOUGHT = (
    st.lists(TEXTS, min_size=1, max_size=2)
    .map(lambda each: " ".join(each).replace("\0", "").casefold().split())
    .filter(bool)
)


def naive(task: Task, sought: list[str]) -> bool:
    text = f"{task.id}\n{task.title}\n{task.body}\n{' '.join(task.labels)}".casefold()
    return all(word in text for word in sought)


@pytest.mark.parametrize("kind", [words._FTS5, "absent(text)"])
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(st.tuples(TEXTED, st.booleans(), SOUGHT), min_size=4, max_size=6))
def test_a_search_finds_what_holds_all_words_whatever_their_case(
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    steps: list[tuple[Task, bool, list[str]]],
) -> None:
    monkeypatch.setattr(words, "_FTS5", kind)  # as where SQLite was built without it
    (desk.place.common_dir / "gitagent/index.db").unlink(missing_ok=True)
    held: dict[str, Task] = {}
    desk.files = {}
    for task, goes, sought in steps:
        path = f"tasks/{task.id[:2]}/{task.id}.md"
        desk.files[path] = b"---\ntitle: 1\n---\n" if goes else render(task)
        held = {k: v for k, v in held.items() if k != task.id} | ({} if goes else {task.id: task})
        desk.commit()
        for each in (sought, ["abc"], ["b a"], ["ab", "x"]):
            found = desk.index.ask(holding(each), search=True)
            assert {t.id for t in found} == {t.id for t in held.values() if naive(t, each)}


def holding(sought: list[str]) -> Callable[[Snapshot], list[Task]]:
    return lambda found: found.holding(sought)


def test_a_search_looks_only_at_what_may_hold_a_longer_word(desk: Desk) -> None:
    put(desk, Task("aaaaa", "Pager"))
    assert desk.index.ask(lambda found: found.holding(["pager"]), search=True)

    with sqlite3.connect(desk.place.common_dir / "gitagent/index.db") as db:
        looked_for = [words.match(db, each) for each in (["pager"], ['a"b"c'], ["of", "it"])]
        for each in looked_for[:2]:
            db.execute("select * from words where words match ?", (each,))
    db.close()

    assert looked_for == ['"age" AND "ger" AND "pag"', '"""b""" AND "a""b" AND "b""c"', None]


def test_a_cycle_by_hand_blocks_even_where_all_of_it_is_done_and_ends_with_its_last_edge(
    desk: Desk,
) -> None:
    def ready() -> list[str]:
        return [task.id for task in desk.index.ask(lambda found: found.ready(NOW))]

    done = Task("bbbbb", "b", status=Status.DONE, blocked_by=("ccccc",))
    put(desk, Task("aaaaa", "a", blocked_by=("bbbbb",)), done)
    assert ready() == ["aaaaa"]
    put(desk, Task("ccccc", "c", status=Status.DONE, blocked_by=("aaaaa",)))
    assert ready() == []
    put(desk, Task("aabbb", "no part of it", blocked_by=("bbbbb",)))
    assert ready() == ["aabbb"] == [task.id for task in desk.graph().ready()]
    put(desk, replace(done, blocked_by=()))
    assert ready() == ["aaaaa", "aabbb"]


def test_only_an_offer_that_is_a_branch_can_be_stacked_on(desk: Desk) -> None:
    for integrate in (None, *Integrate):
        offered = Task("aaaaa", "a", status=Status.IN_REVIEW, integrate=integrate)
        put(desk, offered, Task("bbbbb", "b", blocked_by=("aaaaa",), stack=True))
        ready = desk.index.ask(lambda found: found.ready(NOW))
        assert tuple(ready) == desk.graph().ready(), integrate
        assert bool(ready) == (integrate in (None, *BRANCHED))


def test_a_task_keeps_every_field_in_the_index(desk: Desk) -> None:
    text = b"""---
title: All
status: waiting
waiting_for: plan
priority: 0
blocked_by: [aaaaa, '12345']
labels: [x, y z]
created: 2026-11-21T04:00:00Z
source: https://example.com/1
agent: command
model: m
reviewer: none
verify: [pytest, {name: n, run: r, timeout: 5m, paths: ['*.py'], network: host, env: [A]}]
integrate: commit
budget: {attempts: 2, tokens: 5k, usd: 1.5, time: 1h}
allow: ['src/**']
not_before: 2027-01-01T00:00:00Z
stack: true
plan: approve
---

Body \xc3\xa9 \x00 and more.
"""
    desk.files["tasks/bb/bbbbb.md"] = text
    desk.commit()

    found = desk.index.ask(lambda found: found.find("bbbbb"))

    assert found == parse_file("tasks/bb/bbbbb.md", text)


def test_a_rewound_and_an_unrelated_branch_are_followed(desk: Desk) -> None:
    put(desk, Task("aaaaa", "one"), Task("bbbbb", "two", blocked_by=("aaaaa",)))
    assert [t.id for t in desk.index.ask(lambda found: found.ready(NOW))] == ["aaaaa"]
    desk.files = {"tasks/cc/ccccc.md": render(Task("ccccc", "three")), "tasks/odd": b"x"}
    desk.commit(orphan=True)

    assert [t.id for t in desk.index.ask(lambda found: found.ready(NOW))] == ["ccccc"]
    assert [each.path for each in desk.index.ask(Snapshot.broken)] == ["tasks/odd"]
    desk.repo.git("update-ref", "-d", "refs/heads/gitagent/tasks")
    assert desk.index.ask(lambda found: (found.tip(), found.counts())) == (None, {})


def test_only_the_folders_that_differ_are_read(desk: Desk, tmp_path: Path) -> None:
    put(desk, *(Task(each, "t") for each in IDS))
    assert desk.index.ask(Snapshot.counts) == {Status.OPEN: 4}
    same = read_ref(desk.place.common_dir, "refs/heads/gitagent/tasks")
    blob = desk.repo.git("rev-parse", f"{same}:tasks/cc/ccccc.md")
    put(desk, Task("aaaaa", "changed"))
    (desk.place.common_dir / "objects" / blob[:2] / blob[2:]).unlink()

    assert desk.index.ask(lambda found: found.find("aaa")).title == "changed"
    assert desk.index.ask(lambda found: found.find("ccccc")).title == "t"


def test_an_id_is_found_by_its_start_or_said_to_be_ambiguous_broken_or_unknown(desk: Desk) -> None:
    desk.files["tasks/bb/bbbbb.md"] = b"no front matter"
    put(desk, Task("aaaaa", "one"), Task("aabbb", "two"))

    assert desk.index.ask(lambda found: found.find("AAB")).title == "two"
    with pytest.raises(UnknownTask, match="`aa` could be aaaaa, aabbb"):
        desk.index.ask(lambda found: found.find("aa"))
    with pytest.raises(BadInput, match=r"tasks/bb/bbbbb\.md:1"):
        desk.index.ask(lambda found: found.find("bb"))
    with pytest.raises(UnknownTask, match="there is no task ``"):
        desk.index.ask(lambda found: found.find(""))


def test_the_age_of_a_claim_begins_anew_with_each_value_and_is_never_too_long(desk: Desk) -> None:
    put(desk, Task("aaaaa", "one"))
    first = desk.claim("aaaaa")
    assert desk.index.ages({"aaaaa": first})["aaaaa"] < 60
    path = desk.place.common_dir / "gitagent" / "index.db"
    age(path, 5000)
    assert desk.index.ages({"aaaaa": first})["aaaaa"] >= 5000

    second = desk.claim("aaaaa")

    assert desk.index.ages({"aaaaa": first})["aaaaa"] == 0.0
    assert desk.index.ages({"aaaaa": second})["aaaaa"] < 60
    age(path, 5000, boot="of yesterday")
    assert desk.index.ages({"aaaaa": second})["aaaaa"] < 60
    assert desk.index.ages({"bbbbb": second})["bbbbb"] == 0.0
    age(path, 5000)
    path.unlink()
    assert desk.index.ages({"aaaaa": second})["aaaaa"] < 60


def age(path: Path, seconds: float, boot: str | None = None) -> None:
    """Let all claims have been seen some seconds earlier, or in another boot."""
    with sqlite3.connect(path) as db:
        db.execute("update claim_ref set first_seen = first_seen - ?", (seconds,))
        if boot is not None:
            db.execute("update claim_ref set boot = ?", (boot,))
    db.close()


def test_a_writer_that_looks_at_no_claims_leaves_their_age_alone(desk: Desk) -> None:
    put(desk, Task("aaaaa", "one"))
    claim = desk.claim("aaaaa")
    desk.index.ages({"aaaaa": claim})["aaaaa"]
    age(desk.place.common_dir / "gitagent" / "index.db", 5000)
    put(desk, Task("bbbbb", "two"))

    assert Index(desk.place, None).ask(lambda found: "bbbbb" in found)

    assert desk.index.ages({"aaaaa": claim})["aaaaa"] >= 5000


def test_claims_below_another_prefix_are_the_ones_that_count(desk: Desk) -> None:
    put(desk, Task("aaaaa", "one"))
    oid = desk.claim("aaaaa")
    other = Index(desk.place, "refs/gitagent/r/claims/")
    assert [t.id for t in other.ask(lambda found: found.ready(NOW))] == ["aaaaa"]

    desk.repo.git("update-ref", "refs/gitagent/r/claims/aaaaa", oid)

    assert other.ask(lambda found: found.ready(NOW)) == []


def garbage(path: Path) -> None:
    path.write_bytes(b"no database at all\n" * 500)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def overwritten(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:] = os.urandom(len(data) - 4096)
    path.write_bytes(data)


def of_another_version(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("pragma user_version = 99")
    db.close()


def without_a_table(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("drop table claim_ref")
    db.close()


def half_written(path: Path) -> None:
    """Leave what a process leaves that is killed in the middle of a write."""
    program = """
import os, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("pragma cache_size = 1")
db.execute("begin immediate")
db.execute("update task set title = 'half', ready = 1, now_status = 'open'")
db.execute("create table filler (x)")
for _ in range(200): db.execute("insert into filler values (randomblob(4000))")
os.kill(os.getpid(), 9)
"""
    subprocess.run([PYTHON, "-c", program, str(path)], check=False)
    assert path.with_name("index.db-journal").stat().st_size > 0


def not_a_file(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "tear",
    [
        garbage,
        empty,
        cut,
        overwritten,
        of_another_version,
        without_a_table,
        half_written,
        not_a_file,
    ],
)
def test_a_torn_index_is_replaced_and_nobody_hears_of_it(desk: Desk, tear: Any) -> None:
    many = (Task(f"b{n:04}", "t", blocked_by=("aaaaa",)) for n in range(200))
    put(desk, Task("aaaaa", "one"), *many)
    assert len(desk.index.read(NOW).graph.tasks) == 201
    tear(desk.place.common_dir / "gitagent" / "index.db")

    again = Index(desk.place)

    assert [t.title for t in again.ask(lambda found: found.ready(NOW))] == ["one"]
    assert len(again.read(NOW).graph.tasks) == 201
    path = desk.place.common_dir / "gitagent" / "index.db"
    assert tear is not_a_file or path.read_bytes().startswith(b"SQLite format 3\0")
    put(desk, Task("aaaaa", "one", status=Status.DONE))
    assert len(again.ask(lambda found: found.ready(NOW))) == 200


READER = """
import os, sys
from pathlib import Path
from gitagent.git.plain import find
from gitagent.store.index import Index
index = Index(find(Path(sys.argv[1]), dict(os.environ)))
last = 0
while last < int(sys.argv[2]):
    task = index.ask(lambda found: found.find("aaaaa"))
    ready = index.ask(lambda found: found.ready("2026-11-21T12:00:00Z"))
    assert int(task.title) >= last, (task.title, last)
    assert [each.id for each in ready] == ["aaaaa"]
    last = int(task.title)
"""


def test_eight_readers_at_once_follow_a_writer_and_never_go_back(desk: Desk) -> None:
    put(desk, Task("aaaaa", "0"), Task("bbbbb", "t", blocked_by=("aaaaa",)))
    argv = [PYTHON, "-W", "error", "-c", READER, str(desk.repo.path), "20"]
    environment = desk.repo.person.environment()
    readers = [subprocess.Popen(argv, env=environment, stderr=subprocess.PIPE) for _ in range(8)]
    for number in range(1, 21):
        put(desk, Task("aaaaa", str(number)))
        if number == 10:
            garbage(desk.place.common_dir / "gitagent" / "index.db")

    said = [reader.communicate(timeout=100)[1].decode() for reader in readers]

    assert [reader.returncode for reader in readers] == [0] * 8, said


def test_refs_are_read_as_git_lists_them_packed_or_loose(desk: Desk) -> None:
    put(desk, Task("aaaaa", "one"))
    tip = desk.repo.git("rev-parse", "gitagent/tasks")
    lines = [f"update refs/gitagent/claims/{n:05} {tip}" for n in range(2000)]
    lines += [f"update refs/heads/b{n} {tip}" for n in range(50)]
    desk._git("update-ref", "--stdin", stdin="".join(f"{line}\n" for line in lines).encode())
    desk.repo.git("tag", "-m", "annotated", "v1", tip)
    desk.repo.git("pack-refs", "--all")
    other = desk.claim("aaaaa")
    desk.repo.git("update-ref", "refs/gitagent/claims/00007", other)
    desk.repo.git("update-ref", "-d", "refs/gitagent/claims/00009")
    desk.repo.git("update-ref", "refs/gitagent/claims/base-feature/x", other)
    common = desk.place.common_dir

    for prefix in ("refs/gitagent/claims/", "refs/heads/", "refs/gitagent/none/", "refs/"):
        listed = desk.repo.git("for-each-ref", "--format=%(refname) %(objectname)", prefix)
        expected = dict(line.split() for line in listed.splitlines())
        assert refs_below(common, prefix) == expected
    assert read_ref(common, "refs/heads/b7") == tip
    assert read_ref(common, "refs/heads/b") is None
    assert read_ref(common, "refs/tags/v1") == desk.repo.git("rev-parse", "v1")
