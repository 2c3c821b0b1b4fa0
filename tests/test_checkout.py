"""A tree becomes files, and files become the tree again, without following anything."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from gitagent.core.errors import ExternalError, Refused
from gitagent.git.checkout import checkout, restore
from gitagent.git.snapshot import snapshot
from support.plain import Odd, Plain, trees_of, write
from support.story import PYTHON, Repo

SLOW = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def plain(tmp_path: Path) -> Plain:
    return Plain(tmp_path)


def put(plain: Plain, tree: str) -> Path:
    """Check `tree` out into a new folder."""
    folder = plain.new_folder()
    checkout(plain.raw, tree, folder)
    return folder


@SLOW
@given(odd=trees_of())
def test_git_finds_no_difference_in_what_was_checked_out(
    plain: Plain, odd: dict[bytes, Odd]
) -> None:
    tree = plain.tree(odd)

    folder = put(plain, tree)

    plain.git("read-tree", tree)
    assert plain.git("diff", "-z", "--name-status", work=folder) == b""
    assert plain.git("ls-files", "-z", "--others", work=folder) == b""
    assert restore(plain.raw, tree, folder) is False


@SLOW
@given(odd=trees_of())
def test_a_snapshot_of_a_checkout_is_the_same_tree(plain: Plain, odd: dict[bytes, Odd]) -> None:
    tree = plain.tree(odd)
    folder = put(plain, tree)

    for base in (tree, plain.empty):
        taken = snapshot(plain.raw, folder, base)
        assert (taken.refused, taken.tree) == ((), tree)


@SLOW
@given(before=trees_of(), after=trees_of())
def test_restoring_brings_back_every_tracked_file_whatever_was_done_to_it(
    plain: Plain, before: dict[bytes, Odd], after: dict[bytes, Odd]
) -> None:
    tree, other = plain.tree(before), plain.tree(after)
    folder = put(plain, other)

    changed = restore(plain.raw, tree, folder)

    plain.git("read-tree", tree)
    assert plain.git("diff", "-z", "--name-status", work=folder) == b""
    assert restore(plain.raw, tree, folder) is False
    if not set(before) - set(after):
        same = all(before[path] == after[path] for path in before)
        assert changed is not same


def test_restoring_leaves_untracked_files_alone(plain: Plain) -> None:
    tree = plain.tree({b"a/b": Odd("f", b"1")})
    folder = put(plain, tree)
    (folder / "a" / "new").write_text("mine")
    (folder / "a" / "b").unlink()

    assert restore(plain.raw, tree, folder) is True
    assert (folder / "a" / "new").read_text() == "mine"
    assert (folder / "a" / "b").read_text() == "1"


def test_restoring_never_writes_through_a_link_in_the_place_of_a_folder(
    plain: Plain, tmp_path: Path
) -> None:
    tree = plain.tree({b"a/b": Odd("f", b"ours"), b"c": Odd("f", b"ours")})
    folder = put(plain, tree)
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "b").write_text("theirs")
    (folder / "a" / "b").unlink()
    (folder / "a").rmdir()
    (folder / "a").symlink_to(theirs)
    (folder / "c").unlink()
    (folder / "c").symlink_to(theirs / "b")

    assert restore(plain.raw, tree, folder) is True
    assert (theirs / "b").read_text() == "theirs"
    assert (folder / "a" / "b").read_text() == "ours"
    assert not (folder / "a").is_symlink()


@pytest.mark.parametrize("content", ["theirs", "ours"])
def test_restoring_never_writes_to_a_file_that_is_linked_from_elsewhere(
    plain: Plain, tmp_path: Path, content: str
) -> None:
    tree = plain.tree({b"c": Odd("f", b"ours")})
    folder = put(plain, tree)
    theirs = tmp_path / "theirs"
    theirs.write_text(content)
    (folder / "c").unlink()
    os.link(theirs, folder / "c")

    assert restore(plain.raw, tree, folder) is True
    assert (folder / "c").read_text() == "ours"
    assert theirs.read_text() == content
    assert theirs.stat().st_nlink == 1


def test_a_changed_exec_bit_is_noticed_and_put_back(plain: Plain) -> None:
    tree = plain.tree({b"run": Odd("x", b"#!/bin/sh\n")})
    folder = put(plain, tree)
    (folder / "run").chmod(0o644)

    assert restore(plain.raw, tree, folder) is True
    assert stat.S_IMODE((folder / "run").stat().st_mode) & stat.S_IXUSR


def test_a_change_that_keeps_the_size_is_noticed(plain: Plain) -> None:
    tree = plain.tree({b"a": Odd("f", b"1234")})
    folder = put(plain, tree)
    times = (folder / "a").stat()
    (folder / "a").write_bytes(b"1235")
    os.utime(folder / "a", ns=(times.st_atime_ns, times.st_mtime_ns))

    assert restore(plain.raw, tree, folder) is True
    assert (folder / "a").read_bytes() == b"1234"


@pytest.mark.parametrize(
    "name",
    [b".git", b".GIT", b"..", b".", b"git~1", b".g\xe2\x80\x8cit", b".git ", b".git::$DATA"],
)
def test_a_tree_with_a_dangerous_name_is_refused_before_anything_is_written(
    plain: Plain, name: bytes
) -> None:
    blob = plain.raw.create_blob(b"evil")
    below = plain.raw.odb.write(2, b"100644 config\0" + blob.raw)
    tree = plain.raw.odb.write(2, b"40000 " + name + b"\0" + below.raw)
    folder = plain.new_folder()

    for function in (checkout, restore):
        with pytest.raises(Refused, match="not safe to write"):
            function(plain.raw, str(tree), folder)
    assert list(folder.iterdir()) == []


def test_a_tree_that_names_a_link_and_a_folder_alike_is_not_written(
    plain: Plain, tmp_path: Path
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    link, blob = plain.raw.create_blob(os.fsencode(theirs)), plain.raw.create_blob(b"evil")
    below = plain.raw.odb.write(2, b"100644 f\0" + blob.raw)
    tree = plain.raw.odb.write(2, b"120000 a\0" + link.raw + b"40000 a\0" + below.raw)

    with pytest.raises(ExternalError):
        checkout(plain.raw, str(tree), plain.new_folder())
    assert list(theirs.iterdir()) == []


def test_submodules_become_empty_folders(plain: Plain) -> None:
    tree = plain.made({b"sub": ("160000", "1" * 40), b"f": ("100644", plain.blob(b""))})

    folder = put(plain, tree)

    assert list((folder / "sub").iterdir()) == []
    assert restore(plain.raw, tree, folder) is False
    (folder / "sub").rmdir()
    assert restore(plain.raw, tree, folder) is True


def test_the_git_file_of_a_worktree_is_not_in_the_way(plain: Plain) -> None:
    folder = plain.new_folder()
    (folder / ".git").write_text("gitdir: elsewhere\n")

    checkout(plain.raw, plain.tree({b"a": Odd("f", b"")}), folder)

    assert sorted(path.name for path in folder.iterdir()) == [".git", "a"]


def test_a_folder_that_is_a_link_is_an_expected_error(plain: Plain, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(plain.new_folder())

    with pytest.raises(ExternalError, match="cannot be written"):
        checkout(plain.raw, plain.tree({b"a": Odd("f", b"")}), tmp_path / "link")


def test_files_are_written_for_the_owner_and_the_umask_decides_for_the_others(
    plain: Plain,
) -> None:
    tree = plain.tree({b"f": Odd("f", b"1"), b"x": Odd("x", b"1")})
    before = os.umask(0o022)
    try:
        folder = put(plain, tree)
    finally:
        os.umask(before)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == {"f": 0o644, "x": 0o755}


def test_a_deep_folder_is_checked_out_and_comes_back(plain: Plain) -> None:
    path = b"d/" * 100 + b"f"
    folder = plain.new_folder()
    write(folder, {path: Odd("f", b"deep")})

    tree = snapshot(plain.raw, folder, plain.empty).tree

    assert snapshot(plain.raw, put(plain, tree), plain.empty).tree == tree
    assert list(plain.listing(tree)) == [path]


def test_worktrees_that_come_and_go_at_once_do_not_meet(repo: Repo, tmp_path: Path) -> None:
    repo.commit("first", a="a")
    code = """
import os, sys
from pathlib import Path
from gitagent.git import worktree
from gitagent.git.repository import Repository
repository = Repository.find(Path.cwd(), os.environ)
for number in range(25):
    folder = Path(sys.argv[1], str(number), "work")
    worktree.add(repository, folder, sys.argv[2])
    worktree.remove(repository, folder)
"""
    head = repo.git("rev-parse", "HEAD")
    argv = [PYTHON, "-c", code]
    writers = [
        subprocess.Popen(
            [*argv, str(tmp_path / f"slots-{n}"), head],
            cwd=repo.path,
            env=repo.person.environment(),
            stderr=subprocess.PIPE,
        )
        for n in range(4)
    ]

    said = [writer.communicate(timeout=100)[1].decode() for writer in writers]

    assert said == [""] * 4
