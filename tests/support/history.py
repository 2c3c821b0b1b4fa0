"""What clones saw of a server's refs, checked for linearizability (as Knossos and Porcupine do).

A ref is a register with compare-and-swap. The clients' view is a list of operations with the
times of their call and return; it is right if each can be given one moment in between such that
all of them, one after the other, make sense. What had no reply may have happened at any time
after its call, or never.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

ABSENT = "0" * 40


class Result(Enum):
    """What a client knows of its operation."""

    DONE = "a swap was placed, a read gave its value"
    REFUSED = "a swap found another value than expected"
    UNKNOWN = "a swap had no reply"


@dataclass(frozen=True, slots=True)
class Op:
    """One operation on one register; None is "no such ref".

    A swap moves `expected` to `value`; a read has found `value`. `returned` is None where no
    reply came. Times are of one clock for all clients, in any unit.
    """

    kind: str
    value: str | None
    called: float
    returned: float | None
    expected: str | None = None
    result: Result = Result.DONE

    def holds(self, state: str | None) -> bool:
        """Say whether this may happen while the register is at `state`."""
        if self.kind == "read":
            return state == self.value
        if self.result is Result.REFUSED:
            return state != self.expected
        # `git push` compares nothing where the new value is there already.
        return state in (self.expected, self.value)

    @property
    def moves(self) -> bool:
        """Say whether this changes the register when it happens."""
        return self.kind == "swap" and self.result is not Result.REFUSED


class _State(NamedTuple):
    """A possible present: the register's value, and which open operations have happened."""

    value: str | None
    happened: frozenset[int]


def is_linearizable(history: Sequence[Op], first: str | None = None) -> bool:
    """Say whether one order explains what all clients saw of one register."""
    present = {_State(first, frozenset())}
    pending: set[int] = set()
    for _, is_return, number in sorted(_moments(history)):
        if not is_return:
            pending.add(number)
            continue
        after = {each for each in _reach(present, pending, history) if number in each.happened}
        pending.discard(number)
        present = {_State(each.value, each.happened - {number}) for each in after}
        if not present:
            return False
    return True


def _moments(history: Sequence[Op]) -> Iterator[tuple[float, bool, int]]:
    """Yield calls and returns; at the same moment the call is first, which allows more."""
    for number, op in enumerate(history):
        yield op.called, False, number
        if op.returned is not None and op.result is not Result.UNKNOWN:
            yield op.returned, True, number


def _reach(present: set[_State], pending: set[int], history: Sequence[Op]) -> set[_State]:
    """Return every present that the pending operations can lead to."""
    found: set[_State] = set()
    ahead = [_settle(each, pending, history) for each in present]
    while ahead:
        state = ahead.pop()
        if state in found:
            continue
        found.add(state)
        for number in pending - state.happened:
            op = history[number]
            if op.moves and op.holds(state.value):
                moved = _State(op.value, state.happened | {number})
                ahead.append(_settle(moved, pending, history))
    return found


def _settle(state: _State, pending: set[int], history: Sequence[Op]) -> _State:
    """Let what changes nothing happen as early as it can: that never forbids anything."""
    quiet = {
        number
        for number in pending - state.happened
        if not history[number].moves and history[number].holds(state.value)
    }
    return _State(state.value, state.happened | quiet)


def read_logs(logs: Iterable[Path], *, refusals_count: bool) -> dict[str, list[Op]]:
    """Return the operations that `git_between.py` wrote down, by ref.

    A refusal by the server proves nothing and is left out, or (not `refusals_count`, where
    replies get lost and `curl` repeats what was done already) may have been done all the same.
    """
    calls = [call for log in logs for call in _calls(log)]
    refs = {ref for call in calls for ref in call["leases"]}
    found: dict[str, list[Op]] = defaultdict(list)
    for call in calls:
        ops = _swaps(call, refusals_count=refusals_count) if call["leases"] else _reads(call, refs)
        for ref, op in ops:
            found[ref].append(op)
    return dict(found)


