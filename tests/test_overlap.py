"""Which `allow` globs can match the same path: never a wrong no, and judged as the guard does."""

from __future__ import annotations

import itertools
import re
import time
import warnings
from collections.abc import Sequence

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gitagent.core.overlap import overlap
from gitagent.git.changes import Change
from gitagent.runner.checks.guard import Rules, guard

USUAL = [
    ("src/a/**", "src/b/**", False),
    ("src/a/**", "src/**", True),
    ("src/a/**", "src/a/b.py", True),
    ("src/a", "src/a/b.py", True),
    ("src/a", "src/ab", False),
    ("src/a/", "src/a", True),
    ("*.py", "*.md", True),  # a folder may be called `x.py`, and then stands for what is in it
    ("/*.py", "docs/*.md", False),
    ("*.py", "docs/**", True),
    ("docs/*.md", "docs/*/*.md", True),
    ("docs/*.md", "docs/a.md", True),
    ("docs/*.md", "docs/a.rst", False),
    ("docs/*.md", "/docs/a?.md", True),
    ("docs/a?.md", "docs/a.md", False),
    ("**/x", "a/b/x", True),
    ("**/x", "a/b/y", True),
    ("**/x/y", "a/b", True),
    ("**/x", "y/**", True),
    ("a/**/b", "a/b", True),
    ("a/**/b", "a/c/d/b", True),
    ("a/**/b", "a/c", True),
    ("a/**/b", "c/**", False),
    ("/a", "b/a", False),
    ("a", "b/a", True),
    ("[ab].py", "[bc].py", True),
    ("/[ab].py", "/[cd].py", False),
    ("[!a-y].py", "[x-z].py", True),
    ("/[!a-z].py", "/[b-y].py", False),
    ("[a-c]x/**", "[d-f]x/**", False),
    ("[a-c]x/", "[d-f]x/", True),  # a name without a folder before it holds anywhere
    ("/*a", "/b*", True),
    ("a*b/*", "a*c/*", False),
    ("**", "x", True),
    ("**/", "/x", True),
    ("/\\*", "/a*", False),
    ("\\*", "[*]", True),
    ("# nothing", "**", False),
    ("/", "**", False),
    ("a[", "**", False),
]


@pytest.mark.parametrize(("left", "right", "expected"), USUAL)
def test_the_usual_forms_are_told_apart(left: str, right: str, *, expected: bool) -> None:
    assert overlap([left], [right]) is expected
    assert overlap([right], [left]) is expected


def test_no_globs_stand_for_every_path() -> None:
    assert overlap([], ["src/**"])
    assert overlap(["src/**"], [])
    assert overlap([], [])


def test_one_pair_of_many_globs_is_enough() -> None:
    assert overlap(["a/**", "b/**"], ["c/**", "b/x"])
    assert not overlap(["a/**", "b/**"], ["c/**", "d/x"])


def test_what_takes_away_or_cannot_be_read_never_makes_a_no() -> None:
    assert overlap(["a/**", "!a/b"], ["a/b"])
    assert overlap(["a/[z-a]"], ["b"])
    assert overlap(["a\\"], ["b"])


PIECES = st.one_of(
    st.sampled_from(["a", "b", "*", "?", "**", "/", "[ab]", "[!a]", "[^b-c]", "[]a]", "[a-", "]"]),
    st.sampled_from(["\\*", "\\", "/**/", "**/", "/**", "!", "#", " ", "-", "*a", "b*"]),
)
GLOB = st.lists(PIECES, min_size=1, max_size=6).map("".join)
GLOBS = st.lists(GLOB, min_size=1, max_size=3)
NAME = st.text("ab*c-]", min_size=1, max_size=3)
PATH = st.lists(NAME, min_size=1, max_size=4).map("/".join)


def allowed(globs: Sequence[str], paths: Sequence[str]) -> set[str]:
    """Return the paths that the guard itself finds inside of `globs`."""
    found = [Change(path, "modified", None, 0o100644, 0o100644, False, 1, 0, 1) for path in paths]
    with warnings.catch_warnings(action="ignore", category=FutureWarning):  # of pathspec's regexes
        result = guard(found, 1, Rules(protect=(), allow=tuple(globs)), ())
    return set(paths) - {each.path for each in result.findings if each.path}


def readable(globs: Sequence[str]) -> bool:
    """Say whether the guard can read these globs."""
    try:
        allowed(globs, ["x"])
    except (ValueError, re.error):
        return False
    return True


@settings(max_examples=500)
@given(GLOBS, GLOBS, st.lists(PATH, min_size=1, max_size=30))
def test_a_path_that_the_guard_allows_to_both_is_an_overlap(
    left: list[str], right: list[str], paths: list[str]
) -> None:
    assume(readable(left))
    assume(readable(right))
    if allowed(left, paths) & allowed(right, paths):
        assert overlap(left, right)


@given(GLOBS, GLOBS)
def test_it_does_not_matter_which_is_asked_first(left: list[str], right: list[str]) -> None:
    assert overlap(left, right) == overlap(right, left)


SHORT = [
    path
    for length in range(1, 7)
    for path in map("".join, itertools.product("abz/", repeat=length))
    if all(path.split("/"))
]
SIMPLE = st.lists(
    st.sampled_from(["a", "b", "*", "?", "*a", "[ab]", "**"]), min_size=1, max_size=2
).map("/".join)


@given(SIMPLE, SIMPLE)
def test_an_overlap_of_simple_globs_has_a_short_path_to_show(left: str, right: str) -> None:
    shown = allowed([left], SHORT) & allowed([right], SHORT)
    assert overlap([left], [right]) is bool(shown)


def test_globs_made_to_take_long_are_an_overlap_soon() -> None:
    left = ["**/" + "*a" * 2000 + "b"] * 20
    right = ["**/" + "a*" * 2000 + "c"] * 20
    started = time.process_time()

    assert overlap(left, right)

    seconds = time.process_time() - started
    print(f"F11 overlap of hostile globs: {seconds:.2f} s")
    assert seconds < 5
