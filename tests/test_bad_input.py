"""Bad input gets a clear error and changes nothing; what is merely unusual works."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.quick import Quick
from support.scenes import contents
from support.story import PYTHON, Person, Repo, Said

TOUCH = "echo made > made.txt"
EMPTY = "version: 1\nbase: main\nverify: []\n"
GITAGENT = f"{shlex.quote(PYTHON)} -m gitagent"


def state(repo: Repo) -> tuple[str, str, dict[bytes, object]]:
    """Return all refs, HEAD and the index, and the files: what an error must not change."""
    refs = repo.person.run("git", "for-each-ref", cwd=repo.path).out
    index = repo.person.run("git", "ls-files", "--stage", "-z", cwd=repo.path).out
    return refs, index, dict(contents(repo.path))


def refused(repo: Repo, *arguments: str, says: tuple[str, ...], quick: Quick | None = None) -> Said:
    """Expect exit 2, these words on standard error, and nothing changed."""
    before = state(repo)
    said = quick.call(repo, *arguments) if quick else repo.call(*arguments)
    assert said.code == 2, said
    assert said.out == "" or json.loads(said.out)["error"]
    assert "Traceback" not in said.err
    for words in says:
        assert words in said.err, said
    assert state(repo) == before
    return said


def in_shell(repo: Repo, script: str, *unset: str) -> Said:
    """Run a shell script; what a test can't do from Python it does with the shell's words."""
    environment = repo.person.environment()
    for name in unset:
        del environment[name]
    done = subprocess.run(
        ["bash", "-c", script], cwd=repo.path, env=environment, capture_output=True,
        timeout=60, check=False,
    )  # fmt: skip
    said = Said(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert said.code != 3, said
    assert "Traceback" not in said.err
    return said


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    """Return what each `queue` is a copy of."""
    folder = tmp_path_factory.mktemp("made")
    return Repo.create(folder / "repo", Person(folder / "home")).ready(EMPTY)


@pytest.fixture
def queue(made: Repo, tmp_path: Path, person: Person) -> Repo:
    """Return a repository that is ready, with nothing that verifies."""
    shutil.copytree(made.path, tmp_path / "queue")
    return Repo(tmp_path / "queue", person)


@pytest.fixture(scope="module")
def quick() -> Iterator[Quick]:
    with Quick() as quick:
        yield quick


# --- where it is called


@pytest.mark.parametrize(
    "command",
    [["init"], ["add", "x"], ["list"], ["next", "--command", TOUCH], ["lint"], ["doctor"]],
    ids=" ".join,
)
def test_outside_a_repository_every_command_says_so(
    tmp_path: Path, person: Person, command: list[str]
) -> None:
    place = Repo(tmp_path / "plain", person)
    place.path.mkdir()

    refused(place, *command, says=("is not in a git repository", "hint:", "git init"))


def test_an_error_is_json_where_json_was_asked_for(tmp_path: Path, person: Person) -> None:
    place = Repo(tmp_path / "plain", person)
    place.path.mkdir()

    error = refused(place, "list", "--json", says=()).json["error"]

    assert error["code"] == "refused"
    assert "is not in a git repository" in error["message"]
    assert error["hint"]
    assert set(error) == {"code", "message", "file", "line", "hint"}


def test_before_the_first_commit_init_says_what_to_do(repo: Repo) -> None:
    refused(repo, "init", says=("`main` has no commit", "make a first commit"))


@pytest.mark.parametrize("command", [["add", "x"], ["list"], ["next"], ["lint"]], ids=" ".join)
def test_before_init_every_command_names_init(repo: Repo, command: list[str]) -> None:
    repo.commit()

    refused(repo, *command, says=("no queue yet", "gitagent init"))


def test_on_an_unborn_branch_tasks_can_be_added_and_next_says_what_is_missing(
    queue: Repo,
) -> None:
    queue.git("checkout", "-q", "--orphan", "fresh")
    queue.gitagent("add", "Greet")

    says = ("base branch `fresh` has no commit", "make a first commit")
    refused(queue, "next", "--command", TOUCH, says=says)


def test_a_detached_head_is_no_hindrance_where_the_base_has_a_usual_name(queue: Repo) -> None:
    queue.git("checkout", "-q", "--detach")
    task = queue.gitagent("add", "Greet")

    queue.gitagent("next", "--command", TOUCH)

    assert queue.git("rev-parse", f"gitagent/{task}^") == queue.git("rev-parse", "main")


def test_a_detached_head_without_a_usual_branch_is_refused_with_the_mend(repo: Repo) -> None:
    repo.commit()
    repo.git("branch", "-m", "main", "trunk")
    repo.git("checkout", "-q", "--detach")

    refused(repo, "init", says=("HEAD is detached", "git switch"))


def test_a_renamed_default_branch_is_the_base(repo: Repo) -> None:
    repo.ready("version: 1\nverify: []\n")
    repo.git("branch", "-m", "main", "trünk/x")
    task = repo.gitagent("add", "Greet")

    repo.gitagent("next", "--command", TOUCH)

    assert repo.record(task)["base"] == "trünk/x"
    repo.gitagent("accept", task)
    assert (repo.path / "made.txt").exists()


def test_a_base_that_was_renamed_is_named_with_file_and_key(queue: Repo) -> None:
    queue.git("branch", "-m", "main", "trunk")
    queue.gitagent("add", "Greet")

    says = ("gitagent.yaml", "`base` names `main`", "no such branch", "hint:")
    refused(queue, "next", "--command", TOUCH, says=says)


def test_the_queue_itself_is_no_base(repo: Repo) -> None:
    repo.ready("version: 1\nbase: gitagent/tasks\n")
    repo.gitagent("add", "Greet")

    refused(repo, "next", "--command", TOUCH, says=("`base` names `gitagent/tasks`",))


def test_a_branch_called_gitagent_is_in_the_way_and_the_mend_is_said(repo: Repo) -> None:
    repo.commit()
    repo.git("branch", "gitagent")

    refused(repo, "init", says=("there is a branch `gitagent`", "git branch -m gitagent"))


def test_while_the_queue_is_checked_out_it_can_be_read_and_not_written(queue: Repo) -> None:
    task = queue.gitagent("add", "Greet")
    queue.git("switch", "-q", "gitagent/tasks")

    assert task in queue.gitagent("list")
    says = ("`gitagent/tasks` is checked out", "switch -")
    refused(queue, "add", "x", says=says)
    refused(queue, "update", task, "--priority", "0", says=says)
    refused(queue, "drop", task, says=says)


def test_a_run_while_the_queue_is_checked_out_is_folded_afterwards(queue: Repo) -> None:
    task = queue.gitagent("add", "Greet")
    queue.git("switch", "-q", "gitagent/tasks")

    said = queue.call("next", "--command", TOUCH)

    assert said.code == 0, said
    assert "not folded yet" in said.err
    assert queue.git("status", "--porcelain") == ""
    assert queue.status(task) == "in_review"
    queue.git("switch", "-q", "main")
    assert "folded" in queue.call("doctor", "--fix").err
    assert queue.record(task)["outcome"] == "succeeded"


# --- names and texts


@pytest.mark.parametrize(
    "name",
    [
        b"sp ace 'q' \"d\"",
        b"new\nline",
        b"ends with newline\n",
        b" blanks ",
        b"$HOME`x`;*?[a]\\",
        b"caf\xc3\xa9",
        b"not utf-8 \xff\xfe",
        b"-dash",
    ],
)
def test_a_repository_in_a_folder_of_any_name_works_from_add_to_accept(
    tmp_path: Path, person: Person, name: bytes
) -> None:
    repo = Repo.create(tmp_path / os.fsdecode(name), person).ready(EMPTY)
    task = repo.gitagent("add", "Greet", "--verify", "grep -x made made.txt")

    assert repo.gitagent("next", "--command", TOUCH) == f"gitagent/{task}"

    assert repo.record(task)["verified"] is True
    assert "made.txt" in repo.gitagent("diff", task, "--stat")
    assert "succeeded" in repo.gitagent("log", task)
    repo.gitagent("accept", task)
    assert (repo.path / "made.txt").read_text() == "made\n"
    assert repo.git("status", "--porcelain") == ""


def test_the_same_from_a_linked_worktree_in_a_folder_with_such_a_name(
    queue: Repo, tmp_path: Path
) -> None:
    place = tmp_path / os.fsdecode(b"li nked\n\xff'")
    queue.git("worktree", "add", "-q", "-b", "aside", str(place))
    linked = Repo(place, queue.person)
    task = linked.gitagent("add", "Greet")

    linked.gitagent("next", "--command", TOUCH)

    assert queue.status(task) == "in_review"
    linked.gitagent("accept", task)
    assert (queue.path / "made.txt").exists()
    assert not (place / "made.txt").exists()


def test_files_of_any_name_go_through_agent_check_diff_and_accept(queue: Repo) -> None:
    names = [
        b"sp ace",
        b"'q'",
        b'"d"',
        b"new\nline",
        b"\xff\xfe",
        b"tab\t",
        b"\xc3\xa9",
        b"-x",
        b"*",
    ]
    for name in names:
        Path(os.fsdecode(os.path.join(os.fsencode(queue.path), name))).write_text("one\n")
    queue.commit("odd names")
    appends = 'for f in *; do [ "$f" = gitagent.yaml ] || echo two >> "./$f"; done'
    check = 'for f in *; do [ "$f" = gitagent.yaml ] || grep -qx two "./$f" || exit 1; done'
    task = queue.gitagent("add", "Twice", "--verify", check)

    queue.gitagent("next", "--command", f"{appends}; cp '*' \"$(printf 'copy\\n\\377')\"")

    patch = queue.call("diff", task).out
    assert patch.count("diff --git") == len(names) + 1
    queue.gitagent("accept", task)
    for name in (*names, b"copy\n\xff"):
        assert (
            Path(os.fsdecode(os.path.join(os.fsencode(queue.path), name))).read_text()
            == "one\ntwo\n"
        )
    assert queue.git("status", "--porcelain") == ""


def test_a_conflict_in_a_file_whose_name_is_no_text_is_told_and_recorded(queue: Repo) -> None:
    name = os.fsdecode(b"n\xff\nw")
    (queue.path / name).write_text("one\n")
    queue.commit("odd name")
    task = queue.gitagent("add", "Conflict")
    moves = 'for f in n*; do echo base > "$f"; done; git commit -qam moved'
    agent = f"for f in n*; do echo agent > \"$f\"; done; cd '{queue.path}'; {moves}"

    said = queue.call("next", "--integrate", "commit", "--command", agent)

    assert said.code == 1, said
    assert "conflicts with `main` as it is now" in said.err
    assert queue.show(task)["waiting_for"] == "conflict"


# --- task files, as they may come from anybody's push


BROKEN: dict[str, tuple[bytes, int, str]] = {
    "tabbb": (b"---\ntitle: x\n\tstatus: open\n---\n", 3, "a tab"),
    "twcee": (b"---\ntitle: x\nstatus: open\ntitle: y\n---\n", 4, "`title` stands here again"),
    "bmbbb": (
        b"---\ntitle: x\na: &a [x, x]\n" + b"b: [*a, *a, *a, *a]\n" * 99 + b"---\n", 3, "anchor"
    ),
    "bgggg": (b"---\ntitle: x\n---\n" + b"x" * (10 << 20), 1, "10,485,777 bytes"),
    "stata": (b"---\ntitle: x\nstatus: opne\n---\n", 3, "`status`"),
    "sefff": (b"---\ntitle: x\nblocked_by: [sefff]\n---\n", 3, "needs itself"),
    "ntttt": (b"---\nstatus: open\n---\n", 2, "`title` is missing"),
    "nxxxx": (b"\xff\xfe", 1, "UTF-8"),
}  # fmt: skip
GOOD = {
    "crfff": b"---\r\ntitle: From Windows\r\npriority: 1\r\n---\r\nBody\r\n",
    "bemmm": b"\xef\xbb\xbf---\ntitle: With a mark\n---\nBody\n",
}


def push(repo: Repo, files: dict[str, bytes]) -> None:
    """Put files onto the tasks branch with nothing but git, as a push of somebody's would."""
    index = str(repo.person.home / "index")

    def git(*arguments: str, stdin: bytes = b"") -> str:
        said = repo.person.run("git", *arguments, cwd=repo.path, stdin=stdin, GIT_INDEX_FILE=index)
        assert said.code == 0, said
        return said.out.strip()

    git("read-tree", "gitagent/tasks")
    for path, data in files.items():
        blob = git("hash-object", "-w", "--stdin", stdin=data)
        git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
    commit = git("commit-tree", "-p", "gitagent/tasks", "-m", "pushed", git("write-tree"))
    git("update-ref", "refs/heads/gitagent/tasks", commit)


