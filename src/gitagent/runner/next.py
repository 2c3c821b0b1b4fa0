"""Claim a task, carry the run out, land it: what `next` and `run` do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gitagent.core.checks import CheckSpec
from gitagent.core.errors import UsageError
from gitagent.core.outcome import Outcome
from gitagent.core.protocols import AgentFactory, Stop
from gitagent.core.record import RecordJson
from gitagent.core.task import Integrate, Task
from gitagent.git import trees
from gitagent.git.commits import signing_config
from gitagent.runner.detect import detect_checks
from gitagent.runner.journal import Journal
from gitagent.runner.landing import land
from gitagent.runner.order import Order, Wishes, make_order
from gitagent.runner.project import Base, Project
from gitagent.runner.select import Choice, choices, choose, claim
from gitagent.runner.work import Listen, Work
from gitagent.store.claims import Held


@dataclass(frozen=True, slots=True)
class Foreman:
    """Everything that is the same for all runs of one command."""

    project: Project
    wishes: Wishes
    agents: Mapping[str, AgentFactory]
    stop: Stop
    listen: Listen

    def dry(self) -> tuple[Order, Choice] | None:
        """Return the order for the best ready task, unclaimed; None when nothing is ready.

        A task that cannot be ordered does not stop the others: the first such error is
        raised only when no task is left.
        """
        for found in self._orders(choices(self.project.queue())):
            return found
        return None

    def next(self) -> RecordJson | None:
        """Do the next ready task; None when nothing is ready."""
        for order, choice in self._orders(choices(self.project.queue())):
            held = self._claim(order, choice)
            if held is not None:
                return self._run(order, held)
        return None

    def run(self, start: str) -> RecordJson:
        """Do one task, by the start of its id; raises `Refused` when it is not ready."""
        choice = choose(self.project.queue(), start)
        order = self.order(choice.task, self.project.base())
        held = self._claim(order, choice)
        if held is None:
            choose(self.project.queue(), start)
            message = f"{choice.task.id} was claimed by somebody else just now"
            raise UsageError(message, hint=f"see `gitagent why {choice.task.id}`")
        return self._run(order, held)

    def order(self, task: Task, base: Base) -> Order:
        """Return the order for one task; raises `UsageError` or `Refused`."""
        search_path = self.project.environment.get("PATH", "")

        def detect() -> tuple[CheckSpec, ...]:
            return detected(self.project, base.commit)

        return make_order(task, base, self.wishes, self.agents, detect, search_path)

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
        with Journal(self.project.run_folder(held.claim.run)) as journal:
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
