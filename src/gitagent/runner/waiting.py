"""Trying again: at once, then after random waits that grow, for as long as it may take."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

from gitagent.core.protocols import Stop

_FIRST = 0.05
_MOST = 5.0
_ASK = 0.25


def tries(stop: Stop, seconds: float) -> Iterator[int]:
    """Yield the number of each try, after a wait but for the first one.

    Waits are random, from 0 to 50 ms at first, doubled to 5 s (PROTOCOL 3.2). Ends after
    `seconds`, or when `stop` says so; there is always one try.
    """
    deadline = time.monotonic() + seconds
    number, most = 0, _FIRST
    while True:
        yield number
        wake = time.monotonic() + random.uniform(0, most)
        while (left := wake - time.monotonic()) > 0:
            if stop() or time.monotonic() > deadline:
                return
            time.sleep(min(left, _ASK))
        number, most = number + 1, min(2 * most, _MOST)


def pause(least: float, most: float) -> None:
    """Wait a random time, from `least` to `most` seconds."""
    time.sleep(random.uniform(least, most))


def never() -> bool:
    """Say that nobody asked for an end."""
    return False