def path_of(task: str) -> str:
    return f"tasks/{task[:2]}/{task}.md"


@pytest.fixture
def mixed(queue: Repo) -> Repo:
    """Return a queue with broken files among two unusual and one usual one."""
    queue.gitagent("add", "Usual")
    files = {path_of(task): data for task, (data, _, _) in BROKEN.items()}
    files |= {path_of(task): data for task, data in GOOD.items()}
    push(queue, files | {"tasks/zz/notes.txt": b"hi", os.fsdecode(b"tasks/\xff.md"): b"x"})
    return queue


def test_lint_names_each_broken_file_with_its_line_and_exits_2(mixed: Repo) -> None:
    said = mixed.call("lint")

    assert said.code == 2
    for task, (_, line, words) in BROKEN.items():
        found = [row for row in said.out.splitlines() if row.startswith(path_of(task))]
        assert len(found) == 1, said
        assert found[0].startswith(f"{path_of(task)}:{line}: error: ")
        assert words in found[0]
    assert "tasks/zz/notes.txt: error: is not named like a task" in said.out
    assert "3 tasks are good; 10 errors" in said.err


def test_lint_names_them_in_json_too(mixed: Repo) -> None:
    rows = mixed.json("lint", code=2)

    lines = {row["file"]: row["line"] for row in rows}
    assert {path_of(task): line for task, (_, line, _) in BROKEN.items()}.items() <= lines.items()


