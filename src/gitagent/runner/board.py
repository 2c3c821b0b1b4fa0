"""Who of several jobs in one process has which task; every method may be called by any thread."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field
from typing import NamedTuple

from gitagent.core.errors import GitagentError
from gitagent.core.overlap import overlap
from gitagent.core.record import RecordJson
from gitagent.core.task import Status, Task

COOL_S = 60.0
"""Seconds before a task that this session has tried, and that is open again, is taken again."""
MOST_ERRORS = 5
"""Errors in a row, with no run that ended, after which something is wrong with the machine."""
_NEVER = float("inf")


_FIRST_REST_S = 2.0
"""Seconds of rest after a first error of looking for a task; doubled with each in a row."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for: how many at once, how many in all, and whether to wait for more.

    `waits` is `--all`, and `watch` goes on waiting for ever. `overlap` lets tasks run at once
    whose `allow` globs can match the same path.
    """

    jobs: int
    count: int | None
    waits: bool
    watch: bool
    overlap: bool


class Found(NamedTuple):
    """Why a job found nothing: it was `turned_away` by one that only looked.

    `others` says whether other jobs are busy; `seen` is the round after which it is worth
    looking again.
    """

    turned_away: bool
    others: bool
    seen: int


@dataclass(slots=True)
class _Turn:
    """A job that looks for a task, has picked one, or (`runs`) has claimed it."""

    seen: int
    task: Task | None = None
    runs: bool = False
    turned_away: bool = False
    in_the_way: bool = False


@dataclass
class Board:
    """The turns of all jobs.

    A task is reserved by asking whether to avoid it, so between the question and the claim no
    other job can begin one that overlaps. `round` grows with whatever may make it worth
    looking again: a run begins or ends, a job leaves for good, a reservation that was in
    somebody's way is given up.
    """

    plan: Plan
    round: int = 0
    fatal: GitagentError | None = None
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _turns: dict[int, _Turn] = field(default_factory=dict)
    _taken: int = 0
    _again: dict[str, float] = field(default_factory=dict)
    _errors: int = 0
    _rest_until: float = 0.0

    def enter(self, job: int) -> bool:
        """Begin a turn; False when no more is to be done."""
        with self._changed:
            under_way = self._taken + len(self._turns)
            full = self.plan.count is not None and under_way >= self.plan.count
            if full or self.fatal is not None:
                return False
            self._turns[job] = _Turn(self.round)
            return True

    def avoid(self, job: int, task: Task) -> bool:
        """Say whether `job` must pass `task` over; if it need not, the task is reserved for it."""
        with self._changed:
            if time.monotonic() < self._again.get(task.id, 0):
                return True
            rival = self._rival(job, task)
            mine = self._turns[job]
            if rival is None:
                mine.task = task
            elif not rival.runs:
                mine.turned_away = rival.in_the_way = True
            return rival is not None

    def _rival(self, job: int, task: Task) -> _Turn | None:
        others = (turn for other, turn in self._turns.items() if other != job)
        return next((each for each in others if each.task and self._clash(each.task, task)), None)

    def _clash(self, one: Task, other: Task) -> bool:
        """Say whether two tasks may not run at once; one without `allow` names no paths at all."""
        if one.id == other.id:
            return True
        declared = bool(one.allow and other.allow) and not self.plan.overlap
        return declared and overlap(one.allow, other.allow)

    def claimed(self, job: int) -> None:
        """Note that the task which `job` has reserved is its own now."""
        with self._changed:
            self._turns[job].runs = True
            self._next_round()

    def is_running(self, job: int) -> bool:
        """Say whether `job` has claimed its task."""
        with self._changed:
            return self._turns[job].runs

    def ended(self, job: int, record: RecordJson) -> None:
        """End the turn of a job whose run is over."""
        with self._changed:
            self._errors = 0
            self._turns.pop(job)
            # Under `--all` what failed stays failed; under `--watch` a person may reopen it.
            open_again = record["status"] in (Status.OPEN, None)
            self._set_aside(record["task"], COOL_S if self.plan.watch or open_again else _NEVER)
            self._next_round()

    def failed(self, job: int, error: GitagentError) -> str | None:
        """End the turn of a job by an error; return the task that it had claimed, if any.

        While looking for a task failed, all rest for a while, and errors meanwhile are one.
        """
        with self._changed:
            turn = self._turns.pop(job)
            if turn.runs or time.monotonic() >= self._rest_until:
                self._errors += 1
            if self._errors >= MOST_ERRORS:
                self.fatal = self.fatal or error
            if not turn.runs:
                self._rest(turn)
                return None
            task = turn.task.id if turn.task else None
            self._set_aside(task or "", _NEVER)
            self._next_round()
            return task

    def _rest(self, turn: _Turn) -> None:
        share = random.uniform(0.5, 1)  # noqa: S311 - jitter: chance, not secrecy
        seconds = _FIRST_REST_S * 2 ** (self._errors - 1) * share
        self._rest_until = max(self._rest_until, time.monotonic() + seconds)
        if turn.in_the_way:
            self._next_round()

    def resting(self) -> float:
        """Return the seconds until it may be tried again to look for a task."""
        with self._changed:
            return self._rest_until - time.monotonic()

    def found_nothing(self, job: int) -> Found:
        """End the turn of a job that found nothing to do."""
        with self._changed:
            turn = self._turns.pop(job)
            if turn.in_the_way:
                self._next_round()  # which is no news to this job
            return Found(turn.turned_away, bool(self._turns), turn.seen + turn.in_the_way)

    def gone(self) -> None:
        """Note that a job has left for good."""
        with self._changed:
            self._next_round()

    def wait(self, seen: int, seconds: float) -> None:
        """Return when `round` is not `seen` any more, at `wake`, or after so many seconds."""
        with self._changed:
            if self.round == seen:
                self._changed.wait(seconds)

    def wake(self) -> None:
        """Let all who wait look again."""
        with self._changed:
            self._changed.notify_all()

    def _set_aside(self, task: str, seconds: float) -> None:
        self._taken += 1
        self._again[task] = time.monotonic() + seconds

    def _next_round(self) -> None:
        self.round += 1
        self._changed.notify_all()
