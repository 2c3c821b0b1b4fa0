"""What a person sees of a run: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from gitagent.cli.session import Session
from gitagent.core.events import (
    AgentReplied,
    AttemptStarted,
    CheckStarted,
    Claimed,
    Ended,
    Entry,
    Event,
    Integrated,
)

if TYPE_CHECKING:
    from rich.status import Status


class Live:
    """Shows events as they come; use it as `with` around one run."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._status: Status | None = None
        self._task = ""
        self._step = ""
        self._since = 0.0

    def show(self, entry: Entry) -> None:
        """Show one event; `Entry` is what a journal holds."""
        from gitagent.views.event import event_line

        line = event_line(entry.event, verbose=False, colour=self._session.colour_err)
        if line is not None and not isinstance(entry.event, Ended):  # the summary says it
            self._print(line)
        step = _step(entry.event)
        if step is not None:
            self._step, self._since = step, self._session.clock.monotonic()
        if isinstance(entry.event, Claimed):
            self._task = entry.event.task
        self._refresh()

    def __enter__(self) -> Self:
        """Open the live line where there is a terminal."""
        self._task = ""
        if self._session.err_is_terminal and self._session.environment.get("TERM") != "dumb":
            self._open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the live line."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _open(self) -> None:
        from rich.console import Console

        console = Console(stderr=True, no_color=not self._session.colour_err, highlight=False)
        self._status = console.status(_Line(self))
        self._status.start()

    def _print(self, line: str) -> None:
        if self._status is None:
            self._session.say(line)
        else:
            from rich.text import Text

            self._status.console.print(Text.from_ansi(line), soft_wrap=True)

    def _refresh(self) -> None:
        if self._status is not None:
            self._status.update(_Line(self))

    def line(self) -> str:
        """Return the live line as it is now."""
        if not self._task:
            return "looking for a task"
        seconds = self._session.clock.monotonic() - self._since
        return f"{self._task}  {self._step}  {seconds:.0f} s"


class _Line:
    """Asked by rich for its text whenever the screen is drawn, so that the time goes on."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def __rich__(self) -> str:
        """Return the text; nothing in it is markup."""
        from rich.markup import escape

        return escape(self._live.line())


def _step(event: Event) -> str | None:
    match event:
        case Claimed():
            return "preparing"
        case AttemptStarted():
            return f"attempt {event.number}, {event.agent}"
        case AgentReplied():
            return "looking at what changed"
        case CheckStarted():
            return event.name
        case Integrated():
            return "landing"
        case _:
            return None
