"""Repositories of every kind that git makes: they work, or are refused in one line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.quick import Quick, QuickRepo
from support.story import Person, Repo, Said

CONFIG = "version: 1\nbase: main\nverify: []\n"
TOUCH = "echo made > made.txt"


def lives(repo: Repo, agent: str = TOUCH) -> str:
    """Bring a task from `add` to `accept`, and return its run's commit."""
    task = repo.gitagent("add", "Make it", "--verify", "grep -x made made.txt")
    run = repo.json("run", task, "--command", agent)
    assert run["outcome"] == "succeeded"
    assert [check["ok"] for check in run["attempts"][-1]["checks"]] == [True, True]
    assert "made.txt" in repo.gitagent("diff", task, "--stat")
    repo.gitagent("accept", task)
    assert repo.status(task) == "done"
    commit: str = run["commit"]
    assert repo.git("rev-parse", "main") == commit
    return commit


def run(repo: Repo, agent: str, code: int = 0) -> Said:
    """Let an agent do a new task; return what was said."""
    task = repo.gitagent("add", "Something odd")
    said = repo.call("run", task, "--command", agent, "--json")
    assert said.code == code, said
    assert "Traceback" not in said.err
    return said


def refused_in_one_line(repo: Repo, *words: str) -> None:
    """Expect that every command is refused with one line, and a hint at most."""
    for command in ("init", "list", "doctor"):
        said = repo.call(command)
        assert said.code == 2, said
        error, *hints = said.err.splitlines()
        assert all(word in error for word in words), said
        assert len(hints) <= 1
        assert all(hint.startswith("hint: ") for hint in hints)


def clone(origin: QuickRepo, path: Path, *options: str) -> QuickRepo:
    said = origin.person.run(
        "git", "clone", "-q", *options, f"file://{origin.path}", str(path), cwd=path.parent
    )
    assert said.code == 0, said
    return origin.at(path)


@pytest.fixture(scope="module")
def quick() -> Iterator[Quick]:
    with Quick() as quick:
        yield quick


@pytest.fixture
def repo(repo: Repo, quick: Quick) -> QuickRepo:
    """Return a new repository whose `gitagent` starts quickly."""
    return QuickRepo(repo.path, repo.person, quick)


@pytest.fixture
def origin(repo: QuickRepo) -> QuickRepo:
    """Return a repository with a configuration and some history, and no queue."""
    repo.write("gitagent.yaml", CONFIG)
    repo.commit("first")
    repo.commit("second", file="2")
    repo.commit("third", file="3")
    return repo


def test_a_bare_repository_is_worked_in_from_its_own_folder(
    origin: QuickRepo, tmp_path: Path
) -> None:
    bare = clone(origin, tmp_path / "bare.git", "--bare")

    assert "made the branch" in bare.call("init").err
    assert not (bare.path / "gitagent.yaml").exists()
    lives(bare)

    assert bare.git("worktree", "list").count("\n") == 0
    assert "nothing is verified" in bare.gitagent("doctor", code=1)


def test_a_worktree_of_a_bare_repository_is_a_checkout_like_any(
    origin: QuickRepo, tmp_path: Path
) -> None:
    bare = clone(origin, tmp_path / "bare.git", "--bare")
    bare.git("worktree", "add", "-q", str(tmp_path / "tree"), "main")
    tree = origin.at(tmp_path / "tree")
    tree.gitagent("init")

    lives(tree)

    assert (tree.path / "made.txt").read_text() == "made\n"
    assert tree.git("status", "--porcelain") == ""


def test_a_shallow_clone_works_and_stays_shallow(origin: QuickRepo, tmp_path: Path) -> None:
    shallow = clone(origin, tmp_path / "shallow", "--depth=1")
    shallow.gitagent("init")

    lives(shallow)

    moved = f"echo h > h; cd '{shallow.path}'; git commit -q --allow-empty -m moved"
    task = shallow.gitagent("add", "Onto a base that moves")
    landed = shallow.json("run", task, "--integrate", "commit", "--command", moved)
    assert landed["outcome"] == "succeeded"
    assert shallow.git("rev-parse", "--is-shallow-repository") == "true"
    assert shallow.git("rev-list", "--count", "main") == "4"
    assert shallow.git("fsck", "--strict", "--no-dangling") == ""


def test_a_linked_worktree_shares_the_queue_and_nothing_is_left_of_a_run(
    origin: QuickRepo, tmp_path: Path
) -> None:
    origin.gitagent("init")
    lives(origin)
    assert not (origin.path / ".git/worktrees").exists()
    origin.git("worktree", "add", "-q", "-b", "aside", str(tmp_path / "aside"))
    linked = origin.at(tmp_path / "aside")

    task = linked.gitagent("add", "From beside")
    linked.gitagent("run", task, "--command", "echo aside > aside.txt")

    assert origin.status(task) == "in_review"
    assert os.listdir(origin.path / ".git/worktrees") == ["aside"]
    linked.gitagent("accept", task)
    assert (origin.path / "aside.txt").exists()
    assert not (linked.path / "aside.txt").exists()


