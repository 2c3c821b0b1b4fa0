"""The plug-in points: what gitagent asks of an agent, a forge, a source, a notifier.

The runner knows these and never an implementation; an implementation knows these and never
the runner. A plug-in is registered under an entry-point group of `plugins.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:  # a task file and a configuration are read with none of these
    from gitagent.core.events import Event
    from gitagent.core.message import Message
    from gitagent.core.record import RunJson
    from gitagent.core.run import AgentReply
    from gitagent.core.task import Task

Emit: TypeAlias = "Callable[[Event], None]"
"""Takes an event as it happens."""

Stop: TypeAlias = Callable[[], bool]
"""Says whether the work should end now; asked several times a second."""


class Clock(Protocol):
    """The time, given from outside so that only one module reads it."""

    def now(self) -> datetime:
        """Return the time in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that only ever grow."""
        ...


@dataclass(frozen=True, slots=True)
class AgentRequest:
    """What an agent is to do.

    `prompt` is the whole text for this go; `worktree` is where the agent works and the only
    place it may write, but for `scratch`, a folder of this attempt's own. `environment` is
    all of the environment that the agent gets. `seconds` bounds its wall time. `schema` is
    a JSON Schema: then the answer is data (a review, a plan) and nothing is to be written.
    `session` is what an earlier reply gave, to be resumed.
    """

    task: str
    run: str
    attempt: int
    role: Literal["implement", "plan", "review"]
    prompt: str
    worktree: Path
    scratch: Path
    environment: Mapping[str, str]
    seconds: float
    model: str | None = None
    session: str | None = None
    schema: Mapping[str, object] | None = None


class DeskRefused(Exception):
    """The Desk does not allow this; the message is for the agent."""


class Desk(Protocol):
    """All that a running agent may ask of gitagent; every method may raise `DeskRefused`.

    No status that an agent sets moves a task; `completed` on its own task means `report`.
    """

    def task_list(self, *, running: bool = False) -> Sequence[Task]:
        """Return the tasks, or only those that run now."""
        ...

    def task_get(self, task: str) -> Task:
        """Return one task by its id or an unambiguous start of it."""
        ...

    def task_create(self, title: str, body: str, blocked_by: Sequence[str]) -> str:
        """Propose a task and return the proposal's id; a person decides."""
        ...

    def task_update(self, task: str, changes: Mapping[str, object]) -> None:
        """Propose a change of a task."""
        ...

    def update_plan(self, steps: Sequence[tuple[str, bool]]) -> None:
        """Set the plan of this task: steps in order, and whether each is done."""
        ...

    def inbox(self) -> Sequence[Message]:
        """Return the messages of this task that this run has not read, and mark them read."""
        ...

    def send_message(self, to: str, text: str) -> str:
        """Send a note to another task, or to `people`, and return its id."""
        ...

    def ask(self, question: str) -> None:
        """Ask a person; the run parks when the agent ends."""
        ...

    def report(self, reply: AgentReply) -> None:
        """Hand in what was done, as claims to be checked."""
        ...


class Agent(Protocol):
    """Who writes the change."""

    name: str

    def missing(self) -> str | None:
        """Return why this agent cannot run here and what to do; None when it can."""
        ...

    def run(self, request: AgentRequest, desk: Desk, emit: Emit, stop: Stop) -> AgentReply:
        """Work until done, out of time or stopped; failures are in the reply, not raised."""
        ...


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """What the configuration says of one agent; `command` is for the agent `command`.

    `search_path` is the PATH in which the agent's program is looked up.
    """

    name: str
    command: str | None = None
    model: str | None = None
    env: tuple[str, ...] = ()
    base_url: str | None = None
    effort: str | None = None
    tools: tuple[str, ...] | None = None
    auth: Literal["key", "subscription"] = "key"
    search_path: str = ""


AgentFactory: TypeAlias = Callable[[AgentSettings], Agent]
"""What an entry point of the group `gitagent.agents` names."""


@dataclass(frozen=True, slots=True)
class Offer:
    """Work to be offered for review: the branch is pushed, `body` is Markdown."""

    task: Task
    run: RunJson
    branch: str
    base: str
    title: str
    body: str
    draft: bool


@dataclass(frozen=True, slots=True)
class OfferState:
    """How an offer fares."""

    url: str
    state: Literal["open", "merged", "closed"]
    merge_commit: str | None = None


class Forge(Protocol):
    """Where changes are offered."""

    name: str

    def offer(self, offer: Offer) -> OfferState:
        """Open a change request, or return the open one of the same task."""
        ...

    def state(self, url: str) -> OfferState:
        """Return how the offer at `url` fares."""
        ...


@dataclass(frozen=True, slots=True)
class TaskDraft:
    """A task that a source proposes. `key` names it within one import."""

    key: str
    title: str
    body: str = ""
    source: str | None = None
    blocked_by: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    closed: bool = False
    extra: Mapping[str, object] = field(default_factory=dict)


class TaskSource(Protocol):
    """Where tasks come from and go to."""

    name: str

    def read(self) -> Iterable[TaskDraft]:
        """Return the tasks that the source has now."""
        ...

    def write(self, tasks: Sequence[Task]) -> None:
        """Bring the source up to date with `tasks`."""
        ...


class Notifier(Protocol):
    """Who hears of what happens."""

    name: str

    def notify(self, task: Task, event: Event) -> None:
        """Tell of an event; a failure is raised, logged by the caller, and stops nothing."""
        ...
