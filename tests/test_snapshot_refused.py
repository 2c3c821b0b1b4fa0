"""What a snapshot refuses is named, and the tree keeps what the base has there."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest

from gitagent.git import names
from gitagent.git.snapshot import MAX_DEPTH, Snapshot
from support.plain import Odd, Plain
from support.worktree import Work, assert_left_as_in_base, hostile_repository, paths


@pytest.fixture
def plain(tmp_path: Path) -> Plain:
    return Plain(tmp_path)


DOT_GITS = (
    b".GIT", b".Git", b".git.", b".git ", b".git . .", b"git~1", b"GIT~1", b".g\xe2\x80\x8cit",
    b".git\xef\xbb\xbf", b"\xe2\x80\x8e.git", b".git::$INDEX_ALLOCATION", b".git:stream",
    b"x\\.git", b".git\\hooks",
)  # fmt: skip


@pytest.mark.parametrize("name", DOT_GITS)
@pytest.mark.parametrize("above", [b"", b"sub/"])
def test_any_spelling_of_dot_git_is_refused(plain: Plain, name: bytes, above: bytes) -> None:
    work = Work(plain, {b"a": Odd("f", b"1")})
    work.put(above + name + b"/config", b"[core]\n\tfsmonitor = touch marker\n")

    assert_left_as_in_base(work, names.shown(above + name))


def test_a_git_directory_at_the_top_is_refused(plain: Plain) -> None:
    work = Work(plain, {b"a": Odd("f", b"1")})
    work.put(b".git/config")

    assert_left_as_in_base(work, ".git")


def test_a_git_link_at_the_top_is_refused(plain: Plain, tmp_path: Path) -> None:
    work = Work(plain, {b"a": Odd("f", b"1")})
    work.put(b".git", os.fsencode(tmp_path), "l")

    assert_left_as_in_base(work, ".git")


@pytest.mark.parametrize("name", ["nested", "bare"])
def test_a_nested_repository_is_refused_and_what_it_would_run_does_not_run(
    plain: Plain, tmp_path: Path, name: str
) -> None:
    work = Work(plain, {b"a": Odd("f", b"1"), name.encode() + b"/kept": Odd("f", b"1")})
    marker = tmp_path / "marker"
    hostile_repository(work.folder / name, marker)
    assert marker.exists(), "the payload is one that runs when git looks at it"
    marker.unlink()

    assert_left_as_in_base(work, name)
    assert not marker.exists()


def test_a_nested_worktree_is_refused(plain: Plain) -> None:
    work = Work(plain, {b"a": Odd("f", b"1")})
    work.put(b"sub/.git", b"gitdir: ../evil\n")
    work.put(b"sub/file")

    assert_left_as_in_base(work, "sub")


def test_an_ignored_nested_repository_is_nobodys_business(plain: Plain) -> None:
    work = Work(plain, {b".gitignore": Odd("f", b"vendor/\n")})
    work.put(b"vendor/lib/.git/config")

    assert work.taken() == Snapshot(work.base, ())


@pytest.mark.parametrize(
    ("path", "target"),
    [
        (b"l", b"/etc/passwd"),
        (b"l", b".."),
        (b"l", b"../x"),
        (b"a/b/l", b"../../../x"),
        (b"a/b/l", b".././/../../x"),
        (b"l", b"a/../../x"),
        (b"l", b"up/.."),
        (b"l", b".git/hooks"),
        (b"a/l", b"../.GIT/config"),
        (b"l", b"C:/Windows"),
        (b"l", b"\\\\server\\share"),
    ],
)
def test_a_link_out_of_the_tree_is_refused_unless_the_base_has_it(
    plain: Plain, path: bytes, target: bytes
) -> None:
    work = Work(plain, {b"f": Odd("f", b"1")})
    work.put(path, target, "l")
    assert_left_as_in_base(work, path.decode())

    kept = Work(plain, {path: Odd("l", target), b"m": Odd("l", b"f")})
    assert kept.taken() == Snapshot(kept.base, ())
    (kept.folder / "m").unlink()
    kept.put(b"m", target if target.startswith(b"/") else b"/" + target, "l")
    assert_left_as_in_base(kept, "m")


@pytest.mark.parametrize(
    ("path", "target"),
    [(b"l", b"f"), (b"l", b"./a//b"), (b"a/l", b"../f"), (b"a/b/l", b"../.."), (b"l", b"nowhere")],
)
def test_a_link_within_the_tree_is_stored_as_a_link(
    plain: Plain, path: bytes, target: bytes
) -> None:
    work = Work(plain, {b"f": Odd("f", b"1")})
    work.put(path, target, "l")

    taken = work.taken()

    mode, oid = work.files(taken)[path]
    assert (taken.refused, mode, plain.git("cat-file", "blob", oid)) == ((), "120000", target)


def test_a_link_chain_cannot_climb_out_one_step_at_a_time(plain: Plain) -> None:
    """`a/up` is the top; `a/up/../x` would be beside it."""
    work = Work(plain, {b"a/f": Odd("f", b"1"), b"a/up": Odd("l", b"..")})
    work.put(b"l", b"a/up/../x", "l")

    assert_left_as_in_base(work, "l")


def test_a_folder_behind_a_link_is_never_entered(plain: Plain, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    work = Work(plain, {b"a/secret": Odd("f", b"1")})
    shutil.rmtree(work.folder / "a")
    (work.folder / "a").symlink_to(outside)

    assert_left_as_in_base(work, "a")


def test_git_must_not_read_its_own_files_through_a_link(plain: Plain) -> None:
    work = Work(plain, {b"a": Odd("f", b"1")})
    work.put(b".gitmodules", b"a", "l")

    assert_left_as_in_base(work, ".gitmodules")


def test_what_is_no_file_is_refused(plain: Plain, monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(plain, {b"fifo": Odd("f", b"1"), b"z": Odd("f", b"1")})
    (work.folder / "fifo").unlink()
    os.mkfifo(work.folder / "fifo")
    monkeypatch.chdir(work.folder)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        refused = ["fifo", "socket"]
        if os.geteuid() == 0:
            os.mknod(work.folder / "null", 0o020666, os.makedev(1, 3))
            refused.insert(1, "null")

        assert_left_as_in_base(work, *refused)


@pytest.mark.parametrize(
    "name",
    [b"a.", b"a ", b"a...", b"con", b"CON.txt", b"nul", b"Aux.c", b"com1", b"LPT9.log", b"conin$",
     b"com\xc2\xb2", b"a\\b", b"x" * 241],
)  # fmt: skip
def test_a_name_that_another_system_cannot_hold_is_refused_unless_the_base_has_it(
    plain: Plain, name: bytes
) -> None:
    work = Work(plain, {b"f": Odd("f", b"1")})
    work.put(name)
    work.put(b"folders/" + name[:200].ljust(len(name[:200]), b"x") + b"/f")
    taken = work.taken()
    assert paths(taken)[0] in (names.shown(name), names.shown(b"folders/" + name[:200]))
    assert not [path for path in work.files(taken) if name in path.split(b"/")]

    kept = Work(plain, {name: Odd("f", b"1")})
    kept.put(name, b"2")
    assert kept.taken().refused == ()
    assert list(kept.files(kept.taken())) == [name]


def test_a_path_of_more_than_240_bytes_is_refused_unless_the_base_has_it(plain: Plain) -> None:
    long, longer = b"d" * 120 + b"/" + b"e" * 119, b"d" * 120 + b"/" + b"e" * 120
    work = Work(plain, {long: Odd("f", b"1")})
    work.put(longer)
    assert_left_as_in_base(work, longer.decode())

    kept = Work(plain, {longer: Odd("f", b"1")})
    kept.put(longer, b"2")
    assert kept.taken().refused == ()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"readme", b"README"),
        (b"\xc3\xa9", b"e\xcc\x81"),
        (b"stra\xc3\x9fe", b"STRASSE"),
        (b"ab", b"a\xe2\x80\x8bb"),
        (b"dir/x", b"DIR/y"),
    ],
)
def test_names_that_some_disk_confuses_are_refused_where_one_is_new(
    plain: Plain, one: bytes, other: bytes
) -> None:
    new = names.shown(other.split(b"/")[0])
    work = Work(plain, {one: Odd("f", b"1")})
    work.put(other)
    assert_left_as_in_base(work, new)

    both = Work(plain, {b"f": Odd("f", b"1")})
    both.put(one)
    both.put(other)
    assert sorted(map(str, paths(both.taken()))) == sorted([names.shown(one.split(b"/")[0]), new])
    assert both.taken().tree == both.base

    known = Work(plain, {one: Odd("f", b"1"), other: Odd("f", b"1")})
    known.put(one, b"2")
    assert known.taken().refused == ()


def test_a_name_may_change_its_case(plain: Plain) -> None:
    work = Work(plain, {b"readme": Odd("f", b"1")})
    (work.folder / "readme").rename(work.folder / "README")

    assert (work.taken().refused, list(work.files(work.taken()))) == ((), [b"README"])


def test_a_path_that_cannot_be_printed_is_shown_with_escapes(plain: Plain) -> None:
    work = Work(plain, {b"f": Odd("f", b"1")})
    work.put(b"evil\x1b[2J\n\xff\xe2\x80\xae.")

    (path,) = paths(work.taken())

    assert path == r"evil\x1b[2J\n\xff\u202e."


def test_a_folder_too_deep_to_walk_is_refused(plain: Plain) -> None:
    work = Work(plain, {b"f": Odd("f", b"1")})
    work.put(b"d/" * 100 + b"f")
    assert work.taken().refused == ()

    deep = plain.empty
    oid = plain.raw.create_blob(b"").raw
    for at in range(MAX_DEPTH + 5):
        mode = b"40000" if at else b"100644"
        deep = str(plain.raw.odb.write(2, mode + b" d\0" + oid))
        oid = bytes.fromhex(deep)
    below = Work(plain, deep)
    taken = below.taken()
    assert (len(taken.refused), taken.tree) == (1, deep)
