"""Many runs at once in one process: `next --jobs N`, `--all`, `--watch`.

Each job is a thread with a project of its own, since pygit2's and sqlite's objects are for
one thread each. An error of one run stops neither the others nor what comes after it.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeAlias

from gitagent import proc
from gitagent.core.errors import GitagentError, UsageError
from gitagent.core.events import Claimed, Entry
from gitagent.core.protocols import Stop
from gitagent.core.record import RecordJson
from gitagent.core.task import Task
from gitagent.runner.board import Board, Plan
from gitagent.runner.next import Foreman
from gitagent.runner.select import abandoned_claims
from gitagent.store.upstream import Rewritten

OpenForeman: TypeAlias = Callable[[int], Foreman]
"""Gives the foreman of a job, from 0 up; called in the thread that will use it."""

_LOOK_S = (0.3, 1.0)
"""Seconds between two looks at a queue that is all on this machine; a look costs a few ms."""
_ASK_S = (2.0, 5.0)
"""Seconds between two looks at a queue on a remote, which is asked each time."""
_STOP_S = 0.1
"""Seconds after which the main thread hears of the end of a job, or passes on a Ctrl-C."""


class Audience(Protocol):
    """Who hears of what happens; called by any thread, also by several at once."""

    def ended(self, record: RecordJson) -> None:
        """Hear of a run that ended."""
        ...

    def failed(self, task: str | None, error: GitagentError) -> None:
        """Hear of an error of one run, or of looking for a task."""
        ...

    def waits(self, tasks: Sequence[str]) -> None:
        """Hear that nothing is left to do here but to wait for tasks that run elsewhere."""
        ...


def supervise(open_foreman: OpenForeman, plan: Plan, stop: Stop, audience: Audience) -> None:
    """Do tasks, several at once, until the plan is done or `stop` asks for an end.

    Returns or raises when no job runs any more: a bug of one job after the others have
    stopped; an error that came five times in a row; and, when nothing else is left to do,
    the `UsageError` for which the remaining tasks cannot be done. KeyboardInterrupt alone
    leaves jobs behind, in daemon threads: the process should end then.
    """
    crew = _Crew(open_foreman, plan, stop, audience)
    threads = [
        threading.Thread(target=crew.work, args=(job,), name=f"job {job}", daemon=True)
        for job in range(min(plan.jobs, plan.count or plan.jobs))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(_STOP_S)
            if crew.over():
                crew.board.wake()
    crew.settle()


@dataclass
class _Crew:
    """What the jobs share."""

    open_foreman: OpenForeman
    plan: Plan
    stop: Stop
    audience: Audience
    bug: BaseException | None = None
    refused: dict[int, GitagentError] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.board = Board(self.plan)

    def over(self) -> bool:
        """Say whether every run should end after its current step."""
        return self.bug is not None or self.stop()

    def work(self, job: int) -> None:
        """Do tasks until there is nothing left for this job: the whole life of a thread."""
        try:
            foreman = self._foreman(job)
            while not self.over() and self.board.enter(job):
                if not self._turn(job, foreman):
                    break
                self._rest()
        except BaseException as error:  # noqa: BLE001 - it is raised in the main thread
            self.bug = self.bug or error
        finally:
            self.board.gone()

    def settle(self) -> None:
        """Raise what has to be raised."""
        error = self.bug or self.board.fatal
        if error is None and self.refused and not self.stop():
            error = self.refused[min(self.refused)]
        if error is not None:
            raise error

    def _foreman(self, job: int) -> Foreman:
        foreman = self.open_foreman(job)

        def listen(entry: Entry) -> None:
            if isinstance(entry.event, Claimed):
                self.board.claimed(job)
            foreman.listen(entry)

        return replace(foreman, stop=self.over, listen=listen)

    def _turn(self, job: int, foreman: Foreman) -> bool:
        """Do the next task, or wait until it is worth looking again; False to leave."""

        def avoid(task: Task) -> bool:
            return self.board.avoid(job, task)

        try:
            record = foreman.next(avoid)
        except GitagentError as error:
            return self._failed(job, foreman, error)
        self.refused.pop(job, None)
        if record is None:
            return self._found_nothing(job, foreman)
        self.audience.ended(record)
        self.board.ended(job, record)
        return True

    def _failed(self, job: int, foreman: Foreman, error: GitagentError) -> bool:
        if isinstance(error, Rewritten):  # nobody can go on before a person has decided
            self.board.fatal = self.board.fatal or error
            return False
        looked = not self.board.is_running(job)
        if looked and (isinstance(error, UsageError) or not self.plan.waits):
            self.refused[job] = error
            if self.plan.watch:
                self._tell_once(error)
            return self._found_nothing(job, foreman)
        self.audience.failed(self.board.failed(job, error), error)
        return True

    def _tell_once(self, error: GitagentError) -> None:
        if str(error) not in self.told:
            self.told.add(str(error))
            self.audience.failed(None, error)

    def _found_nothing(self, job: int, foreman: Foreman) -> bool:
        """Wait where that was asked for, or where another job was only in the way for now."""
        found = self.board.found_nothing(job)
        if not found.turned_away and not self._waits(foreman, others=found.others):
            return False
        least, most = _ASK_S if foreman.project.upstream.shared else _LOOK_S
        share = random.uniform(least, most)  # noqa: S311 - jitter: chance, not secrecy
        self.board.wait(found.seen, share * self.plan.jobs)  # all look as often as one would
        return True

    def _waits(self, foreman: Foreman, *, others: bool) -> bool:
        if not self.plan.waits:
            return False
        if others or self.plan.watch:
            return True
        elsewhere = running_elsewhere(foreman)
        if elsewhere and "elsewhere" not in self.told:
            self.told.add("elsewhere")
            self.audience.waits(elsewhere)
        return bool(elsewhere)

    def _rest(self) -> None:
        while (left := self.board.resting()) > 0 and not self.over():
            self.board.wait(self.board.round, left)


def running_elsewhere(foreman: Foreman) -> tuple[str, ...]:
    """Return the tasks that other processes hold, but for claims that may be taken over.

    Waiting for these has an end: a claim whose holder died can be taken over after its lease.
    """
    queue = foreman.project.work()
    abandoned = abandoned_claims(foreman.project, queue)
    ours = proc.this_process()
    return tuple(
        task
        for task, held in sorted(queue.held.items())
        if task not in abandoned and held.claim.process != ours
    )