def test_every_other_task_still_works(mixed: Repo) -> None:
    said = mixed.call("list")
    assert said.code == 0
    for title in ("Usual", "From Windows", "With a mark"):
        assert title in said.out
    for task, (_, line, _) in BROKEN.items():
        assert f"warning: {path_of(task)}:{line}: " in said.err

    mixed.gitagent("next", "--count", "3", "--command", TOUCH)

    assert {mixed.status(task) for task in GOOD} == {"in_review"}
    for task, data in GOOD.items():
        now = mixed.person.run("git", "show", f"gitagent/tasks:{path_of(task)}", cwd=mixed.path)
        status = "status: in_review" + ("\r\n" if b"\r\n" in data else "\n")
        assert now.out.replace(status, "") == data.decode(), "only the status was written"


def test_a_command_on_a_broken_task_says_where_it_is_broken(mixed: Repo, quick: Quick) -> None:
    commands = ["show", "why", "run", "update --priority 1", "drop", "log", "diff", "accept"]
    for task, (_, line, words) in BROKEN.items():
        for command in commands:
            says = (f"error: {path_of(task)}:{line}: ", words)
            refused(mixed, *command.split(), task, says=says, quick=quick)


def test_a_broken_task_can_be_needed_and_says_what_blocks(mixed: Repo) -> None:
    push(mixed, {path_of("needy"): b"---\ntitle: Needy\nblocked_by: [ntttt]\n---\n"})

    says = ("needy cannot be run", "ntttt has a broken file", "gitagent lint")
    refused(mixed, "run", "needy", "--command", TOUCH, says=says)


