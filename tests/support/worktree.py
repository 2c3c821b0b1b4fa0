"""A worktree that an agent changes and that is then stored, and what may be planted in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gitagent.core.checks import Severity
from gitagent.git.checkout import checkout
from gitagent.git.snapshot import Snapshot, snapshot
from support.plain import Odd, Plain, write


class Work:
    """A worktree of a base, which an agent changes."""

    def __init__(self, plain: Plain, base: str | dict[bytes, Odd]) -> None:
        self.plain = plain
        self.base = base if isinstance(base, str) else plain.tree(base)
        self.folder = plain.new_folder()
        checkout(plain.raw, self.base, self.folder)

    def put(self, path: bytes, data: bytes = b"new", kind: str = "f") -> None:
        write(self.folder, {path: Odd(kind, data)})

    def taken(self, *excludes: str) -> Snapshot:
        return snapshot(self.plain.raw, self.folder, self.base, excludes)

    def files(self, taken: Snapshot) -> dict[bytes, tuple[str, str]]:
        self.plain.fsck(taken.tree)
        return self.plain.listing(taken.tree)


def paths(taken: Snapshot) -> list[str | None]:
    return [finding.path for finding in taken.refused]


def assert_left_as_in_base(work: Work, *refused: str) -> None:
    """Assert that just these paths were refused, and that nothing was stored of them."""
    taken = work.taken()
    assert paths(taken) == list(refused)
    assert all(each.severity is Severity.ERROR and each.hint for each in taken.refused)
    assert taken.tree == work.base
    work.plain.fsck(taken.tree)


def hostile_repository(folder: Path, marker: Path) -> None:
    """Make `folder` a repository that runs a program when a git looks at it."""
    git_dir = folder if folder.name == "bare" else folder / ".git"
    bare = ["--bare"] if git_dir == folder else []
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder.parent),
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    subprocess.run(["git", "init", "-q", *bare, str(folder)], env=environment, check=True)
    (git_dir / "config").write_text(
        "[core]\n\trepositoryformatversion = 0\n\tbare = false\n"
        f"\tfsmonitor = touch {marker}\n\thooksPath = hooks\n\tworktree = {folder}\n"
    )
    subprocess.run(["git", "-C", str(folder), "status"], env=environment, check=True,
                   capture_output=True)  # fmt: skip


def python(script: str, *arguments: str, home: Path) -> str:
    """Run a script in a Python of its own and return its output."""
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env={"PYTHONPATH": os.pathsep.join(sys.path), "HOME": str(home)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def traced(trace: Path, calls: str, work: Work) -> None:
    """Take a snapshot in a process of its own under strace; skip where that is not possible."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    script = (
        "import pygit2, sys\n"
        "from pathlib import Path\n"
        "from gitagent.git.snapshot import snapshot\n"
        "print(snapshot(pygit2.Repository(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))\n"
    )
    command = [strace, "-f", "-o", str(trace), "-e", f"trace={calls}", sys.executable, "-c", script,
               str(work.plain.git_dir), str(work.folder), work.base]  # fmt: skip
    environment = {"PYTHONPATH": os.pathsep.join(sys.path), "HOME": str(work.plain.folder)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if "ptrace" in done.stderr and "not permitted" in done.stderr:
        pytest.skip("this machine does not allow strace to trace")
    assert done.returncode == 0, done.stderr
