"""Trees are read and written as git reads and writes them, whatever the names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pygit2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitagent.core.errors import ExternalError
from gitagent.git import trees
from support.plain import NAMES, Odd, Plain, trees_of

SLOW = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def plain(tmp_path: Path) -> Plain:
    return Plain(tmp_path)


def test_the_names_of_a_tree_sort_as_git_sorts_them(plain: Plain) -> None:
    blob = plain.blob(b"x")
    inner = plain.made({b"f": ("100644", blob)})
    listed = {b"a": (trees.TREE, inner), b"a-": (trees.BLOB, blob), b"a0": (trees.LINK, blob)}

    tree = str(trees.write_tree(plain.raw, listed))

    assert tree == plain.made(
        {b"a": ("040000", inner), b"a-": ("100644", blob), b"a0": ("120000", blob)}
    )
    assert list(trees.entries(plain.raw, tree)) == [b"a-", b"a", b"a0"]


@SLOW
@given(odd=trees_of())
def test_walking_a_tree_finds_what_git_lists(plain: Plain, odd: dict[bytes, Odd]) -> None:
    tree = plain.tree(odd)

    found = {path: (f"{mode:06o}", str(oid)) for path, mode, oid in trees.walk(plain.raw, tree)}

    assert found == plain.listing(tree)
    assert {path: trees.read(plain.raw, tree, path) for path in odd} == {
        path: data for path, (_, data) in odd.items()
    }


@SLOW
@given(before=trees_of(), after=trees_of(), data=st.data())
def test_an_edit_gives_the_tree_that_git_makes_of_the_edited_files(
    plain: Plain, before: dict[bytes, Odd], after: dict[bytes, Odd], data: st.DataObject
) -> None:
    old, new = plain.tree(before), plain.tree(after)
    wanted = {path: (int(mode, 8), oid) for path, (mode, oid) in plain.listing(new).items()}
    removed = {path: None for path in plain.listing(old) if not _related(path, wanted)}
    nowhere = data.draw(st.sampled_from(NAMES)) + b"/nowhere"
    if not _related(nowhere, {**wanted, **removed}):
        removed[nowhere] = None

    assert str(trees.edit(plain.raw, old, {**wanted, **removed})) == new


def _related(path: bytes, paths: Mapping[bytes, object]) -> bool:
    whole = path + b"/"
    return any(whole.startswith(p + b"/") or (p + b"/").startswith(whole) for p in paths)


def test_an_edit_prunes_folders_that_became_empty(plain: Plain) -> None:
    tree = plain.tree({b"a/b/c": Odd("f", b"1"), b"d": Odd("f", b"2")})

    assert str(trees.edit(plain.raw, tree, {b"a/b/c": None})) == plain.tree({b"d": Odd("f", b"2")})
    assert str(trees.edit(plain.raw, tree, {b"a": None, b"d": None})) == plain.empty


def test_removing_what_is_below_a_file_leaves_the_file(plain: Plain) -> None:
    tree = plain.tree({b"a": Odd("f", b"1")})

    assert str(trees.edit(plain.raw, tree, {b"a/b": None})) == tree


def test_one_edit_among_many_shards_reads_only_the_trees_on_its_way(
    plain: Plain, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = plain.blob(b"x")
    paths = {b"tasks/%03x/t%d" % (n % 1024, n): (trees.BLOB, blob) for n in range(4096)}
    tree = trees.edit(plain.raw, None, paths)
    read: list[object] = []
    entries = trees.entries

    def counted(repo: pygit2.Repository, oid: trees.Id) -> dict[bytes, trees.Entry]:
        read.append(oid)
        return entries(repo, oid)

    monkeypatch.setattr(trees, "entries", counted)
    trees.edit(plain.raw, tree, {b"tasks/007/new": (trees.BLOB, blob)})

    assert len(read) == 3


@pytest.mark.parametrize("name", [b"", b".", b"..", b"a/b", b"a\0b"])
def test_a_name_that_no_tree_can_hold_is_not_written(plain: Plain, name: bytes) -> None:
    with pytest.raises(ValueError, match="no tree can hold"):
        trees.write_tree(plain.raw, {name: (trees.BLOB, plain.blob(b""))})


def test_a_path_and_one_below_it_cannot_both_be_set(plain: Plain) -> None:
    to = (trees.BLOB, plain.blob(b""))
    for paths in ([b"a", b"a/b"], [b"a/b", b"a"]):
        with pytest.raises(ValueError, match="both"):
            trees.edit(plain.raw, None, dict.fromkeys(paths, to))


def test_what_is_no_tree_is_an_expected_error(plain: Plain) -> None:
    blob = plain.blob(b"100644 a")
    for oid in (blob, "1" * 40):
        with pytest.raises(ExternalError):
            trees.entries(plain.raw, oid)


def test_a_path_that_is_not_there_reads_as_none(plain: Plain) -> None:
    tree = plain.tree({b"a/b": Odd("f", b"1")})

    for path in (b"a", b"a/b/c", b"b", b"a/\xff"):
        assert trees.read(plain.raw, tree, path) is None
