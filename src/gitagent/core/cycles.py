"""Ways and cycles in a directed graph, given as what each node leads to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

SPELLED_IDS = 8
"""How many ids of a cycle are spelled out in a text; a line that a person reads."""


def way(edges: Mapping[str, Sequence[str]], start: str, goal: str) -> tuple[str, ...] | None:
    """Return a shortest way from `start` to `goal`, both included; None without one."""
    came: dict[str, str | None] = {start: None}
    queue = [start]
    for here in queue:
        if here == goal:
            return _trail(came, here)
        for needed in edges.get(here, ()):
            if needed not in came:
                came[needed] = here
                queue.append(needed)
    return None


def _trail(came: Mapping[str, str | None], end: str) -> tuple[str, ...]:
    trail = [end]
    while (before := came[trail[-1]]) is not None:
        trail.append(before)
    return tuple(reversed(trail))


def cycle_texts(inside: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return what to say of each task of a component, in which all need each other.

    One cycle of it is looked for, once; a task that is not on it is told which one it is.
    """
    start = min(inside)
    loop = way(inside, inside[start][0], start) or ()
    texts = dict.fromkeys(inside, f"tied to the cycle {_spelled(loop, len(loop) - 1)}")
    return texts | {each: f"in a cycle: {_spelled(loop, at)}" for at, each in enumerate(loop)}


def _spelled(loop: Sequence[str], at: int) -> str:
    """Return the cycle from its place `at` on, cut when it is long."""
    ids = [loop[(at + step) % len(loop)] for step in range(min(len(loop), SPELLED_IDS))]
    return " -> ".join([*ids, ids[0] if len(loop) <= SPELLED_IDS else "..."])


def components(
    needs: Mapping[str, Sequence[str]], users: Mapping[str, Sequence[str]]
) -> Iterator[set[str]]:
    """Give the strongly connected components: Kosaraju's two walks, without recursion."""
    seen: set[str] = set()
    order = [each for start in needs if start not in seen for each in _walk(needs, start, seen)]
    seen = set()
    for start in reversed(order):
        if start not in seen:
            yield set(_walk(users, start, seen))


def _walk(edges: Mapping[str, Sequence[str]], start: str, seen: set[str]) -> list[str]:
    """Return what `start` leads to and is not `seen` yet, each after what it leads to."""
    order: list[str] = []
    seen.add(start)
    stack = [(start, iter(edges.get(start, ())))]
    while stack:
        here, rest = stack[-1]
        new = next((each for each in rest if each not in seen), None)
        if new is None:
            order.append(here)
            stack.pop()
        else:
            seen.add(new)
            stack.append((new, iter(edges.get(new, ()))))
    return order
