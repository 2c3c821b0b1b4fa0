"""One run carried out: `decide` says what is next, this does it and appends what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import assert_never

from gitagent.core import decide
from gitagent.core.checks import Finding
from gitagent.core.events import (
    AgentReplied,
    AttemptStarted,
    Checked,
    CheckStarted,
    Claimed,
    Ended,
    Entry,
    Event,
    Offered,
    Prepared,
    StopRequested,
    Warned,
)
from gitagent.core.message import Message
from gitagent.core.protocols import AgentRequest, Stop
from gitagent.core.run import AgentError, AgentReply, Candidate
from gitagent.git import commits, worktree
from gitagent.git.changes import changes
from gitagent.git.snapshot import snapshot
from gitagent.runner import offered, place
from gitagent.runner.bench import Bench
from gitagent.runner.checks.guard import Rules
from gitagent.runner.desk import RunDesk
from gitagent.runner.environment import allowed
from gitagent.runner.journal import Journal
from gitagent.runner.order import Order
from gitagent.runner.project import Project
from gitagent.runner.prompt import prompt
from gitagent.runner.recover import recovered
from gitagent.runner.stack import restacked
from gitagent.store import messages
from gitagent.store.claims import Held
from gitagent.text import one_line, printable

_SHOWN_PATHS = 100

Listen = Callable[[Entry], None]
"""Hears of every event of a run as it is appended."""


@dataclass
class Work:
    """A claimed run in progress. `desk` reads for the agent; `turn` is for `place` alone.

    `replaces` is the offer that goes when this run's work lands.
    """

    project: Project
    order: Order
    held: Held
    journal: Journal
    stop: Stop
    listen: Listen
    turn: Held | None = field(default=None, init=False)
    replaces: offered.Offered | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Lay out the folders and the bench."""
        self.folder = self.project.run_folder(self.run)
        self.slot = self.project.slots() / self.run
        self.worktree = self.slot / "work"
        self.desk = RunDesk(self.project, self.order.task.id)
        config = self.order.base.config
        self.bench = Bench(
            project=self.project,
            checks=self.order.checks,
            rules=Rules(config.protect, self.order.task.allow),
            folder=self.slot / "check",
            logs=self.folder,
            stop=self.should_stop,
        )

    @property
    def run(self) -> str:
        """The run's id."""
        return self.held.claim.run

    @property
    def base(self) -> str:
        """The commit that the work starts from.

        A claim that was taken over names an older one, from which on the base is searched.
        """
        return self.order.start

    @property
    def state(self) -> decide.State:
        """What the journal says so far."""
        return decide.fold(self.journal.history)

    def append(self, event: Event) -> None:
        """Write an event to the journal, and tell who listens."""
        entry = Entry(self.project.timestamp(), event)
        self.journal.append(entry)
        self.listen(entry)

    def carry_out(self) -> None:
        """Do step after step until the run has ended; landing is the caller's."""
        self._open()
        while True:
            step = decide.decide(self.journal.history, self.order.policy)
            if isinstance(step, decide.Finished):
                return
            why = None if isinstance(step, decide.End) else self.why_stop()
            if why is not None:
                self.append(StopRequested(why))
                continue
            self._do(step)

    def close(self, *, keep_worktree: bool) -> None:
        """Give the landing turn back and remove the checkouts, but what was asked for."""
        self.end_turn()
        self.bench.close()
        if not keep_worktree and self.state.prepared:
            worktree.remove(self.project.repository, self.worktree)
            if self.slot.is_dir() and not any(self.slot.iterdir()):
                self.slot.rmdir()

    def why_stop(self) -> str | None:
        """Return why the run should end now; None while it may go on."""
        if self.stop():
            return "a person"
        holding = [each for each in (self.held, self.turn) if each is not None]
        return next(filter(None, map(self.project.heart.over, holding)), None)

    def should_stop(self) -> bool:
        """Say whether the run should end now; asked several times a second."""
        return self.why_stop() is not None

    def end_turn(self) -> None:
        """Give the landing turn back, if this run has it."""
        if self.turn is not None:
            self.project.claims.release(self.project.heart.take(self.turn))
            self.turn = None

    def _open(self) -> None:
        claim, task = self.held.claim, self.order.task
        self.append(
            Claimed(task.id, claim.run, task.title, self.base, claim.epoch, claim.continues)
        )
        for event in recovered(self.project, self.order, self.held) or restacked(self):
            self.append(event)
        if self.state.last is not None:
            return
        if not self.order.checks:
            self.append(Warned("nothing verifies this task: no check is configured"))
        elif self.order.detected:
            names = ", ".join(f"`{each.run}`" for each in self.order.checks)
            self.append(Warned(f"the base has no gitagent.yaml; using detected checks: {names}"))

    def _do(self, step: decide.Step) -> None:
        match step:
            case decide.Prepare():
                self._prepare()
            case decide.Attempt():
                self._attempt(step)
            case decide.Snapshot():
                self._snapshot()
            case decide.Judge():
                self._judge(step)
            case decide.Place():
                self.append(place.place(self, step.candidate))
            case decide.End():
                self.append(Ended(step.outcome, step.reason, step.waiting_for))
            case decide.Finished():
                return
            case _:
                assert_never(step)

    def _prepare(self) -> None:
        worktree.add(self.project.repository, self.worktree, self.base)
        self.append(Prepared(str(self.worktree)))

    def _attempt(self, step: decide.Attempt) -> None:
        agent = self.order.agent
        self.append(AttemptStarted(step.number, agent.name, self.order.model))
        started = self.project.clock.monotonic()
        reply = agent.run(self._request(step), self.desk, self.append, self.should_stop)
        measured = self.project.clock.monotonic() - started
        seconds = max(measured, reply.usage.seconds)  # an agent's word gives no time back
        reply = replace(reply, usage=replace(reply.usage, seconds=seconds))
        if self.worktree.is_symlink() or not self.worktree.is_dir():
            reply = self._without_worktree(reply)
        self.append(AgentReplied(step.number, reply))

    def _without_worktree(self, reply: AgentReply) -> AgentReply:
        """Make the worktree anew for the next attempt, and say that the agent removed it."""
        worktree.remove(self.project.repository, self.worktree)
        if self.slot.is_symlink() or not self.slot.is_dir():
            self.slot.unlink(missing_ok=True)
        worktree.add(self.project.repository, self.worktree, self.base)
        gone = AgentError("tampered", "the agent removed its worktree")
        return replace(reply, error=reply.error or gone)

    def _request(self, step: decide.Attempt) -> AgentRequest:
        config = self.order.base.config.agents.get(self.order.agent.name)
        scratch = self.folder / f"attempt-{step.number}"
        scratch.mkdir(parents=True, exist_ok=True)
        return AgentRequest(
            task=self.order.task.id,
            run=self.run,
            attempt=step.number,
            role="implement",
            prompt=prompt(self.order.task, self.order.checks, self._messages(), step.feedback),
            worktree=self.worktree,
            scratch=scratch,
            environment=allowed(self.project.environment, config.env if config else ()),
            seconds=step.seconds,
            model=self.order.model,
        )

    def _messages(self) -> tuple[Message, ...]:
        found = messages.inbox(self.project.branch.view(), self.order.task.id)
        self.desk.read = [message.id for message in found]
        return found

    def _snapshot(self) -> None:
        candidate, refused = self.take_snapshot()
        raw = self.project.repository.raw
        found = changes(raw, candidate.base_tree, candidate.tree)
        paths = tuple(printable(each.path) for each in found[:_SHOWN_PATHS])
        self.append(Offered(candidate, paths, len(found), refused))

    def take_snapshot(self) -> tuple[Candidate, tuple[Finding, ...]]:
        """Make a commit of what the worktree holds; return it and what was left out."""
        repository = self.project.repository
        base = self.base
        base_tree = repository.tree_of(base)
        taken = snapshot(repository.raw, self.worktree, base_tree, repository.excludes())
        commit = self.commit(taken.tree, base)
        return Candidate(base, base_tree, commit, taken.tree), taken.refused

    def commit(self, tree: str, parent: str) -> str:
        """Write the task's one commit: the person's, made by gitagent, with its trailers."""
        draft = commits.Draft(
            tree=tree,
            parents=(parent,),
            message=self._commit_message(),
            author=self.project.author,
            when=self.project.now(),
        )
        return commits.write_signed(self.project.repository, draft)

    def _commit_message(self) -> str:
        claim = self.held.claim
        trailers = [("Task", claim.task), ("Run", claim.run), ("Epoch", str(claim.epoch))]
        trailers.append(("Agent", self.order.agent.name))
        if self.order.model:
            trailers.append(("Model", self.order.model))
        lines = "".join(f"Gitagent-{key}: {value}\n" for key, value in trailers)
        return f"{one_line(self.order.task.title, 200)}\n\n{lines}"

    def _judge(self, step: decide.Judge) -> None:
        self.append(CheckStarted(step.check))
        refused = self.state.refused
        result = self.bench.judge(step.check, step.candidate, refused, step.seconds)
        if result is None:
            self.append(StopRequested(self.why_stop() or "a person"))
        else:
            self.append(Checked(step.candidate.tree, result))