@pytest.fixture
def with_submodule(origin: QuickRepo, tmp_path: Path) -> QuickRepo:
    library = Repo.create(tmp_path / "library", origin.person)
    library.commit(code="1")
    allowed = ("-c", "protocol.file.allow=always")
    origin.git(*allowed, "submodule", "add", "-q", str(library.path), "lib/sub")
    origin.commit("with a submodule")
    origin.gitagent("init")
    return origin


def test_a_submodule_in_the_base_stays_as_it_is(with_submodule: QuickRepo) -> None:
    before = with_submodule.git("ls-tree", "main", "lib/sub")

    lives(with_submodule)

    assert with_submodule.git("ls-tree", "main", "lib/sub") == before
    assert with_submodule.git("status", "--porcelain") == ""
    assert (with_submodule.path / "lib/sub/code").read_text() == "1"


def test_work_inside_a_submodule_is_refused_in_words_and_not_called_nothing(
    with_submodule: QuickRepo,
) -> None:
    said = run(with_submodule, "echo 2 > lib/sub/code", code=1)

    assert said.json["outcome"] == "checks_failed"
    assert "lib/sub: error: is a submodule" in said.err


def test_inside_a_submodule_is_a_repository_of_its_own(with_submodule: QuickRepo) -> None:
    inner = with_submodule.at(with_submodule.path / "lib/sub")
    inner.gitagent("init")

    lives(inner)

    assert (inner.path / "made.txt").exists()
    assert with_submodule.git("rev-parse", "--verify", "-q", "gitagent/tasks", code=0)


POINTER = (
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
    "size 12345\n"
)