@pytest.fixture
def editor(person: Person) -> Callable[[str], dict[str, str]]:
    """Return a function that makes an editor of a shell script whose `$1` is the file."""

    def make(script: str) -> dict[str, str]:
        path = person.home / "the editor"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return {"EDITOR": shlex.quote(str(path))}

    return make


def test_edit_mends_a_broken_task(mixed: Repo, editor: Callable[[str], dict[str, str]]) -> None:
    mends = "printf -- '---\\ntitle: Mended\\n---\\n' > \"$1\""
    mixed.given(editor(mends)).gitagent("edit", "tabbb")

    assert mixed.show("tabbb")["title"] == "Mended"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("printf -- '---\\ntile: x\\n---\\n' > \"$1\"", ":2: `title` is missing"),
        ("printf '\\377' > \"$1\"", "is not UTF-8"),
        ('rm "$1"', "left no file behind"),
        ("exit 3", "ended with exit status 3"),
    ],
)
def test_an_edit_that_cannot_be_used_changes_nothing(
    queue: Repo, editor: Callable[[str], dict[str, str]], script: str, words: str
) -> None:
    task = queue.gitagent("add", "Greet")

    refused(queue.given(editor(script)), "edit", task, says=(words,))


def test_an_edit_without_an_editor_says_how_to_get_one(queue: Repo) -> None:
    task = queue.gitagent("add", "Greet")

    says = ("there is no editor", "set EDITOR")
    refused(queue.given({"TERM": "dumb"}), "edit", task, says=says)


# --- who commits


