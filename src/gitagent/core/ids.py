"""Identifiers: random task ids and time-ordered run ids, both lower-case Crockford base32.

Task ids carry no counter, so clones that are offline never agree on one by accident
(DESIGN section 4). Run and message ids are ULIDs: 48 bits of milliseconds, then 80 random.
"""

from __future__ import annotations

import re
from collections.abc import Container

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
TASK_ID_LENGTH = 5
_TASK_ID = re.compile(rf"[{ALPHABET}]{{{TASK_ID_LENGTH},26}}")
_ULID = re.compile(rf"[0-7][{ALPHABET}]{{25}}")
_RESERVED = "tasks"


def base32(number: int, length: int) -> str:
    """Return the lowest `5 * length` bits of `number` as `length` characters."""
    return "".join(ALPHABET[(number >> 5 * place) & 31] for place in reversed(range(length)))


def is_task_id(text: str) -> bool:
    """Say whether `text` may name a task; `tasks` is the queue's own branch."""
    return text != _RESERVED and _TASK_ID.fullmatch(text) is not None


def is_run_id(text: str) -> bool:
    """Say whether `text` is a lower-case ULID."""
    return _ULID.fullmatch(text) is not None


def task_id(entropy: bytes, taken: Container[str]) -> str:
    """Return the shortest id that `entropy` (16 bytes) spells and that is not `taken`.

    Raises `ValueError` when every length collides, which 128 random bits do not.
    """
    spelled = base32(int.from_bytes(entropy, "big"), 25)
    for length in range(TASK_ID_LENGTH, len(spelled) + 1):
        candidate = spelled[:length]
        if is_task_id(candidate) and candidate not in taken:
            return candidate
    message = "no free task id in this entropy"
    raise ValueError(message)


def ulid(milliseconds: int, entropy: bytes) -> str:
    """Return a ULID for a time in milliseconds since the epoch and 10 random bytes."""
    number = (milliseconds & (1 << 48) - 1) << 80 | int.from_bytes(entropy[:10], "big")
    return base32(number, 26)
