"""Waiting for a condition, with an end."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 30.0


def eventually(holds: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Return as soon as `holds` does; fail the test after `patience` seconds."""
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, "this never came true"
        time.sleep(0.01)
