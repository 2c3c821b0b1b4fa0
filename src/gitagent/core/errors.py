"""Expected errors: what went wrong, where, and what to type next.

::

    GitagentError            the work failed                              exit 1
    ├── ExternalError        a program or service failed                  exit 1
    ├── ConflictError        somebody moved a ref first                   exit 1
    └── UsageError           the caller can fix it                        exit 2
        ├── UnknownTask      no task, or several, have this id
        ├── BadInput         a file, a key or a value is not allowed
        └── Refused          this repository or this state does not allow it
            └── NoQueue      there is no tasks branch

An outcome of a run is a value (`core.outcome`), never an exception. Every message is one
sentence without a trailing period; `hint` is what to type next.
"""

from __future__ import annotations

from typing import ClassVar


class GitagentError(Exception):
    """An expected error; `hint` tells the user what to do about it."""

    exit_code: ClassVar[int] = 1
    code: ClassVar[str] = "failed"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        file: str | None = None,
        line: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.file = file
        self.line = line

    def __str__(self) -> str:
        """Return `file:line: message`, with as much of the place as is known."""
        place = ":".join(str(part) for part in (self.file, self.line) if part is not None)
        return f"{place}: {self.message}" if place else self.message


class ExternalError(GitagentError):
    """A program or a service failed."""

    code = "external"


class ConflictError(GitagentError):
    """Somebody else moved a ref first; the caller reads again and retries."""

    code = "conflict"


class UsageError(GitagentError):
    """The caller can fix it; nothing was changed."""

    exit_code = 2
    code = "usage"


class UnknownTask(UsageError):
    """No task has this id, or more than one starts with it."""

    code = "unknown_task"


class BadInput(UsageError):
    """A file, a key or a value is not allowed; `file` and `line` say where."""

    code = "bad_input"


class Refused(UsageError):
    """The repository, or the state something is in, does not allow it."""

    code = "refused"


class NoQueue(Refused):
    """There is no tasks branch here; `remote` is one that has it, as far as is known."""

    def __init__(self, remote: str | None) -> None:
        share = f" --share {remote}" if remote else ""
        super().__init__("this repository has no queue yet", hint=f"run `gitagent init{share}`")
