"""`.gitignore` and `.gitattributes` are read as git reads them, and in bounded time."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitagent.git import ignore, wildmatch
from gitagent.git.attributes import Filters
from gitagent.git.snapshot import snapshot
from support.plain import Odd, Plain, trees_of, write

SLOW = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NAMES = (b"a", b"b", b"ab", b"a b", b"#a", b"!b", b"[a]", b"a-b", b"*", b"\xe0", b"a\n")
ATOMS = (
    b"a", b"b", b"ab", b"*", b"**", b"***", b"?", b"[ab]", b"[!a]", b"[^b]", b"[a-c]", b"[]a]",
    b"[[:alpha:]]", b"[[:space:]b]", b"[[:no:]]", b"[a", b"[\\a]", b"[a-", b"[z-a]", b"[a\\-b]",
    b"\\a", b"\\*", b"\\", b" ", b"\\ ", b"-", b"#", b"!", b"\xe0", b"[\x80-\xff]", b"B",
)  # fmt: skip
SEGMENTS = st.one_of(
    st.sampled_from([b"**", b"*", b"a", b"b", b"a b"]),
    st.lists(st.sampled_from(ATOMS), min_size=1, max_size=3).map(b"".join),
)
PATTERNS = st.builds(
    lambda start, segments, end: start + b"/".join(segments) + end,
    st.sampled_from([b"", b"", b"", b"!", b"/", b"!/", b"\\!", b"#", b"\\#", b" "]),
    st.lists(SEGMENTS, min_size=1, max_size=3),
    st.sampled_from([b"", b"", b"", b"/", b"/**", b"/*", b" ", b"  ", b"\\ ", b"\t", b"\r"]),
)
END = st.sampled_from([b"\n", b"\n", b"\r\n", b""])
IGNORE_FILES = st.builds(
    lambda start, lines, end: start + b"\n".join(lines) + end,
    st.sampled_from([b"", b"", b"", b"\xef\xbb\xbf"]),
    st.lists(PATTERNS | st.sampled_from([b"", b"*", b"!*/", b"!a", b"# a"]), max_size=5),
    END,
)


@pytest.fixture
def plain(tmp_path: Path) -> Plain:
    return Plain(tmp_path)


def with_rules(odd: dict[bytes, Odd], rules: dict[bytes, bytes], name: bytes) -> dict[bytes, Odd]:
    """Return the files with rule files in those folders of theirs that `rules` names."""
    folders = {b""} | {path[: at + 1] for path in odd for at, c in enumerate(path) if c == 47}
    chosen = {b"": b"", b"1": b"a/", b"2": b"b/", b"3": b"a/b/", b"4": b"ab/"}
    added = {chosen[key] + name: Odd("f", text) for key, text in rules.items()}
    return {**odd, **{p: f for p, f in added.items() if p[: p.rfind(b"/") + 1] in folders}}


RULE_PLACES = st.sampled_from([b"", b"", b"1", b"2", b"3", b"4"])


@SLOW
@given(
    odd=trees_of(NAMES),
    before=trees_of(NAMES),
    rules=st.dictionaries(RULE_PLACES, IGNORE_FILES, min_size=1, max_size=3),
    outside=st.lists(IGNORE_FILES, max_size=1),
)
def test_a_snapshot_is_what_git_would_add(
    plain: Plain,
    odd: dict[bytes, Odd],
    before: dict[bytes, Odd],
    rules: dict[bytes, bytes],
    outside: list[bytes],
) -> None:
    if outside:
        # What the rules outside ignore, a rule that is new in the worktree cannot bring back.
        rules = {b"": rules.get(b"", b"")}
        before = with_rules(before, rules, b".gitignore")
    base = plain.tree(before)
    folder = plain.new_folder()
    write(folder, with_rules(odd, rules, b".gitignore"))
    (plain.git_dir / "info" / "exclude").write_bytes(b"".join(outside))

    excludes = [os.fsdecode(text) for text in outside]
    taken = snapshot(plain.raw, folder, base, excludes)

    assert (taken.refused, taken.tree) == ((), plain.added(folder, base))


@SLOW
@given(text=IGNORE_FILES)
def test_a_name_is_ignored_when_git_check_ignore_says_so(plain: Plain, text: bytes) -> None:
    """Here with the names that a snapshot refuses: spaces at the end, a case variant."""
    names = [*NAMES, b"b ", b"a  ", b"a\\", b"\\", b"B", b"\t", b"a\r", b"aab", b"]", b"-", b" "]
    folder = plain.new_folder()
    write(folder, {**dict.fromkeys(names, Odd("f", b"")), b".gitignore": Odd("f", text)})

    options = ("-nvz", "--no-index", "--stdin")
    asked = b"\0".join([*names, b""])
    said = plain.git("check-ignore", *options, work=folder, stdin=asked, worst=1).split(b"\0")
    rule_of = dict(zip(said[3::4], said[2::4], strict=False))
    git = {name: rule[:1] not in {b"", b"!"} for name, rule in rule_of.items()}
    rules = ignore.Ignore().enter(b"", text)
    assert {name: rules.ignores(name, is_folder=False) for name in names} == git


@SLOW
@given(data=st.data())
def test_a_filter_applies_where_git_says_so(plain: Plain, data: st.DataObject) -> None:
    words = st.sampled_from(
        [b"filter=lfs", b"-filter", b"!filter", b"filter", b"filter=", b"m", b"-m", b"!m", b"text",
         b"-text", b"n", b"m=1", b"binary"]
    )  # fmt: skip
    rest = st.lists(words, min_size=1, max_size=3).map(b" ".join)
    macro = rest.map(lambda text: b"[attr]m " + text) | rest.map(lambda text: b"[attr]n " + text)
    quoted = st.sampled_from([b'"a b"', b'"\\141"', b'"a\\"', b'"*"', b"  *", b"\t a"])
    pattern = PATTERNS.map(lambda p: p.replace(b"\r", b"")) | quoted
    line = st.builds(lambda p, w: p + b" " + w, pattern, rest) | macro
    texts = st.lists(line, max_size=4).map(lambda lines: b"\n".join(lines) + b"\n")
    paths = [b"a", b"b", b"ab", b"a/b", b"a/ab", b"b/a", b"a/b/a", b"a b", b"a/a b", b"*", b"#a"]
    top, below = data.draw(texts), data.draw(texts)
    folder = plain.new_folder()
    write(folder, {b".gitattributes": Odd("f", top), b"a/.gitattributes": Odd("f", below)})

    at_top = Filters().enter(b"", top)
    in_a = at_top.enter(b"a/", below)
    ours = {p: (in_a if p.startswith(b"a/") else at_top).driver(p) for p in paths}

    said = plain.git(
        "check-attr", "-z", "--stdin", "filter", work=folder, stdin=b"\0".join([*paths, b""])
    ).split(b"\0")
    git = dict(zip(said[::3], said[2::3], strict=False))
    none = {b"unset", b"unspecified", b"set"}
    assert ours == {path: b"" if git[path] in none else git[path] for path in paths}


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        (b"*a" * 60 + b"*b", b"a" * 240),
        (b"**/" + b"a*/**/" * 40 + b"*b", b"a/" * 119 + b"c"),
        (b"**/" + b"*a*a*a/**/" * 20 + b"x", b"aaaaa/" * 40),
        (b"[a-z]*" * 60 + b"1", b"q" * 240),
    ],
)
def test_no_pattern_takes_long(pattern: bytes, path: bytes) -> None:
    compiled = wildmatch.parse(pattern)

    started = time.perf_counter()
    for _ in range(100):
        assert not compiled.matches(path, is_folder=False)
    assert time.perf_counter() - started < 0.5


def test_a_line_of_spaces_takes_no_time() -> None:
    started = time.perf_counter()
    assert len(ignore.rules(b" " * 100_000 + b"a\n" + b"a" + b" " * 100_000 + b"\n")) == 2
    assert time.perf_counter() - started < 0.5