def test_without_an_identity_the_mend_is_said_and_reading_works(queue: Repo) -> None:
    task = queue.gitagent("add", "Greet")
    (queue.person.home / ".gitconfig").unlink()

    says = ("git does not know who you are", "git config --global user.name")
    refused(queue, "add", "x", says=says)
    refused(queue, "next", "--command", TOUCH, says=says)
    assert task in queue.gitagent("list")


def test_an_identity_from_the_environment_counts_as_for_git(queue: Repo) -> None:
    (queue.person.home / ".gitconfig").unlink()
    who = {"GIT_AUTHOR_NAME": "Grace", "GIT_AUTHOR_EMAIL": "grace@example.com"}

    task = queue.given(who).gitagent("add", "Greet")
    queue.given(who).gitagent("next", "--command", TOUCH)

    author = queue.git("show", "-s", "--format=%an <%ae>", f"gitagent/{task}")
    assert author == "Grace <grace@example.com>"


def test_a_global_configuration_in_another_place_counts_as_for_git(
    queue: Repo, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "gitconfig"
    (queue.person.home / ".gitconfig").rename(elsewhere)
    queue = queue.given({"GIT_CONFIG_GLOBAL": str(elsewhere), "GNUPGHOME": str(tmp_path)})

    queue.gitagent("add", "Greet")

    elsewhere.write_text(elsewhere.read_text() + "[commit]\n\tgpgSign = true\n")
    says = ("git commit-tree", "commit.gpgSign")
    refused(queue, "next", "--command", TOUCH, says=says)


def test_signing_without_a_key_is_refused_before_anything_is_claimed(queue: Repo) -> None:
    queue.git("config", "--global", "commit.gpgSign", "true")
    queue.git("config", "--global", "gpg.format", "ssh")
    task = queue.gitagent("add", "Greet")

    says = ("user.signingKey", "make `git commit -S` work", "unset `commit.gpgSign`")
    refused(queue, "next", "--command", TOUCH, says=says)

    assert queue.show(task)["ready"] is True
    assert not list((queue.path / ".git/gitagent").glob("runs/*"))


def test_a_commit_is_signed_with_the_persons_key_and_the_repositorys_word_is_ignored(
    queue: Repo, person: Person
) -> None:
    key = person.home / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    public = (person.home / "key.pub").read_text()
    (person.home / "allowed").write_text(f"ada@example.com {public}")
    for name, value in {
        "commit.gpgSign": "true",
        "gpg.format": "ssh",
        "user.signingKey": str(key),
        "gpg.ssh.allowedSignersFile": str(person.home / "allowed"),
    }.items():
        queue.git("config", "--global", name, value)
    evil = person.home / "evil"
    evil.write_text(f"#!/bin/sh\ntouch {evil}.ran\nexit 1\n")
    evil.chmod(0o755)
    queue.git("config", "gpg.ssh.program", str(evil))

    signed = queue.gitagent("add", "Signed")
    queue.gitagent("next", "--command", TOUCH)

    verified = queue.person.run(
        "git", "-c", "gpg.ssh.program=ssh-keygen", "verify-commit", f"gitagent/{signed}",
        cwd=queue.path,
    )  # fmt: skip
    assert verified.code == 0, verified
    assert "Good" in verified.err
    assert "ada@example.com" in verified.err

    queue.git("config", "--global", "--unset", "commit.gpgSign")
    queue.git("config", "commit.gpgSign", "true")
    plain = queue.gitagent("add", "Not signed")
    queue.gitagent("run", plain, "--command", TOUCH)

    assert "gpgsig" not in queue.git("cat-file", "-p", f"gitagent/{plain}")
    assert not Path(f"{evil}.ran").exists()


# --- git's own settings


@pytest.mark.parametrize("autocrlf", ["true", "input"])
def test_line_ends_are_stored_as_the_agent_left_them_whatever_autocrlf_says(
    repo: Repo, autocrlf: str
) -> None:
    repo.write("dos.txt", b"a\r\nb\r\n")
    repo.write("unix.txt", b"a\nb\n")
    repo.ready(EMPTY)
    repo.git("config", "core.autocrlf", autocrlf)
    task = repo.gitagent("add", "Add lines")

    repo.gitagent("next", "--command", "printf 'c\\r\\n' >> dos.txt; printf 'c\\n' >> unix.txt")

    assert repo.git("diff", "--stat", "main", f"gitagent/{task}").count("|") == 2
    for name, end in {"dos.txt": b"\r\n", "unix.txt": b"\n"}.items():
        blob = repo.git("rev-parse", f"gitagent/{task}:{name}")
        wanted = repo.person.run("git", "hash-object", "--stdin", "--no-filters", cwd=repo.path,
                                 stdin=end.join([b"a", b"b", b"c", b""])).out.strip()  # fmt: skip
        assert blob == wanted
    repo.gitagent("accept", task)
    assert repo.git("status", "--porcelain") == ""


def test_failing_hooks_are_not_in_the_way(queue: Repo, tmp_path: Path) -> None:
    for name in (
        "pre-commit",
        "commit-msg",
        "post-checkout",
        "reference-transaction",
        "post-merge",
    ):
        hook = tmp_path / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\nexit 1\n")
        hook.chmod(0o755)
    queue.git("config", "core.hooksPath", str(tmp_path / "hooks"))
    task = queue.gitagent("add", "Greet")

    queue.gitagent("next", "--command", TOUCH)
    queue.gitagent("accept", task)

    assert (queue.path / "made.txt").exists()
    assert not (tmp_path / "ran").exists()


def test_as_a_hook_with_gits_variables_set_it_works_on_the_repository_it_is_in(
    queue: Repo, tmp_path: Path
) -> None:
    other = Repo.create(tmp_path / "other", queue.person)
    other.commit()
    untouched = state(other)
    variables = {
        "GIT_DIR": str(other.path / ".git"),
        "GIT_WORK_TREE": str(other.path),
        "GIT_INDEX_FILE": str(other.path / ".git/index.lock"),
        "GIT_OBJECT_DIRECTORY": str(other.path / ".git/objects"),
        "GIT_NAMESPACE": "elsewhere",
        "GIT_PREFIX": "sub/",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "user.name",
        "GIT_CONFIG_VALUE_0": "Nobody",
        "GIT_CONFIG_PARAMETERS": "no sense",
    }
    hook = queue.given(variables)
    agent = f"{TOUCH}; git rev-parse --show-toplevel > where; env > env.txt"

    task = hook.gitagent("add", "Greet", "--verify", 'test -z "$GIT_DIR"')
    hook.gitagent("next", "--command", agent)

    where = queue.git("show", f"gitagent/{task}:where")
    assert where.startswith(str(queue.person.home))
    assert "GIT_" not in queue.git("show", f"gitagent/{task}:env.txt").replace("GITAGENT_", "")
    assert state(other) == untouched


# --- what verifies, and who does it


def test_an_empty_verify_list_is_said_loudly(queue: Repo) -> None:
    task = queue.gitagent("add", "Greet")

    said = queue.call("next", "--command", TOUCH)

    assert said.code == 0
    assert "warning: nothing verifies this task" in said.err
    assert "unverified: no command checked this work" in said.err
    assert queue.record(task)["verified"] is False
    assert "nothing is verified: `verify` is empty" in queue.gitagent("doctor", code=1)


def test_verify_none_is_said_as_loudly_though_the_base_has_checks(repo: Repo) -> None:
    repo.ready("version: 1\nbase: main\nverify: ['false']\n")
    task = repo.gitagent("add", "Greet", "--verify", "none")

    said = repo.call("next", "--command", TOUCH)

    assert said.code == 0
    assert "nothing verifies this task" in said.err
    assert "unverified" in repo.gitagent("show", task)
    refused(repo, "add", "x", "--verify", "none", "--verify", "true", says=("--verify none",))


def test_no_agent_that_can_run_is_said_with_how_to_get_one(queue: Repo) -> None:
    queue.gitagent("add", "Greet")

    refused(queue, "next", says=("no agent can run here", "--command"))
    refused(queue, "next", "--agent", "comand", says=("no agent `comand`", "did you mean"))
    refused(queue, "next", "--agent", "command", says=("no command is given", "--command"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("version: 1\nverfy: []\n", (":2:", "`verfy` is not a known key", "did you mean `verify`")),
        ("version: 2\n", (":1:", "`version` must be 1")),
        ("version: 1\nintegrate: push\n", (":2:", "`integrate`", "branch")),
        ("version: 1\nbudget: {attempts: 0}\n", (":2:", "`budget.attempts`", "from 1")),
        ("version: 1\n\tverify: []\n", (":2:", "a tab")),
        ("- version\n", (":1:", "must be a mapping")),
        ("version: 1\nverify: [{rum: x}]\n", (":2:", "rum", "run")),
    ],
)
def test_a_wrong_configuration_on_the_base_is_told_with_line_key_and_what_is_allowed(
    repo: Repo, text: str, says: tuple[str, ...]
) -> None:
    repo.ready(text)
    repo.gitagent("add", "Greet")

    refused(repo, "next", "--command", TOUCH, says=("gitagent.yaml", *says))
    refused_lint = repo.call("lint")
    assert refused_lint.code == 2
    assert f"gitagent.yaml{says[0]}" in refused_lint.out


def test_a_missing_base_does_not_keep_lint_from_broken_tasks(mixed: Repo) -> None:
    mixed.git("branch", "-m", "main", "trunk")

    said = mixed.call("lint")

    assert said.code == 2
    assert path_of("tabbb") in said.out
    assert "`base` names `main`" in said.out


# --- what is asked for


def test_a_cycle_is_spelled_out_and_refused_at_add_and_at_update(queue: Repo) -> None:
    first = queue.gitagent("add", "First")
    second = queue.gitagent("add", "Second", "--needs", first)
    third = queue.gitagent("add", "Third", "--needs", second)

    cycle = f"{first} needs {third} needs {second} needs {first}"
    refused(queue, "update", first, "--needs", third, says=("would close a cycle", cycle))
    refused(queue, "update", third, "--blocks", first, says=("would close a cycle",))
    refused(queue, "add", "x", "--needs", third, "--blocks", first, says=("would close a cycle",))
    refused(queue, "update", first, "--needs", first, says=(first,))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["add", ""], ("`title`",)),
        (["add", "  "], ("`title`",)),
        (["add", "two\nlines"], ("`title`", "one line")),
        (["add", "bell\a"], ("`title`", "control characters")),
        (["add", "\udcff"], ("UTF-8",)),
        (["add", "x", "--body", "\udcff"], ("UTF-8",)),
        (["add", "x", "--priority", "5"], ("--priority", "choose from 0, 1, 2, 3, 4")),
        (["add", "x", "--priority", "high"], ("--priority", "high")),
        (["add", "x", "--needs", "zzzzz"], ("no task `zzzzz`", "gitagent list")),
        (["add", "x", "--needs", ""], ("no task",)),
        (["add", "x", "--blocks", "zzzzz"], ("no task `zzzzz`",)),
        (["add", "x", "--verify", ""], ("`verify",)),
        (["add", "x", "--integrate", "push"], ("--integrate", "'branch'")),
        (["add", "x", "--label", "two\nlines"], ("`labels",)),
        (["add", "x", "--agent", "a b"], ("`agent`",)),
        (["add", "x", "--body-file", "none.md"], ("`none.md` cannot be read",)),
        (["add", "x", "--body-file", "."], ("`.` cannot be read",)),
        (
            ["add", "t" * (100 << 10), "--source", "s" * (100 << 10), "--model", "m" * (100 << 10)],
            ("bytes", "262,144"),
        ),
        (["add"], ("TITLE", "gitagent add --help")),
        (["show", "zzzzz"], ("no task `zzzzz`",)),
        (["update", "zzzzz", "--priority", "1"], ("no task `zzzzz`",)),
        (["run", "zzzzz"], ("no task `zzzzz`",)),
        (["next", "--count", "0"], ("--count", "from 1 up")),
        (["next", "--count", "all"], ("--count", "from 1 up")),
        (["reject", "zzzzz", "--because", " "], ("`--because` is empty",)),
        (["lst"], ("no command `lst`", "did you mean `gitagent list`?")),
        (["-C", "nowhere", "list"], ("`nowhere` is not a folder",)),
        (["-C"], ("-C",)),
        (["list", "--status", "opne"], ("--status", "'open'")),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_an_argument_that_is_not_allowed_is_told_with_what_is(
    queue: Repo, quick: Quick, arguments: list[str], says: tuple[str, ...]
) -> None:
    refused(queue, *arguments, says=says, quick=quick)


