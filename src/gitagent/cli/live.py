"""What a person sees of runs: live lines on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
    from rich.console import Console, RenderableType
    from rich.live import Live as Screen

_A_SECOND = 8
"""How often the live lines are drawn."""
_PATIENCE = 1.0
"""Seconds to wait at the end for a thread that may hang in a write."""


@dataclass(slots=True)
class _Line:
    """What one run does, and since when (monotonic seconds)."""

    step: str
    since: float


class Live:
    """Shows the events of one run or of several; use it as `with` around them.

    Any thread may call it. With several `jobs`, what is said of a task starts with its id.
    """

    def __init__(self, session: Session, jobs: int = 1) -> None:
        self._session = session
        self._several = jobs > 1
        self._lines: dict[str, _Line] = {}
        self._screen: Screen | None = None
        self._open = False
        self._lock = threading.RLock()

    def listener(self) -> Callable[[Entry], None]:
        """Return what takes the events of one job, one run after another."""
        task = ""

        def show(entry: Entry) -> None:
            nonlocal task
            if isinstance(entry.event, Claimed):
                task = entry.event.task
            self._show(task, entry.event)

        return show

    def forget(self, task: str) -> None:
        """Take the line of a run away: it has ended."""
        with self._lock:
            self._lines.pop(task, None)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take the live lines away while something else is printed, by nobody else meanwhile."""
        with self._lock:
            self._stop()
            try:
                yield
            finally:
                self._start()

    def __enter__(self) -> Self:
        """Open the live lines where there is a terminal."""
        with self._lock:
            self._open = self._session.err_is_terminal
            self._open = self._open and self._session.environment.get("TERM") != "dumb"
            self._start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take the live lines away, and give the cursor back."""
        free = self._lock.acquire(timeout=_PATIENCE)
        try:
            self._open = False
            self._lines.clear()
            self._stop()
        finally:
            if free:
                self._lock.release()

    def _show(self, task: str, event: Event) -> None:
        from gitagent.views.event import event_line

        line = event_line(event, verbose=False, colour=self._session.colour_err)
        step = _step(event)
        with self._lock:
            if line is not None and not isinstance(event, Ended):  # the summary says it
                named = self._several and not isinstance(event, Claimed)  # that one says it too
                self._print(_named(task, line) if named else line)
            if step is not None:
                self._lines[task] = _Line(step, self._session.clock.monotonic())

    def _print(self, line: str) -> None:
        if self._screen is None:
            self._session.say(line)
        else:
            from rich.text import Text

            self._screen.console.print(Text.from_ansi(line), soft_wrap=True)

    def _start(self) -> None:
        if not self._open:
            return
        from rich.console import Console
        from rich.live import Live as Screen

        console = Console(stderr=True, no_color=not self._session.colour_err, highlight=False)
        self._screen = Screen(
            console=console,
            get_renderable=lambda: self._picture(console),
            refresh_per_second=_A_SECOND,
            transient=True,
            redirect_stdout=False,  # rich would send results to standard error
            redirect_stderr=False,
        )
        self._screen.start()

    def _stop(self) -> None:
        if self._screen is not None:
            self._screen.stop()
            self._screen = None

    def _picture(self, console: Console) -> RenderableType:
        """Return the lines as they are now, each cut to the width of the terminal."""
        from rich.console import Group
        from rich.spinner import Spinner
        from rich.text import Text

        frame = str(Spinner("dots").render(console.get_time()))
        lines = [f"{frame} {line}" for line in self.lines()]
        return Group(*(Text(line, no_wrap=True, overflow="ellipsis") for line in lines))

    def lines(self) -> list[str]:
        """Return the live lines as they are now: task, step, seconds."""
        now = self._session.clock.monotonic()
        known = list(self._lines.items())
        said = [f"{task}  {line.step}  {now - line.since:.0f} s" for task, line in known]
        return said or ["looking for a task"]


def _named(task: str, text: str) -> str:
    return "\n".join(f"{task}  {line}" for line in text.split("\n"))


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
        case Integrated() | Ended():
            return "landing"
        case _:
            return None
