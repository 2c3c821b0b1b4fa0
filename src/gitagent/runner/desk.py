"""The Desk of one run: what its agent may ask of gitagent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn

from gitagent.core.errors import UsageError
from gitagent.core.message import Message
from gitagent.core.protocols import DeskRefused
from gitagent.core.run import AgentReply
from gitagent.core.task import Task
from gitagent.runner.project import Project
from gitagent.store import messages


class RunDesk:
    """Implements `core.protocols.Desk` for one task: it reads; every wish is refused."""

    def __init__(self, project: Project, task: str) -> None:
        self._project = project
        self._task = task
        self.read: list[str] = []

    def task_list(self, *, running: bool = False) -> Sequence[Task]:
        """Return the tasks, or only those that run now."""
        graph = self._project.queue().graph
        return [task for task in graph.tasks.values() if not running or task.id in graph.running]

    def task_get(self, task: str) -> Task:
        """Return one task by its id or an unambiguous start of it."""
        try:
            return self._project.queue().find(task)
        except UsageError as error:
            raise DeskRefused(str(error)) from error

    def inbox(self) -> Sequence[Message]:
        """Return the messages that this run has not read, and mark them read."""
        found = messages.inbox(self._project.branch.view(), self._task)
        new = [message for message in found if message.id not in self.read]
        self.read += [message.id for message in new]
        return new

    def task_create(self, title: str, body: str, blocked_by: Sequence[str]) -> str:
        """Refuse: a person adds tasks."""
        self._refuse("propose a task")

    def task_update(self, task: str, changes: Mapping[str, object]) -> None:
        """Refuse: a person changes tasks."""
        self._refuse("change a task")

    def update_plan(self, steps: Sequence[tuple[str, bool]]) -> None:
        """Refuse: there is no plan."""
        self._refuse("set a plan")

    def send_message(self, to: str, text: str) -> str:
        """Refuse: nobody listens."""
        self._refuse("send a message")

    def ask(self, question: str) -> None:
        """Refuse: nobody answers."""
        self._refuse("ask a person")

    def report(self, reply: AgentReply) -> None:
        """Refuse: the agent's reply is its report."""
        self._refuse("report")

    @staticmethod
    def _refuse(wish: str) -> NoReturn:
        message = f"this run gives its agent no way to {wish}"
        raise DeskRefused(message)
