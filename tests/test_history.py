"""The linearizability checker itself: right histories, wrong ones, and all small ones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.history import Move, Op, Result, broken_rules, is_linearizable

UNKNOWN, REFUSED = Result.UNKNOWN, Result.REFUSED


def swap(
    expected: str | None,
    value: str | None,
    called: float,
    returned: float | None,
    result: Result = Result.DONE,
) -> Op:
    return Op("swap", value, called, returned, expected, result)


def read(value: str | None, called: float, returned: float) -> Op:
    return Op("read", value, called, returned)


RIGHT = {
    "one after the other": [swap(None, "a", 0, 1), read("a", 2, 3), swap("a", None, 4, 5)],
    "a read during a swap may see either": [
        swap(None, "a", 0, 9), read(None, 1, 2), read("a", 3, 4),
    ],
    "a swap without a reply that happened": [swap(None, "a", 0, None, UNKNOWN), read("a", 5, 6)],
    "a swap without a reply that did not": [swap(None, "a", 0, None, UNKNOWN), read(None, 5, 6)],
    "a swap without a reply that happens late": [
        swap(None, "a", 0, None, UNKNOWN), read(None, 1, 2), read("a", 3, 4),
    ],
    "the loser is refused": [swap(None, "a", 0, 5), swap(None, "b", 1, 4, REFUSED)],
    "a swap to what is there already": [swap(None, "a", 0, 1), swap(None, "a", 2, 3)],
}  # fmt: skip
WRONG = {
    "two win the same claim": [swap(None, "a", 0, 5), swap(None, "b", 1, 4)],
    "an update is lost": [swap(None, "a", 0, 1), swap("a", "b", 2, 3), read("a", 4, 5)],
    "a stale read": [swap(None, "a", 0, 1), read(None, 2, 3)],
    "two reads go back in time": [swap(None, "a", 0, 9), read("a", 1, 2), read(None, 3, 4)],
    "a value from nowhere": [read("x", 0, 1)],
    "a swap without a reply happens before its call": [
        read("a", 0, 1), swap(None, "a", 2, None, UNKNOWN),
    ],
    "a swap without a reply happens twice": [
        swap(None, "a", 0, None, UNKNOWN), read("a", 1, 2), swap("a", None, 3, 4), read("a", 5, 6),
    ],
    "refused although it fits": [swap(None, "a", 0, 1), swap("a", "b", 2, 3, REFUSED)],
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_history_is_let_through(name: str) -> None:
    assert is_linearizable(RIGHT[name])


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_history_is_caught(name: str) -> None:
    assert not is_linearizable(WRONG[name])


VALUES = st.sampled_from([None, "a", "b"])


@st.composite
def operations(draw: st.DrawFn) -> Op:
    called = draw(st.integers(0, 8))
    returned = called + draw(st.integers(1, 6))
    if draw(st.booleans()):
        return read(draw(VALUES), called, returned)
    result = draw(st.sampled_from(Result))
    until = None if result is UNKNOWN else returned
    return swap(draw(VALUES), draw(VALUES), called, until, result)


@settings(max_examples=200, deadline=None)
@given(st.lists(operations(), max_size=5))
def test_the_checker_says_what_trying_every_order_says(history: list[Op]) -> None:
    assert is_linearizable(history) == some_order_explains(history)


def some_order_explains(history: list[Op]) -> bool:
    """Try every order of every subset that leaves out only what had no reply."""
    known = [op for op in history if op.result is not UNKNOWN]
    lost = [op for op in history if op.result is UNKNOWN]
    return any(
        explains(order)
        for count in range(len(lost) + 1)
        for some in combinations(lost, count)
        for order in permutations([*known, *some])
    )


def explains(order: tuple[Op, ...]) -> bool:
    state: str | None = None
    for number, op in enumerate(order):
        later = order[number + 1 :]
        if any(each.returned is not None and each.returned < op.called for each in later):
            return False
        if not op.holds(state):
            return False
        state = op.value if op.moves else state
    return True


def claim(run: str, epoch: int = 1, continues: str | None = None) -> dict[str, object]:
    return {"kind": "claim", "run": run, "epoch": epoch, "continues": continues}


CLAIMS: dict[str, dict[str, object]] = {
    "a1": claim("a"),
    "a2": claim("a"),
    "aL": {**claim("a"), "kind": "landed"},
    "b1": claim("b", 2, "a"),
    "bL": {**claim("b", 2, "a"), "kind": "landed"},
    "c1": claim("c", 3, "a"),
}
BROKEN: dict[str, list[tuple[str | None, str | None]]] = {
    "a landing that is moved on": [(None, "a1"), ("a1", "aL"), ("aL", "b1")],
    "an old run that lands over its successor": [(None, "a1"), ("a1", "b1"), ("b1", "aL")],
    "an epoch that is left out": [(None, "a1"), ("a1", "c1")],
    "a first claim of a late epoch": [(None, "b1")],
    "two that replace the same value": [(None, "a1"), ("a1", "a2"), ("a1", "b1")],
}


def moves(pairs: Sequence[tuple[str | None, str | None]]) -> list[Move]:
    return [Move(float(at), "refs/claims/k", *pair) for at, pair in enumerate(pairs)]


def test_the_life_of_a_claim_breaks_no_rule() -> None:
    life = moves([(None, "a1"), ("a1", "a2"), ("a2", "b1"), ("b1", "bL"), ("bL", None)])
    assert broken_rules(life, CLAIMS) == []


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_named(name: str) -> None:
    assert broken_rules(moves(BROKEN[name]), CLAIMS)
