"""Whether two lists of path globs can match the same path.

A glob means what it means to the guard, which reads it with pathspec's `GitIgnoreSpec`. Each
becomes a small automaton over characters (not over path segments: to pathspec, `[!a]` also
matches a `/`), and the two are walked side by side until both accept. The answer is never a
wrong no: `!` globs, which only take away, are left out, and what is malformed or too large
to decide counts as an overlap. File names that end in a newline are not thought of.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

_MOST_STEPS = 200_000
"""Pairs of states looked at for one question, well under a second; beyond it the answer is yes."""

_LAST = 0x10FFFF
_Chars: TypeAlias = tuple[tuple[int, int], ...]
"""A set of characters: ranges of code points, both ends included."""

_ANY: _Chars = ((0, _LAST),)
_SLASH: _Chars = ((ord("/"), ord("/")),)
_NO_SLASH: _Chars = ((0, ord("/") - 1), (ord("/") + 1, _LAST))


class _Edge(NamedTuple):
    """A way to the state `target`, over one of `chars`; None when it takes no character."""

    chars: _Chars | None
    target: int


_Automaton: TypeAlias = list[list[_Edge]]
"""The edges that leave each state; it starts in the first and accepts in the last."""


class _Malformed(Exception):
    """The guard cannot read this glob either."""


class _Nothing(Exception):
    """A glob that matches no path, as git has it for a `[` that is never closed."""


def overlap(left: Sequence[str], right: Sequence[str]) -> bool:
    """Say whether a path can match one of `left` and one of `right`; no globs match all paths.

    False is certain. True is exact for globs without `!` that are neither malformed nor huge.
    """
    return not left or not right or _overlap(tuple(left), tuple(right))


@lru_cache(maxsize=4096)
def _overlap(left: tuple[str, ...], right: tuple[str, ...]) -> bool:
    try:
        first, second = _automata(left), _automata(right)
    except _Malformed:
        return True
    steps = _MOST_STEPS
    for one in first:
        for other in second:
            steps = _meet(one, other, steps)
            if steps <= 0:
                return True
    return False


def _meet(one: _Automaton, other: _Automaton, steps: int) -> int:
    """Return the steps that are left after finding no common path, 0 for one or for no end."""
    goal = (len(one) - 1, len(other) - 1)
    seen, unseen = {(0, 0)}, [(0, 0)]
    while unseen and steps > 0:
        here = unseen.pop()
        if here == goal:
            return 0
        found = _onward(here, one[here[0]], other[here[1]]) - seen
        seen |= found
        unseen += found
        steps -= 1 + len(found)
    return max(0, steps - 1)


def _onward(here: tuple[int, int], one: list[_Edge], other: list[_Edge]) -> set[tuple[int, int]]:
    found = {(edge.target, here[1]) for edge in one if edge.chars is None}
    found |= {(here[0], edge.target) for edge in other if edge.chars is None}
    for first in one:
        for second in other:
            if first.chars and second.chars and _common(first.chars, second.chars):
                found.add((first.target, second.target))
    return found


def _common(one: _Chars, other: _Chars) -> bool:
    return any(max(a, c) <= min(b, d) for a, b in one for c, d in other)


def _automata(globs: Sequence[str]) -> list[_Automaton]:
    found: list[_Automaton] = []
    for glob in globs:
        text = glob if glob.endswith("\\ ") else glob.rstrip()
        if text and text != "/" and text[0] not in "#!":
            try:
                found.append(_Builder().build(_segments(text)))
            except _Nothing:
                continue
    return found


def _segments(text: str) -> list[str]:
    """Split at slashes: a leading `**` for a bare name, a last one for what is in a folder."""
    parts = text.split("/")
    if not parts[0]:
        del parts[0]
    elif len(parts) == 1 or parts[1:] == [""]:
        parts.insert(0, "**")
    if not parts[-1]:
        parts[-1] = "**"
        if set(parts) == {"**"}:
            parts = ["*", "**"]  # `**/` is all but the files at the top
    return [each for at, each in enumerate(parts) if parts[at - 1 : at + 1] != ["**", "**"]]


class _Builder:
    """An automaton that grows at its end, which is where it accepts."""

    def __init__(self) -> None:
        self._states: _Automaton = [[]]

    def build(self, segments: Sequence[str]) -> _Automaton:
        """Add all segments; raises `_Malformed`, or `_Nothing` when nothing can match."""
        if segments == ["**"]:
            self._more(_ANY)
            return self._states
        if segments[0] == "**":
            self._maybe(_ANY, then=_SLASH)
        for at, segment in enumerate(segments):
            if segment != "**":
                self._segment(segment, first=at == 0 or segments[:at] == ["**"])
            elif 0 < at < len(segments) - 1:
                self._maybe(_ANY, before=_SLASH)
        if segments[-1] == "**":
            self._one(_SLASH)
            self._more(_ANY)
        else:
            self._maybe(_ANY, before=_SLASH)  # a folder stands for all that is in it
        return self._states

    def _one(self, chars: _Chars | None) -> None:
        self._states[-1].append(_Edge(chars, len(self._states)))
        self._states.append([])

    def _again(self, chars: _Chars) -> None:
        self._states[-1].append(_Edge(chars, len(self._states) - 1))

    def _more(self, chars: _Chars) -> None:
        self._one(chars)
        self._again(chars)

    def _maybe(self, chars: _Chars, *, before: _Chars = (), then: _Chars | None = None) -> None:
        """Add what may be left out: `before`, some `chars`, and `then`, nothing if it is None."""
        start = self._states[-1]
        if before:
            self._one(before)
        self._more(chars)
        self._one(then)
        start.append(_Edge(None, len(self._states) - 1))

    def _segment(self, text: str, *, first: bool) -> None:
        if not first:
            self._one(_SLASH)
        if text == "*":
            self._more(_NO_SLASH)
            return
        at = 0
        while at < len(text):
            at = self._atom(text, at)

    def _atom(self, text: str, at: int) -> int:
        match text[at]:
            case "*":
                self._again(_NO_SLASH)
            case "?":
                self._one(_NO_SLASH)
            case "[":
                chars, at = _bracket(text, at + 1)
                self._one(chars)
                return at
            case "\\":
                at += 1
                if at == len(text):
                    raise _Malformed
                self._one(_single(text[at]))
            case char:
                self._one(_single(char))
        return at + 1


def _single(char: str) -> _Chars:
    return ((ord(char), ord(char)),)


def _bracket(text: str, at: int) -> tuple[_Chars, int]:
    """Return what `[...]` matches and where it ends, from after its `[`."""
    negated = text[at : at + 1] in {"!", "^"}
    start = at + negated
    end = text.find("]", start + 1)
    if end < 0:
        raise _Nothing
    ranges: list[tuple[int, int]] = []
    at = start
    while at < end:
        last = at + 2 if text[at + 1] == "-" and at + 2 < end else at
        if text[last] < text[at]:
            raise _Malformed
        ranges.append((ord(text[at]), ord(text[last])))
        at = last + 1
    return (_others(ranges) if negated else tuple(ranges)), end + 1


def _others(ranges: list[tuple[int, int]]) -> _Chars:
    found: list[tuple[int, int]] = []
    free = 0
    for low, high in sorted(ranges):
        if low > free:
            found.append((free, low - 1))
        free = max(free, high + 1)
    if free <= _LAST:
        found.append((free, _LAST))
    return tuple(found)
