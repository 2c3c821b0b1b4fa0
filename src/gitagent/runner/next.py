"""Claim a task, carry the run out, land it: what `next` and `run` do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from gitagent.core.checks import CheckSpec
from gitagent.core.errors import UsageError
from gitagent.core.outcome import Outcome
from gitagent.core.protocols import AgentFactory, Stop
from gitagent.core.record import RecordJson
from gitagent.core.task import Integrate, Task
from gitagent.git import trees
from gitagent.git.commits import signing_config
from gitagent.runner.detect import detect_checks
from gitagent.runner.folding import Folding
from gitagent.runner.journal import Journal
from gitagent.runner.landing import land
from gitagent.runner.order import Order, Wishes, make_order
from gitagent.runner.project import LOOK, Base, Project
from gitagent.runner.select import Choice, choices, choose, claim, sweep
from gitagent.runner.stack import offer_below, restack
from gitagent.runner.waiting import tries
from gitagent.runner.work import Listen, Work
from gitagent.store.claims import Held
from gitagent.store.queue import Queue

Avoid = Callable[[Task], bool]
"""Says of a ready task whether to pass it over now."""


def _nothing(_task: Task) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Foreman:
    """Everything that is the same for all runs of one command."""

    project: Project
    wishes: Wishes
    agents: Mapping[str, AgentFactory]
    stop: Stop
    listen: Listen
    folding: Folding = field(default_factory=Folding)

    def dry(self) -> tuple[Order, Choice] | None:
        """Return the order for the best ready task, unclaimed; None when nothing is ready.

        A task that cannot be ordered does not stop the others: the first such error is
        raised only when no task is left.
        """
        for found in self._orders(self._ranked(self.project.work())):
            return found
        return None

    def next(self, avoid: Avoid = _nothing) -> RecordJson | None:
        """Do the next ready task that is not to be avoided; None when nothing is ready.

        `avoid` is asked again right before a task is claimed. With a remote, the queue is
        brought up to date first; raises `NoAnswer` when it does not answer.
        """
        self.project.sync(self.stop)
        for _ in tries(self.stop, float("inf")):
            queue = self._queue()
            tried = False
            ranked = (each for each in self._ranked(queue) if not avoid(each.task))
            for order, choice in islice(self._orders(ranked), self._at_once):
                held = None if avoid(choice.task) else self._claim(order, choice)
                if held is not None:
                    return self._run(order, held)
                tried = True
            if not tried:
                return None
            self.project.catch_up()
        return None

    def _queue(self) -> Queue:
        """Return the queue, after what everybody does who looks for work."""
        queue = self.project.work()
        sweep(self.project, queue)
        self._fold_if_due(queue)
        return self.project.work() if restack(self.project, queue) else queue

    @property
    def _at_once(self) -> int | None:
        """How many tasks may be tried before the queue is read again: one, with a remote."""
        return 1 if self.project.upstream.shared else None

    def _ranked(self, queue: Queue) -> Iterator[Choice]:
        """Yield what may be claimed, best first; what the part `queue` lacks comes at the end."""
        shown = set()
        for choice in choices(self.project, queue):
            shown.add(choice.task.id)
            yield choice
        if len(queue.graph.ready()) >= LOOK:
            rest = choices(self.project, self.project.queue())
            yield from (choice for choice in rest if choice.task.id not in shown)

    def settle(self) -> None:
        """Fold what has landed, as everybody does before they leave, and hear what came of it."""
        if self.project.upstream.shared:
            self.project.fold()
            self.project.refresh()

    def _fold_if_due(self, queue: Queue) -> None:
        if self.project.upstream.shared and self.folding.is_due(queue.landed.values()):
            self.project.fold()

    def run(self, start: str) -> RecordJson:
        """Do one task, by the start of its id; raises `Refused` when it is not ready."""
        self.project.sync(self.stop)
        choice = choose(self.project, self.project.near(start), start)
        order = self.order(choice.task, self.project.base())
        held = self._claim(order, choice)
        if held is None:
            choose(self.project, self.project.near(start), start)
            message = f"{choice.task.id} was claimed by somebody else just now"
            raise UsageError(message, hint=f"see `gitagent why {choice.task.id}`")
        return self._run(order, held)

    def order(self, task: Task, base: Base) -> Order:
        """Return the order for one task; raises `UsageError` or `Refused`."""
        search_path = self.project.environment.get("PATH", "")

        def detect() -> tuple[CheckSpec, ...]:
            return detected(self.project, base.commit)

        below = offer_below(self.project, self.project.near(task.id), task) if task.stack else None
        offer = below.work if below else None
        return make_order(task, base, self.wishes, self.agents, detect, search_path, offer=offer)

    def _orders(self, found: Iterable[Choice]) -> Iterable[tuple[Order, Choice]]:
        base: Base | None = None
        first: UsageError | None = None
        ordered = False
        for choice in found:
            base = base or self.project.base()
            try:
                order = self.order(choice.task, base)
            except UsageError as error:
                first = first or error
                continue
            ordered = True
            yield order, choice
        if first is not None and not ordered:
            raise first

    def _claim(self, order: Order, choice: Choice) -> Held | None:
        _ = self.project.author, self.project.slots()  # refused before anything is claimed
        check_signing(self.project)
        return claim(self.project, choice, order.base.commit)

    def _run(self, order: Order, held: Held) -> RecordJson:
        try:
            with Journal(self.project.run_folder(held.claim.run)) as journal:
                return self._carry_out(order, held, journal)
        finally:
            self.project.heart.take(held)
            self.project.heart.end(held.claim.run)

    def _carry_out(self, order: Order, held: Held, journal: Journal) -> RecordJson:
        work = Work(self.project, order, held, journal, self.stop, self.listen)
        try:
            work.carry_out()
            record = land(work)
        except BaseException:
            work.close(keep_worktree=True)
            raise
        kept = record["integrate"] == Integrate.NONE
        work.close(keep_worktree=kept and record["outcome"] == Outcome.SUCCEEDED)
        return record


def detected(project: Project, commit: str) -> tuple[CheckSpec, ...]:
    """Return the checks that the files of a commit suggest."""
    tree = project.repository.tree_of(commit)
    names = frozenset(
        name.decode(errors="replace") for name in trees.entries(project.repository.raw, tree)
    )
    return detect_checks(lambda path: project.repository.blob_at(commit, path), names)


def check_signing(project: Project) -> None:
    """Refuse, before anything is claimed, a signature that cannot be made."""
    if signing_config(project.repository) is not None:
        project.try_signature()