def test_an_id_that_could_be_two_is_refused_with_both(queue: Repo) -> None:
    push(queue, {path_of(task): b"---\ntitle: x\n---\n" for task in ("abcde", "abcdf")})

    refused(queue, "show", "abc", says=("`abc` could be abcde, abcdf", "type more"))
    assert queue.show("abcde")["id"] == "abcde"


# --- the surroundings


def test_without_a_home_the_queue_works_and_a_run_says_what_is_missing(queue: Repo) -> None:
    queue.git("config", "user.name", "Ada")
    queue.git("config", "user.email", "ada@example.com")

    added = in_shell(queue, f"{GITAGENT} add Greet", "HOME")
    assert added.code == 0, added
    assert added.out.strip() in in_shell(queue, f"{GITAGENT} list", "HOME").out

    before = state(queue)
    run = in_shell(queue, f"{GITAGENT} next --command {shlex.quote(TOUCH)}", "HOME")
    assert run.code == 2, run
    assert "HOME is not set" in run.err
    assert state(queue) == before


def test_in_a_folder_that_was_deleted_it_says_so(queue: Repo) -> None:
    gone = "mkdir gone; cd gone; rmdir ../gone"

    said = in_shell(queue, f"{gone}; {GITAGENT} list")
    assert said.code == 2, said
    assert "does not exist any more" in said.err
    assert in_shell(queue, f"{gone}; {GITAGENT} --version").code == 0
    assert in_shell(queue, f"{gone}; {GITAGENT} -C {queue.path} list").code == 0


