"""A diff of two trees says what git says, whatever the names, and reads only objects."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from gitagent.git import changes as module
from gitagent.git.changes import Change, changes, patch
from gitagent.git.checkout import checkout
from support.plain import Odd, Plain, trees_of

SLOW = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
LINES = b"".join(b"line %d\n" % number for number in range(30))


@pytest.fixture
def plain(tmp_path: Path) -> Plain:
    return Plain(tmp_path)


def between(plain: Plain, old: dict[bytes, Odd], new: dict[bytes, Odd]) -> tuple[Change, ...]:
    return changes(plain.raw, plain.tree(old), plain.tree(new))


@SLOW
@given(before=trees_of(), after=trees_of())
def test_the_changed_paths_and_their_modes_are_those_that_git_names(
    plain: Plain, before: dict[bytes, Odd], after: dict[bytes, Odd]
) -> None:
    old, new = plain.tree(before), plain.tree(after)

    found = changes(plain.raw, old, new)

    was = {
        os.fsencode(each.old_path or each.path): each.old_mode for each in found if each.old_mode
    }
    now = {os.fsencode(each.path): each.new_mode for each in found if each.new_mode}
    ours = {path: (was.get(path, 0), now.get(path, 0)) for path in was.keys() | now.keys()}
    raw = plain.git("diff-tree", "-r", "-z", "--no-renames", old, new).split(b"\0")[:-1]
    modes = [tuple(int(mode, 8) for mode in line[1:].split()[:2]) for line in raw[::2]]
    assert ours == dict(zip(raw[1::2], modes, strict=True))
    assert [each.path for each in found] == sorted((e.path for e in found), key=os.fsencode)
    sizes = {os.fsdecode(path): len(data) for path, (_, data) in after.items()}
    assert all(each.size == sizes.get(each.path, 0) for each in found)


@SLOW
@given(before=trees_of(), after=trees_of())
def test_lines_are_counted_as_git_counts_them(
    plain: Plain, before: dict[bytes, Odd], after: dict[bytes, Odd]
) -> None:
    old, new = plain.tree(before), plain.tree(after)

    every = changes(plain.raw, old, new)
    found = [each for each in every if each.status != "renamed"]
    moved_away = {each.old_path for each in every}

    said = plain.git("diff-tree", "-r", "-z", "--numstat", "--no-renames", old, new)
    lines = [line.split(b"\t", 2) for line in said.split(b"\0")[:-1]]
    counts = {path: (added, deleted) for added, deleted, path in lines}
    for each in found:
        ours = (b"-", b"-") if each.binary else (b"%d" % each.added, b"%d" % each.deleted)
        if each.status != "typechanged" and each.path not in moved_away:
            assert counts[os.fsencode(each.path)] == ours


def test_a_rename_is_one_change_with_both_names(plain: Plain) -> None:
    (change,) = between(plain, {b"old": Odd("f", LINES)}, {b"d/new": Odd("x", LINES + b"more\n")})

    assert change == Change(
        path="d/new", status="renamed", old_path="old", old_mode=0o100644, new_mode=0o100755,
        binary=False, added=1, deleted=0, size=len(LINES) + 5,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        ({}, {b"a": Odd("f", b"1\n")}, "added"),
        ({b"a": Odd("f", b"1\n")}, {}, "deleted"),
        ({b"a": Odd("f", b"1\n")}, {b"a": Odd("f", b"2\n")}, "modified"),
        ({b"a": Odd("f", b"1\n")}, {b"a": Odd("x", b"1\n")}, "modified"),
        ({b"a": Odd("f", b"1\n")}, {b"a": Odd("l", b"1")}, "typechanged"),
    ],
)
def test_each_change_has_its_status(
    plain: Plain, old: dict[bytes, Odd], new: dict[bytes, Odd], status: str
) -> None:
    (change,) = between(plain, old, new)

    assert (change.path, change.status, change.old_path) == ("a", status, None)


def test_a_file_that_moved_and_left_a_link_is_a_patch_that_git_can_apply(plain: Plain) -> None:
    old = plain.tree({b"a": Odd("f", LINES)})
    new = plain.tree({b"a": Odd("l", b"b"), b"b": Odd("f", LINES)})

    found = changes(plain.raw, old, new)

    assert [(each.path, each.status) for each in found] == [("a", "typechanged"), ("b", "added")]
    plain.git("read-tree", old)
    plain.git("apply", "--cached", stdin=patch(plain.raw, old, new, limit=None))
    assert plain.git("write-tree").decode().strip() == new


def test_a_name_that_is_not_utf_8_keeps_its_bytes(plain: Plain) -> None:
    (change,) = between(plain, {}, {b"\xff\n": Odd("f", b"1\n")})

    assert os.fsencode(change.path) == b"\xff\n"


def test_bytes_make_a_file_binary_and_not_what_an_attribute_says(plain: Plain) -> None:
    old = {b".gitattributes": Odd("f", b"* -diff\nbin diff\n")}
    text, binary = between(plain, old, {**old, b"a": Odd("f", b"1\n"), b"bin": Odd("f", b"\0")})

    assert (text.binary, text.added) == (False, 1)
    assert (binary.binary, binary.added, binary.size) == (True, 0, 1)


def test_a_submodule_is_a_change_without_a_size(plain: Plain) -> None:
    new = plain.made({b"sub": ("160000", "1" * 40)})

    (change,) = changes(plain.raw, plain.empty, new)

    assert (change.new_mode, change.size, change.status) == (0o160000, 0, "added")
    assert b"Subproject commit " + b"1" * 40 in patch(plain.raw, plain.empty, new, limit=None)


@SLOW
@given(before=trees_of(), after=trees_of())
def test_git_can_apply_the_patch_of_text_files(
    plain: Plain, before: dict[bytes, Odd], after: dict[bytes, Odd]
) -> None:
    old, new = (plain.tree({p: text(odd) for p, odd in t.items()}) for t in (before, after))
    folder = plain.new_folder()
    checkout(plain.raw, old, folder)
    plain.git("read-tree", old)

    difference = patch(plain.raw, old, new, limit=None)

    if difference:
        plain.git("apply", "--cached", work=folder, stdin=difference)
    assert plain.git("write-tree").decode().strip() == new


def text(odd: Odd) -> Odd:
    """Return a file that git takes for text."""
    return odd if odd.kind == "l" else Odd(odd.kind, odd.data.replace(b"\0", b"0") + b"\n")


def test_a_limit_cuts_the_patch_at_just_so_many_bytes(plain: Plain) -> None:
    files = {b"f%d" % number: Odd("f", LINES) for number in range(5)}
    new = plain.tree(files)
    whole = patch(plain.raw, plain.empty, new, limit=None)

    for limit in (0, 1, 500, len(whole) - 1, len(whole), len(whole) + 1):
        assert patch(plain.raw, plain.empty, new, limit=limit) == whole[:limit]


def test_a_file_too_large_to_compare_is_only_named(
    plain: Plain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_TEXT", 20)
    old, new = plain.tree({b"a": Odd("f", LINES)}), plain.tree({b"a": Odd("f", LINES * 2)})

    (change,) = changes(plain.raw, old, new)

    assert (change.binary, change.added) == (True, 0)
    assert patch(plain.raw, old, new, limit=None).splitlines()[1:] == [
        b"Binary files a/a and b/a differ"
    ]


def test_equal_trees_have_no_changes(plain: Plain) -> None:
    tree = plain.tree({b"a": Odd("f", b"1")})

    assert changes(plain.raw, tree, tree) == ()
    assert patch(plain.raw, tree, tree, limit=None) == b""