def _calls(log: Path) -> Iterator[dict[str, Any]]:
    """Yield each call with its end, if it has one."""
    begun: dict[str, dict[str, Any]] = {}
    for line in log.read_text().splitlines() if log.exists() else ():
        part = json.loads(line)
        begun.setdefault(part["call"], {"returned": None, "leases": {}}).update(part)
    yield from begun.values()


def _swaps(call: Mapping[str, Any], *, refusals_count: bool) -> Iterator[tuple[str, Op]]:
    flags = call.get("flags", {})
    for ref, (expected, value) in call["leases"].items():
        flag, summary = flags.get(ref, ("?", ""))
        result, returned = Result.UNKNOWN, None
        if flag not in "!?":
            result, returned = Result.DONE, call["returned"]
        elif "(stale info)" in summary and refusals_count:
            result, returned = Result.REFUSED, call["returned"]
        elif flag == "!" and refusals_count:
            continue
        yield ref, Op("swap", value, call["called"], returned, expected, result)


def _reads(call: Mapping[str, Any], refs: Iterable[str]) -> Iterator[tuple[str, Op]]:
    """Yield what a fetch or `ls-remote` that succeeded has seen, also what was not there."""
    for ref in refs if call.get("code") == 0 else ():
        if any(ref == each or (each[-1] == "/" and ref.startswith(each)) for each in call["asked"]):
            yield ref, Op("read", call["seen"].get(ref), call["called"], call["returned"])


class Move(NamedTuple):
    """One ref moved on the server, as its hook wrote it down; None is "no such ref".

    `at` is in seconds since the machine was started, which no wrong clock changes.
    """

    at: float
    ref: str
    old: str | None
    new: str | None


def hook(log: Path) -> str:
    """Return the `reference-transaction` hook (`sh`) that writes down every move."""
    return f"""[ "$1" = committed ] || exit 0
read -r up _ < /proc/uptime
while read -r old new ref; do echo "$up $ref $old $new"; done >> {log}"""


def read_moves(log: Path) -> list[Move]:
    """Return what `hook` wrote down."""
    lines = [line.split(" ") for line in log.read_text().splitlines()]
    absent = {ABSENT: None}
    return [
        Move(float(up), ref, absent.get(old, old), absent.get(new, new))
        for up, ref, old, new in lines
    ]


def broken_rules(moves: Sequence[Move], claims: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return what breaks PROTOCOL among the moves of claim refs.

    `claims` says of each commit what it is: `kind` (`claim`, `landed`), `task`, `run`, `epoch`,
    `continues`, and for a landing `outcome`.
    """
    found = [*_lost_updates(moves)]
    for move in moves:
        found += [f"{move.ref}: {each}" for each in _wrong(move, claims)]
    return found


def _lost_updates(moves: Sequence[Move]) -> Iterator[str]:
    """Yield values that were set twice, or replaced twice: a compare-and-swap allows neither."""
    for side in ("old", "new"):
        seen: set[tuple[str, str]] = set()
        for move in moves:
            value = getattr(move, side)
            if value is not None and (move.ref, value) in seen:
                yield f"{move.ref}: {value} twice as {side}"
            seen.add((move.ref, value))


def _wrong(move: Move, claims: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    old = claims[move.old] if move.old else None
    new = claims[move.new] if move.new else None
    if old is not None and old["kind"] == "landed" and new is not None:
        yield f"the landing of {old['run']} was moved on"
    if new is None:
        return
    if old is None:
        if new["kind"] == "landed" or new["epoch"] != 1:
            yield f"{new['run']} began with epoch {new['epoch']}, {new['kind']}"
    elif old["run"] != new["run"]:
        if new["kind"] == "landed":
            yield f"{new['run']} landed over {old['run']}"
        if (new["epoch"], new["continues"]) != (old["epoch"] + 1, old["run"]):
            yield f"{new['run']} took over {old['run']} with epoch {new['epoch']}"
    elif new["epoch"] != old["epoch"]:
        yield f"{new['run']} changed its epoch"
