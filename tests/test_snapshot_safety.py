"""A snapshot runs nothing, follows nothing, and survives what happens while it looks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pygit2
import pytest

from gitagent.core.errors import ExternalError
from gitagent.git.snapshot import Snapshot, snapshot
from support.plain import Odd, Plain
from support.worktree import Work, hostile_repository, paths, traced

NOBODY = 65534


@pytest.fixture
def plain(tmp_path: Path) -> Plain:
    return Plain(tmp_path)


@pytest.fixture
def owned() -> Iterator[Plain]:
    """A repository in a folder that also a user without root's powers can reach."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield Plain(folder)
    shutil.rmtree(folder)


@contextmanager
def without_powers(folder: Path) -> Iterator[None]:
    """Be a user to whom permissions apply, the owner of all in `folder`."""
    if os.geteuid() != 0:
        yield
        return
    for each in (folder, *folder.rglob("*")):
        os.chown(each, NOBODY, NOBODY, follow_symlinks=False)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_what_cannot_be_read_is_refused_and_is_no_crash(owned: Plain) -> None:
    work = Work(owned, {b"d/f": Odd("f", b"1"), b"f": Odd("f", b"1")})
    work.put(b"new/f")
    for name in ("f", "d", "new"):
        (work.folder / name).chmod(0)

    with without_powers(owned.folder):
        taken = work.taken()

    (work.folder / "d").chmod(0o700)
    (work.folder / "new").chmod(0o700)
    assert paths(taken) == ["d", "f", "new"]
    assert all("permission denied" in each.message for each in taken.refused)
    assert taken.tree == work.base


def test_a_worktree_that_is_not_there_is_an_expected_error(plain: Plain, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    for folder in (tmp_path / "nowhere", tmp_path / "link", plain.git_dir / "HEAD"):
        with pytest.raises(ExternalError, match="cannot be stored"):
            snapshot(plain.raw, folder, plain.empty)


def test_an_object_that_cannot_be_written_is_an_error_and_not_a_finding(owned: Plain) -> None:
    work = Work(owned, {b"f": Odd("f", b"1")})
    work.put(b"f", b"new")
    objects = owned.git_dir / "objects"
    for path in (objects, *objects.iterdir()):
        path.chmod(0o500)

    with without_powers(owned.folder), pytest.raises(ExternalError, match="cannot be stored"):
        work.taken()

    for path in (objects, *objects.iterdir()):
        path.chmod(0o700)


CHURN = """
import os, shutil, sys
os.chdir(sys.argv[1])
while True:
    open("name", "w").close()
    os.unlink("name")
    os.makedirs("name/below")
    open("name/below/f", "w").close()
    shutil.rmtree("name")
    os.symlink("f", "name")
    os.unlink("name")
"""


def test_files_that_come_and_go_during_the_walk_do_no_harm(plain: Plain) -> None:
    """Another process makes one name a file, a folder, a link and nothing, again and again."""
    work = Work(plain, {b"f": Odd("f", b"1")})
    taken: list[Snapshot] = []
    deadline = time.monotonic() + 30
    with subprocess.Popen([sys.executable, "-c", CHURN, str(work.folder)]) as busy:
        try:
            while len(taken) < 300 or len({each.tree for each in taken}) < 3:
                taken.append(work.taken())
                assert time.monotonic() < deadline, "nothing was changed while it was read"
        finally:
            busy.kill()

    kept = ("100644", plain.blob(b"1"))
    assert all(plain.listing(tree)[b"f"] == kept for tree in {each.tree for each in taken})
    assert all("changed" in finding.message for each in taken for finding in each.refused)


def test_nothing_runs_whatever_the_agent_and_the_repository_have_planted(
    plain: Plain, tmp_path: Path
) -> None:
    """SECURITY V1 to V7 and V10: hooks, filters, monitors, drivers, signing, nested gits."""
    marker = tmp_path / "marker"
    touch = f"touch {marker}; cat"
    base = {b".gitattributes": Odd("f", b"*.txt filter=evil diff=evil merge=evil\n"),
            b"a.txt": Odd("f", b"1\n"), b"b": Odd("f", b"1\n")}  # fmt: skip
    work = Work(plain, base)
    for key in ("core.fsmonitor", "filter.evil.clean", "filter.evil.smudge", "filter.evil.process",
                "diff.evil.textconv", "diff.external", "gpg.program", "core.sshCommand",
                "core.pager", "core.editor"):  # fmt: skip
        plain.git("config", key, touch)
    plain.git("config", "commit.gpgsign", "true")
    for hook in ("pre-commit", "post-index-change", "reference-transaction", "post-checkout"):
        (plain.git_dir / "hooks").mkdir(exist_ok=True)
        (plain.git_dir / "hooks" / hook).write_text(f"#!/bin/sh\ntouch {marker}\n")
        (plain.git_dir / "hooks" / hook).chmod(0o755)
    hostile_repository(work.folder / "nested", marker)
    marker.unlink()
    work.put(b".git", b"gitdir: nested/.git\n")
    work.put(b"a.txt", b"2\n")
    work.put(b"b", b"2\n")

    trace = tmp_path / "trace"
    traced(trace, "execve,execveat,fork,vfork", work)

    calls = [line for line in trace.read_text().splitlines() if "exec" in line or "fork" in line]
    assert len(calls) == 1, calls
    assert not marker.exists()
    assert paths(work.taken()) == ["a.txt", "nested"]


def test_a_repository_is_never_looked_for_from_the_worktree(plain: Plain, tmp_path: Path) -> None:
    """V5: the worktree's `.git` names the agent's repository; the objects go to ours."""
    work = Work(plain, plain.empty)
    theirs = pygit2.init_repository(str(tmp_path / "theirs"), bare=True)
    work.put(b".git", b"gitdir: " + os.fsencode(theirs.path) + b"\n")
    work.put(b"f", b"content")

    taken = work.taken()

    assert list(work.files(taken)) == [b"f"]
    assert taken.tree not in theirs