@pytest.fixture
def with_lfs(origin: QuickRepo) -> QuickRepo:
    origin.write(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n")
    origin.write("big.bin", POINTER)
    origin.commit("with a pointer")
    origin.gitagent("init")
    return origin


def test_a_pointer_of_git_lfs_passes_through_as_it_is(with_lfs: QuickRepo) -> None:
    lives(with_lfs, f"grep -q git-lfs big.bin && {TOUCH}")

    assert with_lfs.git("show", "main:big.bin") == POINTER.strip()


def test_a_change_of_a_file_that_lfs_keeps_is_refused_in_words(with_lfs: QuickRepo) -> None:
    said = run(with_lfs, "echo the real thing > big.bin", code=1)

    assert said.json["outcome"] == "checks_failed"
    assert "big.bin: error: has a `filter`" in said.err


def test_with_eol_crlf_the_bytes_of_the_commit_are_what_everybody_gets(origin: QuickRepo) -> None:
    origin.write(".gitattributes", "*.txt text eol=crlf\n")
    origin.write("dos.txt", b"a\r\n")
    origin.commit("with line ends")
    origin.gitagent("init")
    check = "test $(wc -c < dos.txt) = 4"  # as stored, `a` and `b` with LF
    task = origin.gitagent("add", "Add a line", "--verify", check)

    origin.gitagent("run", task, "--command", "echo b >> dos.txt")
    origin.gitagent("accept", task)

    assert (origin.path / "dos.txt").read_bytes() == b"a\r\nb\r\n"
    assert origin.git("status", "--porcelain") == ""


def test_sha256_is_refused_in_one_line(tmp_path: Path, person: Person) -> None:
    repo = Repo.create(tmp_path / "long hashes", person, "--object-format=sha256")
    repo.commit()

    refused_in_one_line(repo, "SHA-256")


def test_reftable_is_refused_in_one_line_with_the_mend(origin: QuickRepo) -> None:
    # git 2.39, the oldest we support, cannot make one; the setting alone says it.
    origin.git("config", "core.repositoryFormatVersion", "1")
    origin.git("config", "extensions.refStorage", "reftable")

    refused_in_one_line(origin, "reftable")
    assert "git refs migrate" in origin.call("list").err


def test_an_extension_that_nobody_knows_is_refused_by_its_name(origin: QuickRepo) -> None:
    origin.git("config", "core.repositoryFormatVersion", "1")
    origin.git("config", "extensions.holographic", "true")

    refused_in_one_line(origin, "holographic")


def test_a_partial_clone_is_refused_in_one_line_until_it_is_whole(
    origin: QuickRepo, tmp_path: Path
) -> None:
    origin.git("config", "uploadpack.allowFilter", "true")
    partial = clone(origin, tmp_path / "partial", "--filter=blob:none")

    refused_in_one_line(partial, "partial clone")

    hint = partial.call("list").err.splitlines()[1]
    assert "git fetch --refetch --no-filter" in hint
    assert "remote.origin.promisor" in hint
    partial.git("fetch", "-q", "--refetch", "--no-filter")
    partial.git("config", "--unset", "remote.origin.promisor")
    partial.gitagent("init")
    lives(partial)


def test_a_sparse_checkout_stays_sparse(origin: QuickRepo) -> None:
    origin.commit_files({"kept/x": "1", "left/out": "1"})
    origin.gitagent("init")
    origin.git("sparse-checkout", "set", "kept")

    lives(origin, f"test -e left/out && {TOUCH}")

    assert not (origin.path / "left").exists()
    assert origin.git("ls-tree", "--name-only", "main", "left") == "left"
    assert origin.git("status", "--porcelain") == ""


def test_a_worktree_with_a_configuration_of_its_own_is_no_hindrance(origin: QuickRepo) -> None:
    origin.git("config", "core.repositoryFormatVersion", "1")
    origin.git("config", "extensions.worktreeConfig", "true")
    origin.gitagent("init")

    lives(origin)


# --- what an agent leaves behind


@pytest.mark.parametrize(
    ("agent", "said_of_it"),
    [
        ("git init -q nested; echo > nested/f", "nested: error: is a git repository of its own"),
        ("mkdir d; git init -q --bare d/bare; mv d/bare/* d", "d: error: has the form of a bare"),
        ("rm .git; git init -q .", ".git: error: has a name that some systems take for `.git`"),
        ("mkdir -p a/.GIT; echo > a/.GIT/config", "error: has a name that some systems take"),
        ("ln -s /etc/hostname out", "out: error: is a symbolic link with an absolute target"),
        ("mkdir e; ln -s ../../x e/up", "e/up: error: is a symbolic link that leaves"),
        ("mkfifo pipe", "pipe: error: is neither a file, a folder nor a symbolic link"),
        ("echo > Same; echo > same", "differs from another name only in case"),
    ],
)
def test_what_cannot_be_stored_is_refused_in_words_and_the_run_ends(
    origin: QuickRepo, agent: str, said_of_it: str
) -> None:
    origin.gitagent("init")

    said = run(origin, f"{agent}; echo fine > fine", code=1)

    assert said_of_it in said.err
    assert said.json["outcome"] in {"checks_failed", "agent_failed"}
    assert origin.git("for-each-ref", "refs/gitagent/claims") == ""
    assert origin.git("worktree", "list").count("\n") == 0


@pytest.mark.parametrize("removal", ["rm -rf ../work", "cd ..; rm -rf work; ln -s /etc work"])
def test_an_agent_that_removes_its_worktree_has_failed_and_may_try_again(
    origin: QuickRepo, removal: str
) -> None:
    origin.gitagent("init")
    script = f"[ $GITAGENT_ATTEMPT = 3 ] && {TOUCH} || {{ {removal}; }}"

    said = run(origin, script)

    classes = [attempt["error_class"] for attempt in said.json["attempts"]]
    assert classes == ["tampered", "tampered", None]
    assert "the agent removed its worktree" in said.err
    assert origin.git("worktree", "list").count("\n") == 0


def test_commits_branches_and_settings_of_an_agent_are_not_what_lands(origin: QuickRepo) -> None:
    origin.gitagent("init")
    hides = "git checkout -q -b mine; echo x > committed; git add -A; git commit -q -m Mine"
    author = "export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=A"

    said = run(origin, f"{author} GIT_COMMITTER_EMAIL=a@b; {hides}; {TOUCH}")

    commit = said.json["commit"]
    assert origin.git("rev-parse", f"{commit}^") == origin.git("rev-parse", "main")
    names = origin.git("diff", "--name-only", "main", commit).splitlines()
    assert names == ["committed", "made.txt"]


def test_links_in_the_base_stay_links_and_new_ones_may_point_inside(origin: QuickRepo) -> None:
    (origin.path / "relative").symlink_to("file")
    (origin.path / "dangling").symlink_to("nowhere")
    (origin.path / "absolute").symlink_to("/etc/hostname")
    origin.commit("links")
    origin.gitagent("init")

    commit = lives(origin, f"{TOUCH}; ln -s made.txt new; ln -sfn gitagent.yaml relative")

    tree = {line.split("\t")[1]: line[:6] for line in origin.git("ls-tree", commit).splitlines()}
    links = {name for name, mode in tree.items() if mode == "120000"}
    assert links == {"relative", "dangling", "absolute", "new"}
    assert origin.git("show", f"{commit}:absolute") == "/etc/hostname"
    assert os.readlink(origin.path / "relative") == "gitagent.yaml"


def test_names_in_the_base_that_differ_in_case_only_are_kept(origin: QuickRepo) -> None:
    origin.commit("case", Read="1", read="2")
    origin.gitagent("init")

    commit = lives(origin, f"{TOUCH}; echo 3 > read")

    assert origin.git("show", f"{commit}:Read") == "1"
    assert origin.git("show", f"{commit}:read") == "3"


def test_a_base_without_a_file_is_a_base(repo: QuickRepo) -> None:
    repo.git("commit", "-q", "--allow-empty", "-m", "nothing yet")
    repo.gitagent("init")
    (repo.path / "gitagent.yaml").unlink()

    lives(repo)


def test_work_that_leaves_no_file_is_a_change_like_any(repo: QuickRepo) -> None:
    repo.commit("one", only="1")
    repo.gitagent("init")
    task = repo.gitagent("add", "Empty it")

    repo.gitagent("run", task, "--command", "rm only")
    repo.gitagent("accept", task)

    assert repo.git("ls-tree", "main") == ""


def test_2000_files_are_checked_out_and_judged_in_seconds(origin: QuickRepo) -> None:
    origin.commit_files({f"d{n % 40}/f{n}": f"{n}\n" for n in range(2000)})
    origin.gitagent("init")

    commit = lives(origin, f"{TOUCH}; rm d7/f7; echo changed > d8/f8")

    names = origin.git("diff", "--name-status", f"{commit}^", commit).splitlines()
    assert names == ["D\td7/f7", "M\td8/f8", "A\tmade.txt"]
    assert origin.git("status", "--porcelain") == ""


def test_a_clone_of_a_repository_with_a_queue_begins_with_one_of_its_own(
    origin: QuickRepo, tmp_path: Path
) -> None:
    origin.gitagent("init")
    origin.gitagent("add", "Not shared yet")
    copy = clone(origin, tmp_path / "copy")

    assert copy.call("list").code == 2
    copy.gitagent("init")
    assert copy.json("list") == []
    lives(copy)


# --- where the checkout is


def test_with_a_separate_git_dir_the_checkout_is_found_and_its_neighbours_left_alone(
    origin: QuickRepo, tmp_path: Path
) -> None:
    place = tmp_path / "git dirs"
    place.mkdir()
    origin.git("init", "-q", "--separate-git-dir", str(place / "one.git"))
    origin.gitagent("init")

    lives(origin)

    assert os.listdir(place) == ["one.git"]
    assert origin.git("status", "--porcelain") == ""


def test_where_the_checkout_cannot_be_known_it_is_refused_to_move_its_branch(
    origin: QuickRepo, tmp_path: Path
) -> None:
    place = tmp_path / "git dirs"
    place.mkdir()
    origin.git("init", "-q", "--separate-git-dir", str(place / "one.git"))
    origin.git("worktree", "add", "-q", "-b", "aside", str(tmp_path / "aside"))
    linked = origin.at(tmp_path / "aside")
    linked.gitagent("init")
    task = linked.gitagent("add", "Make it")
    linked.gitagent("run", task, "--command", TOUCH)

    said = linked.call("accept", task)

    assert said.code == 2, said
    assert "`main` is checked out in a working tree that git keeps no record of" in said.err
    assert os.listdir(place) == ["one.git"]
    assert origin.git("status", "--porcelain") == ""
    origin.gitagent("accept", task)
    assert (origin.path / "made.txt").exists()


def test_a_git_dir_behind_a_link_is_a_git_dir(origin: QuickRepo, tmp_path: Path) -> None:
    place = tmp_path / "git dirs"
    place.mkdir()
    (origin.path / ".git").rename(place / "one.git")
    (origin.path / ".git").symlink_to(place / "one.git")
    origin.gitagent("init")

    lives(origin)

    assert os.listdir(place) == ["one.git"]
    assert origin.git("status", "--porcelain") == ""


def test_a_working_tree_named_by_core_worktree_is_the_checkout(
    origin: QuickRepo, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    origin.git("config", "core.worktree", str(elsewhere))
    inside = origin.at(origin.path / ".git")
    inside.git("reset", "-q", "--hard")
    inside.gitagent("init")

    lives(inside)

    assert (elsewhere / "made.txt").exists()
    assert not (origin.path / "made.txt").exists()


def test_a_checkout_that_is_locked_waits_and_is_accepted_later(origin: QuickRepo) -> None:
    origin.gitagent("init")
    lock = origin.path / ".git/index.lock"
    lock.touch()
    task = origin.gitagent("add", "Make it")

    held = origin.call("run", task, "--integrate", "commit", "--command", TOUCH)

    assert held.code == 1, held
    assert "index.lock" in held.err
    assert origin.show(task)["waiting_for"] == "answer"
    assert "index.lock" in origin.call("accept", task).err
    lock.unlink()
    origin.gitagent("accept", task)
    assert (origin.path / "made.txt").exists()
