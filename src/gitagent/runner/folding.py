"""When a runner folds: lazily, so that many landings share a fold (PROTOCOL section 5)."""

from __future__ import annotations

import random
import time
from collections.abc import Collection

from gitagent.store.claims import Landed

_MANY = 8
"""Landed claims from which on a runner may fold at once, by a chance of 1 in 4."""
_CHANCE = 0.25
_WAIT = (4.0, 12.0)
"""Seconds for which a landed claim is seen before somebody folds it: 4, and 0 to 8 by chance."""


class Folding:
    """One runner's memory of what it has seen landed, and for how long."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._patience = random.uniform(*_WAIT)

    def is_due(self, landed: Collection[Landed]) -> bool:
        """Say whether to fold now, given what has landed and is not folded."""
        now = time.monotonic()
        self._since = {each.oid: self._since.get(each.oid, now) for each in landed}
        oldest = min(self._since.values(), default=now)
        late = now - oldest >= self._patience
        if late:
            self._patience = random.uniform(*_WAIT)
        return late or (len(landed) >= _MANY and random.random() < _CHANCE)