def test_a_reader_who_goes_away_is_no_error(queue: Repo) -> None:
    for number in range(3):
        queue.gitagent("add", f"Task {number}")

    for command in ("list", "graph --format svg", "list --json", "--help"):
        said = in_shell(queue, f"set -o pipefail; {GITAGENT} {command} | head -0")
        assert (said.code, said.err) == (0, ""), command


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_standard_streams_stop_nothing(queue: Repo, closed: str) -> None:
    task = queue.gitagent("add", "Greet")

    for command in ("list", f"show {task}", f"next --command {shlex.quote(TOUCH)}", "doctor"):
        said = in_shell(queue, f"{GITAGENT} {command} {closed}")
        assert said.code == (1 if command == "doctor" else 0), (command, said)
    assert in_shell(queue, f"{GITAGENT} show zzzzz --json {closed}").code == 2

    record = queue.record(task)
    assert record["outcome"] == "succeeded"
    files = queue.git("ls-tree", "-r", "--name-only", f"gitagent/{task}").splitlines()
    assert files == ["gitagent.yaml", "made.txt"]


def test_a_run_goes_on_when_nobody_reads_what_it_says(queue: Repo) -> None:
    task = queue.gitagent("add", "Greet", "--verify", "sleep 0.2")

    in_shell(queue, f"{GITAGENT} next --command {shlex.quote(TOUCH)} 2>&1 >/dev/null | head -1")

    assert queue.status(task) == "in_review"


