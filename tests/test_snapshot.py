"""A snapshot stores files byte for byte, by the rules of the base and of the worktree.

What is ignored is compared with git in test_git_patterns.py, the round trip in test_checkout.py.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from gitagent.git import trees
from gitagent.git.snapshot import Snapshot
from support.plain import Odd, Plain
from support.worktree import Work, assert_left_as_in_base, paths, python, traced


@pytest.fixture
def plain(tmp_path: Path) -> Plain:
    return Plain(tmp_path)


def test_contents_are_stored_byte_for_byte_whatever_git_is_configured_to_convert(
    plain: Plain,
) -> None:
    plain.git("config", "core.autocrlf", "true")
    work = Work(plain, {b".gitattributes": Odd("f", b"* text=auto eol=crlf ident\n")})
    data = b"\xef\xbb\xbf$Id$\r\nunix\n\x00\xff"
    work.put(b"a", data)

    found = work.files(work.taken())

    assert plain.git("cat-file", "blob", found[b"a"][1]) == data


def test_only_the_owners_exec_bit_counts(plain: Plain) -> None:
    work = Work(plain, plain.empty)
    for mode in (0o600, 0o700, 0o677, 0o4755, 0o444):
        work.put(b"%o" % mode)
        (work.folder / f"{mode:o}").chmod(mode)

    modes = {path.decode(): mode for path, (mode, _) in work.files(work.taken()).items()}

    executable, plain_file = "100755", "100644"
    assert modes == {"600": plain_file, "700": executable, "677": plain_file,
                     "4755": executable, "444": plain_file}  # fmt: skip


def test_a_large_file_is_stored_whole_without_being_held_in_memory(
    plain: Plain, tmp_path: Path
) -> None:
    """60 MiB that do not compress; the process may not grow by half of that."""
    work = Work(plain, plain.empty)
    with (work.folder / "large").open("wb") as file:
        for _ in range(60):
            file.write(os.urandom(1 << 20))
    script = (
        "import pygit2, resource, sys\n"
        "from pathlib import Path\n"
        "from gitagent.git.snapshot import snapshot\n"
        "repo = pygit2.Repository(sys.argv[1])\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(snapshot(repo, Path(sys.argv[2]), sys.argv[3]).tree)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )

    said = python(script, str(plain.git_dir), str(work.folder), work.base, home=tmp_path)

    tree, grown = said.split()
    assert int(grown) < 30 << 10
    digest = plain.git("hash-object", str(work.folder / "large")).decode().strip()
    assert plain.listing(tree)[b"large"] == ("100644", digest)


def test_a_file_that_only_claims_to_be_huge_is_refused_at_once(plain: Plain) -> None:
    work = Work(plain, {b"a": Odd("f", b"old")})
    os.truncate(work.folder / "a", 1 << 40)

    assert_left_as_in_base(work, "a")


def test_an_old_gits_mode_is_not_a_change(plain: Plain) -> None:
    blob = plain.raw.create_blob(b"1")
    base = str(plain.raw.odb.write(2, b"100664 a\0" + blob.raw + b"100664 b\0" + blob.raw))
    work = Work(plain, base)
    assert work.taken().tree == base

    work.put(b"b", b"2")
    listed = trees.entries(plain.raw, work.taken().tree)
    assert [listed[name][0] for name in (b"a", b"b")] == [0o100664, 0o100664]


def test_deleted_files_and_empty_folders_vanish(plain: Plain) -> None:
    work = Work(plain, {b"a/b": Odd("f", b"1"), b"c": Odd("f", b"1")})
    (work.folder / "a" / "b").unlink()
    (work.folder / "new" / "er").mkdir(parents=True)

    assert list(work.files(work.taken())) == [b"c"]
    (work.folder / "c").unlink()
    assert work.taken() == Snapshot(plain.empty, ())


def test_a_file_may_become_a_folder_and_the_reverse(plain: Plain) -> None:
    work = Work(plain, {b"a": Odd("f", b"1"), b"b/c": Odd("f", b"1")})
    (work.folder / "a").unlink()
    shutil.rmtree(work.folder / "b")
    work.put(b"a/x")
    work.put(b"b")

    taken = work.taken()

    assert (list(work.files(taken)), taken.refused) == ([b"a/x", b"b"], ())


def test_the_worktrees_own_git_file_is_no_part_of_it(plain: Plain) -> None:
    work = Work(plain, {b"a": Odd("f", b"1")})
    work.put(b".git", b"gitdir: /elsewhere\n")

    assert work.taken() == Snapshot(work.base, ())


def test_an_agent_cannot_bring_in_what_the_base_ignores(plain: Plain) -> None:
    work = Work(plain, {b".gitignore": Odd("f", b"*.log\n"), b"a": Odd("f", b"1")})
    work.put(b".gitignore", b"# nothing\n")
    work.put(b"x.log")

    assert sorted(work.files(work.taken())) == [b".gitignore", b"a"]


def test_an_agent_may_ignore_more_than_the_base(plain: Plain) -> None:
    work = Work(plain, {b"a": Odd("f", b"1"), b"kept.log": Odd("f", b"1")})
    work.put(b".gitignore", b"*.log\n")
    work.put(b"x.log")
    work.put(b"kept.log", b"2")

    found = work.files(work.taken())

    assert sorted(found) == [b".gitignore", b"a", b"kept.log"]
    assert plain.git("cat-file", "blob", found[b"kept.log"][1]) == b"2"


def test_the_persons_own_rules_hold_in_gits_order(plain: Plain) -> None:
    work = Work(plain, {b".gitignore": Odd("f", b"!z.tmp\n"), b"a": Odd("f", b"1")})
    for name in (b"x.tmp", b"y.tmp", b"z.tmp"):
        work.put(name)

    found = work.files(work.taken("!y.tmp\n", "*.tmp\n"))

    assert sorted(found) == [b".gitignore", b"a", b"y.tmp", b"z.tmp"]


def test_an_agent_cannot_bring_in_what_the_person_ignores(plain: Plain) -> None:
    work = Work(plain, {b"a": Odd("f", b"1")})
    work.put(b".gitignore", b"!*.tmp\n")
    work.put(b"x.tmp")

    assert sorted(work.files(work.taken("*.tmp\n"))) == [b".gitignore", b"a"]


def test_an_ignored_folder_is_entered_only_for_what_is_tracked_in_it(plain: Plain) -> None:
    tracked = b"node_modules/patched/f"
    work = Work(plain, {b".gitignore": Odd("f", b"node_modules/\n"), tracked: Odd("f", b"1")})
    work.put(tracked, b"2")
    work.put(b"node_modules/patched/new")
    work.put(b"node_modules/other/f")
    os.mkfifo(work.folder / "node_modules" / "other" / "fifo")

    taken = work.taken()

    assert (sorted(work.files(taken)), taken.refused) == ([b".gitignore", tracked], ())


def test_an_ignored_folder_without_tracked_files_is_not_even_opened(
    plain: Plain, tmp_path: Path
) -> None:
    work = Work(plain, {b".gitignore": Odd("f", b"node_modules/\n")})
    work.put(b"node_modules/a/b")
    trace = tmp_path / "trace"

    traced(trace, "openat", work)

    assert "node_modules" not in trace.read_text()
    assert '".gitignore"' in trace.read_text()


@pytest.mark.parametrize(
    "rules", [b"*.bin filter=lfs diff=lfs -text\n", b"[attr]lfs filter=lfs\n*.bin lfs\n"]
)
def test_a_changed_path_with_a_filter_is_refused(plain: Plain, rules: bytes) -> None:
    attributes = {b".gitattributes": Odd("f", rules), b"old.bin": Odd("f", b"pointer")}
    work = Work(plain, attributes)
    assert work.taken() == Snapshot(work.base, ())

    work.put(b"old.bin", b"changed")
    work.put(b"new.bin", b"new")
    assert_left_as_in_base(work, "new.bin", "old.bin")
    assert "as they are" in work.taken().refused[0].message


def test_an_agent_cannot_take_a_filter_away(plain: Plain) -> None:
    work = Work(plain, {b".gitattributes": Odd("f", b"*.key filter=git-crypt\n")})
    work.put(b".gitattributes", b"# none\n")
    work.put(b"a.key", b"secret in the clear")

    taken = work.taken()

    assert paths(taken) == ["a.key"]
    assert list(work.files(taken)) == [b".gitattributes"]


def test_a_rule_file_too_long_to_be_rules_is_refused(plain: Plain) -> None:
    work = Work(plain, {b".gitignore": Odd("f", b"*.log\n")})
    work.put(b".gitignore", b"*a*b*c\n" * 50_000)

    assert_left_as_in_base(work, ".gitignore")


def test_a_rule_file_that_is_a_link_or_a_fifo_has_no_rules(plain: Plain) -> None:
    work = Work(plain, {b"rules": Odd("f", b"*\n")})
    work.put(b"a/.gitignore", b"../rules", "l")
    work.put(b"a/x")
    os.mkfifo(work.folder / ".gitignore")

    taken = work.taken()

    assert paths(taken) == [".gitignore"]
    assert sorted(plain.listing(taken.tree)) == [b"a/.gitignore", b"a/x", b"rules"]


def test_submodules_stay_as_they_are(plain: Plain) -> None:
    commit = "1" * 40
    inner = plain.made({b"sub": ("160000", commit), b"f": ("100644", plain.blob(b""))})
    base = plain.made({b"d": ("040000", inner), b"sub": ("160000", commit)})
    work = Work(plain, base)
    assert work.taken() == Snapshot(base, ())

    (work.folder / "sub").rmdir()
    assert work.taken() == Snapshot(base, ())

    shutil.rmtree(work.folder / "d")
    gone = plain.listing(work.taken().tree)
    assert gone == {b"d/sub": ("160000", commit), b"sub": ("160000", commit)}


def test_content_in_a_submodule_is_refused(plain: Plain) -> None:
    base = plain.made({b"sub": ("160000", "1" * 40), b"f": ("100644", plain.blob(b""))})
    work = Work(plain, base)
    work.put(b"sub/new")
    assert paths(work.taken()) == ["sub"]
    assert work.taken().tree == base

    shutil.rmtree(work.folder / "sub")
    work.put(b"sub")
    assert paths(work.taken()) == ["sub"]
    assert work.taken().tree == base
