"""The person's checkout stays as it was, byte for byte, whatever gitagent does beside it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.quick import Quick
from support.scenes import Desk, Fingerprint, Scene, contents, scenes, template
from support.story import PYTHON, Person, Repo, Said
from support.waiting import eventually

Call: TypeAlias = tuple[str, int]

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - only for speed
"""Where scenes are laid out: gitagent syncs every write, and hundreds would wait for a disk."""

FEW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
MANY = settings(FEW, max_examples=600)

GOOD = "echo made > made.txt"
BAD = "echo halfway > half.txt; exit 3"
WRECK = (
    "rm -rf sub *.txt; ln -s /etc/hostname out; mkdir -p d/e; echo > d/e/f; "
    "printf '* filter=mark diff=mark\\n' > .gitattributes; echo x > f.filtered; " + GOOD
)
WORK = (
    f"next|--command|{GOOD}",
    f"next|--command|{BAD}",
    f"next|--command|{WRECK}",
    "next|--command|true",
    f"next|--integrate|patch|--command|{GOOD}",
    f"next|--integrate|report|--command|{GOOD}",
    f"next|--integrate|none|--command|{GOOD}",
    f"run|TASK|--command|{GOOD}",
)
OTHERS = (
    "init",
    "add|New",
    "add|Needy|--needs|TASK",
    "list",
    "list|--all|--json",
    "show|TASK",
    "update|TASK|--priority|1",
    "update|TASK|--status|open",
    "edit|TASK",
    "why|TASK",
    "graph|--all|--format|svg",
    "next|--agent|command",
    f"next|--dry-run|--command|{GOOD}",
    "diff|TASK",
    "accept|TASK|--dry-run",
    "reject|TASK|--because|not so",
    "drop|TASK",
    "status",
    "log|TASK",
    "lint",
    "doctor",
    "doctor|--fix",
    "completion|bash",
    "no-such-command",
)
BUSY = Scene(
    head="feature",
    edits=(
        (b"a.txt", "stage, edit"),
        (b"b c.txt", "delete"),
        (b"sub/d.txt", "git rm"),
        (b"tool.sh", "chmod"),
        (b"f.filtered", "touch"),
        (b"link", "folder"),
    ),
    adds=((b"x.ignored", "write"), (b"made.txt", "stage"), (b"new.txt", "intend")),
    stash=True,
)


def some(commands: tuple[str, ...], most: int) -> st.SearchStrategy[list[Call]]:
    call = st.tuples(st.sampled_from(commands), st.integers(0, 5))
    return st.lists(call, min_size=1, max_size=most)


CALLS = st.tuples(some(WORK, 2), some(OTHERS, 5)).flatmap(
    lambda two: st.permutations([*two[0], *two[1]])
)


@pytest.fixture(scope="module")
def quick() -> Iterator[Quick]:
    with Quick() as quick:
        yield quick


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    """Return the repository that scenes are copies of: with work that failed, and that waits."""
    folder = tmp_path_factory.mktemp("template")
    repo = template(folder / "repo", Person(folder / "home"))
    for command in (GOOD, BAD):
        repo.gitagent("add", f"Make it: {command}")
        repo.call("next", "--command", command)
    needed = repo.gitagent("add", "Open")
    repo.gitagent("add", "Blocked", "--needs", needed)
    return repo


def different(before: Fingerprint, after: Fingerprint) -> set[bytes]:
    """Return the paths that are not as they were."""
    return {path for path in before | after if before.get(path) != after.get(path)}


class Caller:
    """Somebody who calls `gitagent`, and knows the ids that it printed."""

    def __init__(self, quick: Quick, desk: Desk) -> None:
        self.quick = quick
        self.desk = desk
        self.tasks = [task["id"] for task in self._json("list", "--all", "--json")]

    def _json(self, *arguments: str) -> list[dict[str, str]]:
        found: list[dict[str, str]] = self.quick.call(self.desk.repo, *arguments).json
        return found

    def call(self, command: str, number: int) -> Said:
        task = self.tasks[number % len(self.tasks)]
        words = [task if word == "TASK" else word for word in command.split("|")]
        said = self.quick.call(self.desk.repo, *words, cwd=self.desk.cwd)
        if words[0] == "add" and said.code == 0:
            self.tasks.append(said.out.strip())
        return said


def nothing_is_touched(quick: Quick, first: Repo, scene: Scene, calls: list[Call]) -> list[int]:
    """Make the calls in the scene, and return their exit codes."""
    codes = []
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        desk = Desk(first, Path(folder), scene)
        before = desk.fingerprint()
        caller = Caller(quick, desk)
        left = False
        for command, number in calls:
            said = caller.call(command, number)

            assert said.code in {0, 1, 2}, (command, said)
            assert "Traceback" not in said.err, (command, said)
            left = left or "|none|" in command
            assert different(before, desk.fingerprint(slots=left)) == set(), (command, said)
            assert desk.marked() == set(), (command, said)
            codes.append(said.code)
    return codes


@pytest.mark.timeout(300)  # seconds; on a busy machine every process takes its time
@given(scene=scenes(), calls=CALLS)
@FEW
def test_no_command_touches_the_checkout_and_none_of_its_programs_runs(
    quick: Quick, first: Repo, scene: Scene, calls: list[Call]
) -> None:
    nothing_is_touched(quick, first, scene, calls)


@pytest.mark.long
@pytest.mark.timeout(3600)
@given(scene=scenes(), calls=CALLS)
@MANY
def test_no_command_touches_the_checkout_in_any_of_600_scenes(
    quick: Quick, first: Repo, scene: Scene, calls: list[Call]
) -> None:
    nothing_is_touched(quick, first, scene, calls)


@pytest.mark.parametrize("place", ["top", "sub", "linked"])
def test_every_command_leaves_a_busy_checkout_alone(quick: Quick, first: Repo, place: str) -> None:
    commands = (*OTHERS, *["add|New"] * len(WORK), *WORK, *OTHERS)
    calls = [(command, number) for number, command in enumerate(commands)]

    codes = nothing_is_touched(quick, first, replace(BUSY, place=place), calls)

    assert codes[-len(OTHERS) - len(WORK) : -len(OTHERS) - 1] == [0, 1, 1, 1, 0, 0, 0]


def test_the_command_itself_as_a_process_leaves_a_busy_checkout_alone(
    first: Repo, tmp_path: Path
) -> None:
    desk = Desk(first, tmp_path, replace(BUSY, merging=True))
    before = desk.fingerprint()

    task = desk.repo.gitagent("add", "Make it")
    made = desk.repo.gitagent("run", task, "--command", GOOD)

    assert made == f"gitagent/{task}"
    assert different(before, desk.fingerprint()) == set()
    assert desk.marked() == set()


def test_init_writes_the_configuration_and_nothing_else(first: Repo, tmp_path: Path) -> None:
    desk = Desk(first, tmp_path, BUSY)
    desk.repo.git(*QUIET, "update-ref", "-d", "refs/heads/gitagent/tasks")
    shutil.rmtree(desk.repo.path / ".git/gitagent")
    (desk.repo.path / "gitagent.yaml").unlink()
    before = desk.fingerprint()

    desk.repo.gitagent("init")

    assert different(before, desk.fingerprint()) == {b"repo:gitagent.yaml"}
    assert desk.marked() == set()


@pytest.mark.parametrize("moment", ["agent", "check"])
def test_a_killed_run_leaves_the_checkout_alone_and_so_does_the_next_one(
    first: Repo, tmp_path: Path, moment: str
) -> None:
    desk = Desk(first, tmp_path, BUSY)
    before = desk.fingerprint()
    started = tmp_path / "started"
    hang = f"echo $$ > '{started}.new'; mv '{started}.new' '{started}'; exec sleep 600"
    if moment == "agent":
        agent, check = hang, "true"
    else:
        agent, check = GOOD, hang
    task = desk.repo.gitagent("add", "Hang", "--verify", check)
    argv = [PYTHON, "-m", "gitagent", "run", task, "--command", agent]
    environment = desk.person.environment()
    runner = subprocess.Popen(argv, cwd=desk.cwd, env=environment, stderr=subprocess.DEVNULL)
    eventually(started.exists)

    runner.send_signal(signal.SIGKILL)
    runner.wait(timeout=30)
    eventually(lambda: not Path("/proc", started.read_text().strip()).exists())

    assert different(before, desk.fingerprint(slots=True)) == set()
    desk.repo.gitagent("update", task, "--verify", "true")
    desk.repo.gitagent("run", task, "--command", GOOD)
    desk.repo.call("doctor", "--fix")
    assert different(before, desk.fingerprint(slots=True)) == set()
    assert desk.marked() == set()


CHANGES = (
    GOOD,
    "echo agent >> a.txt",
    "rm -f 'b c.txt'; mkdir 'b c.txt'; echo > 'b c.txt/below'",
    "chmod a+x sub/d.txt; echo agent > main.txt",
    "rm -r sub; echo agent > sub",
    "rm link; ln -s main.txt link",
    "echo agent > new.txt",
    "mv a.txt a2.txt",
    "printf 'agent\\r\\n' > -rf; chmod -x tool.sh",
)
"""What an offer may change, in the way of what the person may have changed."""


QUIET = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "diff.external=")
"""Settings with which git runs none of the traps."""


class Twin:
    """A copy of a desk in which `git` itself does what gitagent is to do in the first."""

    def __init__(self, desk: Desk, folder: Path) -> None:
        self.repo = Repo(folder / "twin", desk.person)
        shutil.copytree(desk.repo.path, self.repo.path, symlinks=True)
        self.repo.write(".git/objects/info/alternates", f"{desk.repo.path}/.git/objects\n")

    def move_base(self, commit: str) -> bool:
        """Move the base where nobody has it checked out."""
        self.repo.git("-c", "core.hooksPath=/dev/null", "branch", "-f", "main", commit)
        return True

    def merge(self, commit: str) -> bool:
        """Do what a person would do to land the commit; say whether git let them.

        git 2.39 loses what is staged in a folder that becomes a file; we refuse that.
        """
        staged = self.repo.git(*QUIET, "diff", "--cached", "--name-only", "--diff-filter=A", "-z")
        kept = self.repo.git("ls-tree", "-r", "--name-only", "-z", commit).split("\0")
        if any(path.startswith(f"{name}/") for name in kept if name for path in staged.split("\0")):
            return False
        said = self.repo.person.run(
            "git", *QUIET, "merge", "-q", "--ff-only", commit, cwd=self.repo.path
        )
        return said.code == 0


def seen_by_git(repo: Repo) -> tuple[str, str, dict[bytes, object]]:
    """Return index, status, and the content of the files, without their times."""
    index = repo.git(*QUIET, "ls-files", "--stage", "-z")
    status = repo.git("--no-optional-locks", *QUIET, "status", "--porcelain=v2", "-z", "--ignored")
    return index, status, dict(contents(repo.path))


LANDINGS = {
    "scene": scenes(heads=("main", "main", "main", "feature")),
    "change": st.sampled_from(CHANGES),
    "how": st.sampled_from(["accept", "commit"]),
}


@pytest.mark.timeout(300)
@given(**LANDINGS)
@settings(FEW, max_examples=40)
def test_what_lands_moves_a_checkout_exactly_as_a_fast_forward_by_git_would(
    quick: Quick, first: Repo, scene: Scene, change: str, how: str
) -> None:
    lands_as_git_would(quick, first, scene, change, how)


@pytest.mark.long
@pytest.mark.timeout(3600)
@given(**LANDINGS)
@settings(MANY, max_examples=400)
def test_what_lands_moves_the_checkout_as_git_would_in_any_of_400_scenes(
    quick: Quick, first: Repo, scene: Scene, change: str, how: str
) -> None:
    lands_as_git_would(quick, first, scene, change, how)


def lands_as_git_would(quick: Quick, first: Repo, scene: Scene, change: str, how: str) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        desk = Desk(first, Path(folder), scene)
        twin = Twin(desk, Path(folder))
        before = desk.fingerprint()

        commit, said = land(quick, desk, change, how)

        landed = twin.merge(commit) if scene.head == "main" else twin.move_base(commit)
        after = desk.fingerprint()
        assert (said.code == 0) is landed, said
        assert "Traceback" not in said.err
        assert desk.marked() <= {"filter"}  # as git would, that is what filters are for
        moved = moved_by_git(desk, commit, scene) if landed else set()
        assert different(before, after) <= {b"git:index"} | moved, said
        assert seen_by_git(desk.repo) == seen_by_git(twin.repo)


def land(quick: Quick, desk: Desk, change: str, how: str) -> tuple[str, Said]:
    """Let an agent make the change and land it; return its commit and what was said."""
    task = quick.call(desk.repo, "add", "Change it", "--verify", "none").out.strip()
    integrate = "commit" if how == "commit" else "branch"
    words = ("run", task, "--command", change, "--integrate", integrate, "--json")
    said = quick.call(desk.repo, *words, cwd=desk.cwd)
    commit: str = said.json["commit"]
    if how == "accept":
        assert said.code == 0, said
        said = quick.call(desk.repo, "accept", task, cwd=desk.cwd)
    return commit, said


def moved_by_git(desk: Desk, commit: str, scene: Scene) -> set[bytes]:
    """Return what a fast-forward to the commit may write."""
    base = {b"git:refs/heads/main", b"git:logs/refs/heads/main"}
    if scene.head != "main":
        return base
    names = desk.repo.git(*QUIET, "diff", "--name-only", "--no-renames", "-z", f"{commit}~", commit)
    paths = {os.fsencode(name) for name in names.split("\0") if name}
    parents = {os.path.dirname(path) for path in paths} - {b""}
    return (
        base
        | {b"repo:" + path for path in paths | parents}
        | {
            b"git:logs/HEAD",
            b"git:ORIG_HEAD",
        }
    )


def test_a_staged_file_in_a_folder_that_becomes_a_file_is_in_the_way(
    quick: Quick, first: Repo, tmp_path: Path
) -> None:
    scene = Scene(adds=((b"sub/it's", "stage"),))
    desk = Desk(first, tmp_path, scene)
    before = desk.fingerprint()

    _, said = land(quick, desk, "rm -r sub; echo agent > sub", "accept")

    assert said.code == 1
    assert "`sub/it's` is in the way" in said.err
    assert different(before, desk.fingerprint()) == set()