def test_a_full_disk_is_an_error_in_words(queue: Repo) -> None:
    said = in_shell(queue, f"{GITAGENT} list --json > /dev/full")

    assert said.code == 1
    assert "No space left on device" in said.err


def test_a_write_that_the_system_refuses_is_an_error_in_words_and_changes_nothing(
    queue: Repo,
) -> None:
    before = state(queue)

    said = in_shell(queue, f"ulimit -f 0; {GITAGENT} add Greet")

    assert said.code in {1, 153}, said  # 153: the shell's word for SIGXFSZ
    assert "bug" not in said.err
    assert state(queue) == before


def test_a_missing_git_is_said(queue: Repo) -> None:
    queue.gitagent("add", "Greet")
    before = state(queue)

    said = queue.call("next", "--command", TOUCH, PATH="/nonexistent")

    assert said.code == 1, said
    assert "cannot run `git`" in said.err
    assert "install `git`" in said.err
    assert state(queue) == before
    assert queue.git("for-each-ref", "refs/gitagent") == ""


def test_text_that_the_terminal_cannot_show_is_still_kept(queue: Repo) -> None:
    plain = queue.given({"LC_ALL": "C", "PYTHONIOENCODING": "ascii"})

    task = plain.gitagent("add", "Grüße — 你好")

    assert queue.show(task)["title"] == "Grüße — 你好"
    assert "Grüße — 你好" in plain.gitagent("list")


def test_refs_that_are_not_gitagents_break_nothing(queue: Repo) -> None:
    queue.git("update-ref", "refs/gitagent/claims/zzzzz", "main")
    queue.git("update-ref", "refs/gitagent/claims/yyyyy", queue.git("rev-parse", "main^{tree}"))
    (queue.path / ".git/refs/gitagent/claims/xxxxx").write_text("garbage\n")
    (queue.path / ".git/refs/heads/empty").write_text("")

    task = queue.gitagent("add", "Greet")
    queue.gitagent("next", "--command", TOUCH)

    assert queue.status(task) == "in_review"
