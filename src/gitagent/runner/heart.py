"""Heartbeats: all claims of this process move on together, one push for all of them.

A hosted server limits pushes a minute, so a machine with many runs beats once for all
(DESIGN section 5). A claim that was lost, or three beats without an answer, ends its run.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from gitagent.store.claims import Beat, Claims, Held

MISSED = 3
"""Heartbeats without an answer after which the paid work ends (DESIGN section 5)."""
BEATS = 4
"""Heartbeats in a lease: it must outlast three of them and two pushes (PROTOCOL 3.3)."""


@dataclass(slots=True)
class _Pulse:
    held: Held
    missed: int = 0
    over: str | None = None


class Heart:
    """The heartbeats of one process; `open_claims` gives the thread claims of its own."""

    def __init__(self, open_claims: Callable[[], Claims], now: Callable[[], datetime]) -> None:
        self._open_claims = open_claims
        self._now = now
        self._pulses: dict[str, _Pulse] = {}
        self._runs: set[str] = set()
        self._changed = threading.Condition()
        self._beating = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, held: Held) -> None:
        """Keep a claim alive from now on."""
        with self._changed:
            self._pulses[held.claim.task] = _Pulse(held)
            if self._thread is None:
                self._thread = threading.Thread(target=self._beat_on, name="heart", daemon=True)
                self._thread.start()
            self._changed.notify()

    def take(self, held: Held) -> Held:
        """Stop beating for a claim, when no push is in flight, and return its last value."""
        with self._beating, self._changed:
            pulse = self._pulses.pop(held.claim.task, None)
            return held if pulse is None else pulse.held

    def over(self, held: Held) -> str | None:
        """Return why the work on a claim must end; None while it may go on."""
        pulse = self._pulses.get(held.claim.task)
        return None if pulse is None else pulse.over

    def begin(self, run: str) -> None:
        """Know of a run before its claim is pushed."""
        with self._changed:
            self._runs.add(run)

    def end(self, run: str) -> None:
        """Forget a run: its claim, should one turn up later, stands for nothing."""
        with self._changed:
            self._runs.discard(run)

    def runs(self) -> frozenset[str]:
        """Return the runs that this process carries out."""
        with self._changed:
            return frozenset(self._runs)

    def _beat_on(self) -> None:
        claims: Claims | None = None
        began = time.monotonic()
        while True:
            self._wait(began)
            began = time.monotonic()
            with self._beating:
                try:
                    claims = claims or self._open_claims()
                    self._beat(claims)
                except Exception as error:  # noqa: BLE001 - a heart that stopped would lose all
                    self._note(error)

    def _wait(self, began: float) -> None:
        """Wait for the next beat; `began` is when the last one did.

        Counted from there, not from its end: three beats that wait for a silent remote until
        their timeouts must fit into the lease too.
        """
        with self._changed:
            while (left := began + self._period() - time.monotonic()) > 0:
                self._changed.wait(left)

    def _note(self, error: Exception) -> None:
        for pulse in list(self._pulses.values()):
            _miss(pulse, f"its heartbeats failed: {error}")

    def _period(self) -> float:
        """Return the seconds to the next beat: none is needed while nothing is held."""
        pulses = list(self._pulses.values())
        leases = [each.held.claim.lease_s for each in pulses if not each.over]
        return min(leases, default=3600) / BEATS

    def _beat(self, claims: Claims) -> None:
        alive = {task: each for task, each in list(self._pulses.items()) if not each.over}
        found = claims.beat([each.held for each in alive.values()], self._now())
        for task, value in found.items():
            _take_in(alive[task], value)


def _take_in(pulse: _Pulse, value: Held | Beat) -> None:
    if isinstance(value, Held):
        pulse.held, pulse.missed = value, 0
    elif value is Beat.LOST:
        pulse.over = "the claim was lost"
    else:
        _miss(pulse, f"the remote did not answer {MISSED} heartbeats")


def _miss(pulse: _Pulse, why: str) -> None:
    pulse.missed += 1
    if pulse.missed >= MISSED:
        pulse.over = why
