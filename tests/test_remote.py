"""Calls to remotes: real servers, what they refuse, lose and hide, and what git says of it."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psutil
import pytest

from gitagent.core.errors import Refused, UsageError
from gitagent.git.command import Git
from gitagent.git.probe import BRANCH_CLAIMS, probe
from gitagent.git.refs import CLAIMS, TASKS
from gitagent.git.remote import NO_EXIT, Fetched, NoAnswer, Remote
from gitagent.git.transport import masked
from support import servers
from support.servers import Folder, Http
from support.story import Person, Repo

CLAIM = f"{CLAIMS}k3x9m"
BRANCH = "refs/heads/gitagent/k3x9m"
SPECS = (f"{TASKS}:refs/gitagent/r/tasks", f"+{CLAIMS}*:refs/gitagent/r/claims/*")

Wrong = Callable[[Folder], object]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Folder]:
    """A bare repository in a folder, which is the fastest to ask."""
    with servers.folder(tmp_path / "server.git") as made:
        yield made


@pytest.fixture
def http(tmp_path: Path) -> Iterator[Http]:
    with servers.http(tmp_path / "server.git") as made:
        yield made


@pytest.fixture(params=["folder", "http", "ssh"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path, person: Person) -> Iterator[Folder]:
    """The same repository in three ways."""
    with _served(request.param, tmp_path, person) as made:
        yield made


@pytest.fixture(params=["folder", "http"])
def either(request: pytest.FixtureRequest, tmp_path: Path, person: Person) -> Iterator[Folder]:
    """In two ways: over ssh git is at both ends what it is in a folder, but slow to connect."""
    with _served(request.param, tmp_path, person) as made:
        yield made


@contextmanager
def _served(kind: str, tmp_path: Path, person: Person) -> Iterator[Folder]:
    path = tmp_path / "server.git"
    ways: dict[str, Callable[[], AbstractContextManager[Folder]]] = {
        "folder": lambda: servers.folder(path),
        "http": lambda: servers.http(path),
        "ssh": lambda: servers.ssh(path, tmp_path / "keys"),
    }
    if kind == "ssh" and servers.find_sshd() is None:
        pytest.skip("sshd is not installed")
    with ways[kind]() as made:
        if isinstance(made, servers.Ssh):
            made.allow(person)
        yield made


def connect(repo: Repo, url: str | Folder, timeout: float = 60.0) -> Remote:
    url = url if isinstance(url, str) else url.url
    git_dir = repo.path / ".git"
    return Remote(Git(git_dir, repo.person.environment()), url, timeout=timeout)


def commit(repo: Repo, text: str, *parents: str) -> str:
    tree = repo.git("hash-object", "-t", "tree", "-w", "/dev/null")
    options = [option for parent in parents for option in ("-p", parent)]
    return repo.git("commit-tree", *options, "-m", text, tree)


def test_a_ref_is_created_moved_replaced_and_deleted(repo: Repo, anywhere: Folder) -> None:
    remote = connect(repo, anywhere)
    first, other = commit(repo, "first"), commit(repo, "other")
    second = commit(repo, "second", first)
    steps: list[tuple[str | None, str | None, str]] = [
        (None, first, "*"),
        (first, second, " "),
        (second, other, "+"),
        (other, other, "="),
        (other, None, "-"),
    ]
    for old, new, flag in steps:
        pushed = remote.push({CLAIM: (old, new)})
        assert (dict(pushed.flags), pushed.exit_code) == ({CLAIM: flag}, 0)
        assert pushed.placed(CLAIM)
        assert remote.read(CLAIM).get(CLAIM) == new == anywhere.refs().get(CLAIM)


def test_each_ref_of_a_push_is_for_itself(repo: Repo, either: Folder) -> None:
    remote = connect(repo, either)
    first, second = commit(repo, "first"), commit(repo, "second")
    remote.push({CLAIM: (None, first)})

    pushed = remote.push({CLAIM: (second, None), BRANCH: (None, second)})

    assert pushed.flags == {CLAIM: "!", BRANCH: "*"}
    assert pushed.reasons == {CLAIM: "stale info"}
    assert pushed.exit_code == 1
    assert either.refs() == {CLAIM: first, BRANCH: second}


def test_only_the_first_of_two_that_expect_nothing_wins(repo: Repo, either: Folder) -> None:
    first, second = commit(repo, "first"), commit(repo, "second")
    assert connect(repo, either).push({CLAIM: (None, first)}).placed(CLAIM)
    assert not connect(repo, either).push({CLAIM: (None, second)}).placed(CLAIM)
    assert either.refs() == {CLAIM: first}


# What git 2.39.5 says of the refs that it lists for a push of CLAIM and BRANCH.
SAYS: dict[str, tuple[Wrong, dict[str, str], dict[str, str]]] = {
    "a hook that takes only branches": (
        Folder.only_branches,
        {CLAIM: "!", BRANCH: "+"},
        {CLAIM: "hook declined"},
    ),
    "a protected branch": (
        lambda server: server.protect(BRANCH),
        {CLAIM: "!", BRANCH: "!"},
        {CLAIM: "pre-receive hook declined", BRANCH: "pre-receive hook declined"},
    ),
    "refs that are hidden from all": (
        lambda server: server.configure(servers.HIDE, "refs/gitagent"),
        {CLAIM: "!", BRANCH: "+"},
        {CLAIM: "stale info"},
    ),
    "refs that are hidden from pushes": (
        lambda server: server.configure("receive.hideRefs", "refs/gitagent"),
        {CLAIM: "!", BRANCH: "+"},
        {CLAIM: "stale info"},
    ),
    "no deletions": (
        Folder.no_deletions,
        {CLAIM: "!", BRANCH: "+"},
        {CLAIM: "hook declined"},
    ),
    "no forced pushes": (
        lambda server: server.configure("receive.denyNonFastForwards", "true"),
        {CLAIM: "-", BRANCH: "!"},
        {BRANCH: "non-fast-forward"},
    ),
    "a ref that a dead push has locked": (
        lambda server: server.lock(BRANCH),
        {CLAIM: "-", BRANCH: "!"},
        {BRANCH: "failed to update ref"},
    ),
    "a stale packed-refs.lock": (
        lambda server: server.lock("packed-refs"),
        {CLAIM: "!", BRANCH: "+"},
        {CLAIM: "failed to update ref"},
    ),
    "a branch that is checked out there": (
        lambda server: server.check_out(BRANCH),
        {CLAIM: "-", BRANCH: "!"},
        {BRANCH: "branch is currently checked out"},
    ),
}


@pytest.mark.parametrize("wrong", SAYS)
def test_what_a_server_refuses_is_listed_and_the_rest_is_placed(
    repo: Repo, server: Folder, wrong: str
) -> None:
    first, second = commit(repo, "first"), commit(repo, "second")
    remote = connect(repo, server)
    remote.push({CLAIM: (None, first), BRANCH: (None, first)})
    break_it, flags, reasons = SAYS[wrong]
    break_it(server)

    pushed = remote.push({CLAIM: (first, None), BRANCH: (first, second)})

    assert (pushed.flags, pushed.reasons) == (flags, reasons)
    assert pushed.exit_code == 1
    wanted = {CLAIM: None, BRANCH: second}
    for ref, new in wanted.items():
        assert server.refs().get(ref) == (new if pushed.placed(ref) else first)


def test_a_server_that_denies_deletions_denies_those_of_branches_alone(
    repo: Repo, server: Folder
) -> None:
    server.configure("receive.denyDeletes", "true")
    remote, first = connect(repo, server), commit(repo, "first")
    remote.push({CLAIM: (None, first), BRANCH: (None, first)})
    pushed = remote.push({CLAIM: (first, None), BRANCH: (first, None)})
    assert pushed.flags == {CLAIM: "-", BRANCH: "!"}
    assert pushed.reasons == {BRANCH: "deletion prohibited"}


def test_a_hidden_ref_is_refused_when_it_is_created(repo: Repo, server: Folder) -> None:
    server.configure(servers.HIDE, "refs/gitagent")
    pushed = connect(repo, server).push({CLAIM: (None, commit(repo, "first"))})
    assert pushed.reasons == {CLAIM: "deny updating a hidden ref"}


def test_a_lost_reply_is_repeated_by_curl_and_refused_though_it_was_applied(
    repo: Repo, http: Http
) -> None:
    remote, first = connect(repo, http), commit(repo, "first")
    http.faults(drop_next=1)
    pushed = remote.push({CLAIM: (None, first)})
    assert (http.counts()["pushes"], http.counts()["dropped"]) == (2, 1)
    assert pushed.flags == {CLAIM: "!"}
    assert not pushed.placed(CLAIM)
    assert remote.read(CLAIM) == {CLAIM: first}


def test_a_fetch_that_got_no_reply_says_so_and_the_next_one_is_whole(
    repo: Repo, http: Http
) -> None:
    remote, first = connect(repo, http), commit(repo, "first")
    remote.push({TASKS: (None, first), CLAIM: (None, first)})
    http.faults(drop_others=1.0)
    refuses_to_guess(remote)
    http.faults()
    assert remote.fetch(SPECS) == Fetched()


def test_where_every_reply_is_lost_nothing_is_listed(repo: Repo, http: Http) -> None:
    remote, first = connect(repo, http), commit(repo, "first")
    http.faults(drop=1.0)
    pushed = remote.push({CLAIM: (None, first)})
    assert (pushed.flags, pushed.exit_code) == ({}, 1)
    assert not pushed.placed(CLAIM)
    assert remote.read(CLAIM) == {CLAIM: first}


def test_what_is_listed_as_placed_is_there_though_pushes_are_killed(repo: Repo, http: Http) -> None:
    remote = connect(repo, http)
    http.faults(kill=0.7, kill_within=0.03, seed=7)
    commits = {f"{CLAIMS}k{at:04}": commit(repo, str(at)) for at in range(30)}
    placed = {ref for ref, oid in commits.items() if remote.push({ref: (None, oid)}).placed(ref)}
    http.faults()

    there = remote.read()
    print(f"F2 killed pushes: {http.counts()['killed']}, placed {len(placed)}, there {len(there)}")
    assert http.counts()["killed"] > 10
    assert 0 < len(placed) < 30
    assert all(there[ref] == commits[ref] for ref in placed)
    assert all(oid == commits[ref] for ref, oid in there.items())
    http.git("fsck", "--strict")


def test_a_push_that_takes_too_long_is_unknown_and_leaves_no_process(
    repo: Repo, http: Http
) -> None:
    remote, first = connect(repo, http, timeout=1.0), commit(repo, "first")
    remote.read()
    http.faults(delay=60)
    began = time.monotonic()

    pushed = remote.push({CLAIM: (None, first), BRANCH: (None, first)})

    assert time.monotonic() - began < 20
    assert (pushed.flags, pushed.exit_code) == ({}, NO_EXIT)
    assert "did not end within 1 seconds" in pushed.said
    left = [each.name() for each in psutil.Process().children(recursive=True)]
    assert not [name for name in left if name.startswith("git")]
    with pytest.raises(NoAnswer, match="did not end"):
        remote.read()
    with pytest.raises(NoAnswer, match="did not end"):
        remote.fetch(SPECS)


def test_large_pushes_come_in_chunks_and_many_refs_compressed(repo: Repo, http: Http) -> None:
    repo.git("config", "http.postBuffer", "65536")
    large = repo.write("large", random.Random(0).randbytes(1 << 20))  # noqa: S311
    repo.git("add", "large")
    repo.git("commit", "-qm", "large")
    remote, tip = connect(repo, http), repo.git("rev-parse", "HEAD")
    refs = {f"{CLAIMS}{at:05}": (None, tip) for at in range(50)}

    assert remote.push(refs).exit_code == 0

    assert remote.read(f"{CLAIMS}*") == dict.fromkeys(refs, tip)
    assert http.git("cat-file", "-s", f"{tip}:large") == str(large.stat().st_size)
    repo.git("update-ref", "-d", "HEAD")
    clone = Repo.create(repo.path.parent / "clone", repo.person)
    assert connect(clone, http).fetch(SPECS).exit_code == 0
    assert clone.git("rev-parse", "refs/gitagent/r/claims/00049") == tip


@pytest.mark.parametrize(("number", "turns"), [(1000, 1), (1001, 2)])
def test_a_thousand_refs_are_pushed_at_once_and_more_in_turns(
    repo: Repo, server: Folder, number: int, turns: int
) -> None:
    remote, first = connect(repo, server), commit(repo, "first")
    refs = [f"{CLAIMS}{at:05}" for at in range(number)]
    server.hook("pre-receive", "cat >/dev/null; echo >>turns")
    began = time.monotonic()
    created = remote.push(dict.fromkeys(refs, (None, first)))
    deleted = remote.push(dict.fromkeys(refs, (first, None)))
    print(f"D13 {number} refs created and deleted over a folder: {time.monotonic() - began:.2f} s")
    assert set(created.flags) == set(deleted.flags) == set(refs)
    assert (set(created.flags.values()), set(deleted.flags.values())) == ({"*"}, {"-"})
    assert server.refs() == {}
    assert len((server.path / "turns").read_text()) == 2 * turns


def test_pushing_nothing_asks_nobody(repo: Repo) -> None:
    assert connect(repo, "http://127.0.0.1:1/x").push({}).exit_code == 0


def test_a_missing_ref_is_named_and_the_rest_is_fetched(repo: Repo, anywhere: Folder) -> None:
    remote, first = connect(repo, anywhere), commit(repo, "first")
    assert remote.fetch(SPECS) == Fetched(missing=frozenset({TASKS}))
    remote.push({CLAIM: (None, first)})
    assert remote.fetch(SPECS) == Fetched(missing=frozenset({TASKS}))
    assert repo.git("rev-parse", "refs/gitagent/r/claims/k3x9m") == first
    remote.push({TASKS: (None, first)})
    assert remote.fetch(SPECS) == Fetched()
    assert repo.git("rev-parse", "refs/gitagent/r/tasks") == first


def test_what_the_remote_deleted_is_pruned_but_never_the_tasks(repo: Repo, server: Folder) -> None:
    remote, first = connect(repo, server), commit(repo, "first")
    remote.push({TASKS: (None, first), CLAIM: (None, first)})
    remote.fetch(SPECS)
    remote.push({TASKS: (first, None), CLAIM: (first, None)})
    assert remote.fetch(SPECS).missing == {TASKS}
    assert fetched(repo) == {"refs/gitagent/r/tasks": first}


@pytest.mark.parametrize("shown", ["true", "false"])
def test_a_rewound_ref_is_reported_and_kept_and_the_rest_is_fetched(
    repo: Repo, server: Folder, shown: str
) -> None:
    """With `fetch.showForcedUpdates=false` git itself would take the rewind in silence."""
    repo.git("config", "fetch.showForcedUpdates", shown)
    remote, first = connect(repo, server), commit(repo, "first")
    second = commit(repo, "second", first)
    elsewhere = Repo.create(repo.path.parent / "elsewhere", repo.person)
    rewritten = commit(elsewhere, "rewritten")
    remote.push({TASKS: (None, second)})
    remote.fetch(SPECS)
    connect(elsewhere, server).push({TASKS: (second, rewritten), CLAIM: (None, rewritten)})

    found = remote.fetch(SPECS)

    assert found == Fetched(rewound={TASKS: rewritten})
    assert fetched(repo) == {
        "refs/gitagent/r/tasks": second,
        "refs/gitagent/r/claims/k3x9m": rewritten,
    }
    assert repo.git("cat-file", "-t", rewritten) == "commit"
    remote.push({TASKS: (rewritten, first)})
    assert remote.fetch(SPECS[:1]).rewound == {TASKS: first}


@pytest.mark.parametrize("locked", ["tasks", "claims/k3x9m"])
def test_what_cannot_be_written_here_is_neither_missing_nor_rewound(
    repo: Repo, server: Folder, locked: str
) -> None:
    remote, first = connect(repo, server), commit(repo, "first")
    remote.push({TASKS: (None, first), CLAIM: (None, first)})
    lock = repo.path / f".git/refs/gitagent/r/{locked}.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    found = remote.fetch(SPECS)
    assert (found.missing, found.rewound, found.exit_code) == (frozenset(), {}, 1)
    assert f"{locked}.lock" in found.said


def test_fetching_leaves_nothing_else_behind(repo: Repo, server: Folder) -> None:
    remote, first = connect(repo, server), commit(repo, "first")
    server_tag = "refs/tags/v1"
    remote.push({TASKS: (None, first), server_tag: (None, first), BRANCH: (None, first)})
    repo.git("remote", "add", "origin", server.url)
    remote.fetch(SPECS)
    assert set(fetched(repo)) == {"refs/gitagent/r/tasks"}
    assert not (repo.path / ".git/FETCH_HEAD").exists()


@pytest.mark.parametrize(
    "options", [("--depth=1", "--branch=main"), ("--single-branch", "--branch=main")]
)
def test_a_clone_with_less_in_it_pushes_and_fetches(
    repo: Repo, server: Folder, tmp_path: Path, options: tuple[str, ...]
) -> None:
    for name in ("one", "two", "three"):
        repo.write(name, name)
        repo.git("add", name)
        repo.git("commit", "-qm", name)
    first = commit(repo, "first task")
    tip = repo.git("rev-parse", "HEAD")
    remote = connect(repo, server)
    remote.push({"refs/heads/main": (None, tip), TASKS: (None, first)})
    url = f"file://{server.path}"
    repo.git("clone", "-q", *options, url, str(tmp_path / "less"))
    less = Repo(tmp_path / "less", repo.person)
    work = less.git("commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "work")
    small = connect(less, url)

    assert small.fetch(SPECS) == Fetched()
    assert small.push({BRANCH: (None, work), TASKS: (first, None)}).exit_code == 0
    again = commit(less, "second task", first)
    assert small.push({TASKS: (None, again)}).exit_code == 0
    assert remote.fetch((f"{BRANCH}:refs/heads/got", SPECS[0])) == Fetched()
    assert small.fetch(SPECS) == Fetched()

    assert repo.git("rev-parse", "refs/heads/got", "refs/heads/got~1") == f"{work}\n{tip}"
    assert less.git("rev-parse", "refs/gitagent/r/tasks") == again
    server.git("fsck", "--strict")


def test_only_what_is_asked_for_is_read(repo: Repo, either: Folder) -> None:
    remote, first = connect(repo, either), commit(repo, "first")
    assert remote.read() == {}
    assert remote.read(CLAIM) == {}
    nested = f"refs/heads/{CLAIM}"
    remote.push({CLAIM: (None, first), nested: (None, first), BRANCH: (None, first)})
    assert remote.read(CLAIM) == {CLAIM: first}
    assert remote.read(f"{CLAIMS}*") == {CLAIM: first}
    assert set(remote.read("refs/heads/*", CLAIM)) == {CLAIM, nested, BRANCH}
    assert set(remote.read()) == {CLAIM, nested, BRANCH}


def test_no_answer_is_not_absent(repo: Repo, http: Http, tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        for url in (f"http://127.0.0.1:{port}/x", str(tmp_path / "nowhere")):
            refuses_to_guess(connect(repo, url))
    for status in (403, 429, 500):
        http.faults(refuse=1.0, status=status)
        refuses_to_guess(connect(repo, http))
    http.faults(user="ada:secret")
    refuses_to_guess(connect(repo, http))


def refuses_to_guess(remote: Remote) -> None:
    with pytest.raises(NoAnswer):
        remote.read(CLAIM)
    for specs in (SPECS, SPECS[1:]):
        with pytest.raises(NoAnswer):
            remote.fetch(specs)
    pushed = remote.push({CLAIM: ("a" * 40, None)})
    assert pushed.flags == {}
    assert pushed.exit_code not in (0, NO_EXIT)


def test_the_persons_own_helper_gives_the_password_and_the_repositorys_is_not_run(
    repo: Repo, http: Http, tmp_path: Path
) -> None:
    http.faults(user="ada:secret")
    trap = tmp_path / "trap"
    repo.git("config", "credential.helper", f"!touch {trap} #")
    repo.git("config", f"credential.{http.url}.helper", f"!touch {trap} #")
    repo.git("config", "core.askPass", str(executable(tmp_path / "ask", f"touch {trap}")))
    with pytest.raises(NoAnswer):
        connect(repo, http).read()

    helper = "!echo username=ada; echo password=secret #"
    repo.git("config", "--global", f"credential.http://127.0.0.1:{http.port}.helper", helper)

    assert connect(repo, http).read() == {}
    assert not trap.exists()


def test_a_server_that_asks_gets_the_persons_own_askpass(
    repo: Repo, http: Http, tmp_path: Path
) -> None:
    http.faults(user="secret:secret")
    ask = executable(tmp_path / "ask", "echo secret")
    repo.git("config", "--global", "core.askPass", str(ask))
    assert connect(repo, http).read() == {}


def test_no_program_that_the_repository_names_is_started(repo: Repo, tmp_path: Path) -> None:
    trap = executable(tmp_path / "trap", f"touch {tmp_path / 'sprung'}")
    repo.git("config", "core.sshCommand", str(trap))
    repo.git("config", "core.gitProxy", str(trap))
    repo.git("config", "core.fsmonitor", str(trap))
    repo.git("config", "protocol.ext.allow", "always")
    for hook in ("pre-push", "reference-transaction"):
        executable(repo.path / ".git/hooks" / hook, str(trap))
    with servers.folder(tmp_path / "server.git") as server:
        remote, first = connect(repo, server), commit(repo, "first")
        assert remote.push({TASKS: (None, first)}).exit_code == 0
        assert remote.fetch(SPECS) == Fetched()
    for url in ("ssh://127.0.0.1:1/x", "git://127.0.0.1:1/x"):
        refuses_to_guess(connect(repo, url))
    assert not (tmp_path / "sprung").exists()


def test_the_repository_may_not_send_a_call_elsewhere(
    repo: Repo, server: Folder, tmp_path: Path
) -> None:
    remote = connect(repo, server)
    assert remote.read() == {}  # so that a change afterwards is seen
    for key in (
        f"url.{tmp_path}/other.insteadOf",
        f"url.{tmp_path}/other.pushInsteadOf",
        "http.proxy",
        "http.https://example.com.sslVerify",
    ):
        repo.git("config", key, str(server.path.parent))
        with pytest.raises(Refused, match="diverts") as refusal:
            remote.push({CLAIM: (None, commit(repo, "first"))})
        assert refusal.value.hint == "move it to your own configuration: `git config --global`"
        repo.git("config", "--unset", key)
    assert remote.read() == {}


def test_a_url_that_is_configured_as_a_remotes_name_is_refused(repo: Repo) -> None:
    url = "ssh://127.0.0.1:1/x"
    repo.git("config", f"remote.{url}.receivepack", "touch sprung;")
    with pytest.raises(Refused, match=r"diverts .*receivepack"):
        connect(repo, url).read()


def test_the_persons_own_rewriting_of_urls_holds(repo: Repo, server: Folder) -> None:
    repo.git("config", "--global", f"url.{server.path.parent}/.insteadOf", "work:")
    first = commit(repo, "first")
    remote = connect(repo, "work:server.git")
    assert remote.push({CLAIM: (None, first)}).exit_code == 0
    assert remote.read() == server.refs() == {CLAIM: first}


@pytest.mark.parametrize(
    "url",
    [
        "--upload-pack=touch x",
        "ext::sh -c x",
        "foo::/x",
        "/x\ny",
        "https://x/\x1b[2J",
        "origin",
        "../x",
        "",
    ],
)
def test_what_is_no_url_is_refused_before_git_sees_it(repo: Repo, url: str) -> None:
    with pytest.raises(UsageError) as refusal:
        connect(repo, url)
    assert refusal.value.message.isprintable()


@pytest.mark.parametrize(
    "ref", ["k3x9m", "refs/heads/a b", "refs/heads/../x", "+refs/heads/x", "refs/*"]
)
def test_what_is_no_ref_is_refused_before_git_sees_it(repo: Repo, server: Folder, ref: str) -> None:
    with pytest.raises(UsageError):
        connect(repo, server).push({ref: (None, commit(repo, "first"))})


def test_secrets_in_urls_are_shown_to_nobody(repo: Repo, http: Http) -> None:
    http.faults(user="ada:secret")
    url = http.url.replace("//", "//ada:secret@")
    assert connect(repo, url).read() == {}
    http.faults(user="ada:other")
    remote = connect(repo, url)
    with pytest.raises(NoAnswer) as answer:
        remote.read()
    pushed = remote.push({CLAIM: (None, commit(repo, "first"))})
    shown = f"{answer.value}{answer.value.hint}{pushed}"
    assert "127.0.0.1" in shown
    assert "secret" not in shown


def test_masking_keeps_who_one_is_on_an_ssh_server() -> None:
    assert masked("to https://token@x.org/a/b@c") == "to https://***@x.org/a/b@c"
    assert masked("'https://ada:p@ss@x.org'") == "'https://***@x.org'"
    assert masked("ssh://git@x.org/a") == "ssh://git@x.org/a"
    assert masked("ssh://git:secret@x.org/a git@x.org:a/b") == "ssh://git:***@x.org/a git@x.org:a/b"


def test_a_server_that_takes_all_is_used_with_refs_of_our_own(repo: Repo, anywhere: Folder) -> None:
    found = probe(connect(repo, anywhere))
    assert (found.prefix, found.reasons, found.left) == (CLAIMS, (), ())
    assert anywhere.refs() == {}


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (Folder.only_branches, "hook declined"),
        (
            lambda server: server.configure(servers.HIDE, "refs/gitagent"),
            "deny updating a hidden ref",
        ),
        (
            lambda server: server.configure("uploadpack.hideRefs", "refs/gitagent"),
            "it cannot be read back",
        ),
    ],
)
def test_a_server_that_has_no_place_for_refs_of_our_own_keeps_claims_as_branches(
    repo: Repo, server: Folder, wrong: Wrong, reason: str
) -> None:
    wrong(server)
    found = probe(connect(repo, server))
    assert (found.prefix, len(found.reasons), found.left) == (BRANCH_CLAIMS, 1, ())
    assert found.reasons[0].endswith(reason)
    assert server.refs() == {}


def test_a_server_that_takes_nothing_is_said_so_and_left_alone(repo: Repo, server: Folder) -> None:
    server.hook("pre-receive", "exit 1")
    found = probe(connect(repo, server))
    assert (found.prefix, len(found.reasons), found.left) == (None, 2, ())
    assert server.refs() == {}


def test_what_a_server_will_not_delete_is_named(repo: Repo, server: Folder) -> None:
    server.no_deletions()
    found = probe(connect(repo, server))
    assert found.prefix is None
    assert len(found.left) == 2
    assert sorted(found.left) == sorted(server.refs())
    assert all(reason.endswith("cannot be deleted: hook declined") for reason in found.reasons)


def test_a_probe_without_an_answer_says_so(repo: Repo, http: Http) -> None:
    http.faults(refuse=1.0)
    with pytest.raises(NoAnswer):
        probe(connect(repo, http))


def test_a_probe_whose_replies_are_lost_is_read_back(repo: Repo, http: Http) -> None:
    http.faults(drop=1.0)
    assert probe(connect(repo, http)).prefix == CLAIMS
    assert http.refs() == {}


def test_two_fetches_in_one_clone_at_once_both_end_well(repo: Repo, server: Folder) -> None:
    """Where git fails because another one moves the same refs, it is asked again."""
    commits = [commit(repo, str(at)) for at in range(60)]
    other = Repo.create(repo.path.parent / "other", repo.person)
    pushing, fetching = connect(repo, server), connect(other, server)
    pushing.push({f"{CLAIMS}{at:05}": (None, oid) for at, oid in enumerate(commits)})
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: fetching.fetch(SPECS[1:]), range(8)))
    assert found == [Fetched()] * 8
    assert len(fetched(other)) == 60


def fetched(repo: Repo) -> dict[str, str]:
    listed = repo.git("for-each-ref", "--format=%(refname) %(objectname)")
    pairs = (line.split(" ") for line in listed.splitlines())
    return {line[0]: line[1] for line in pairs}


def executable(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path
