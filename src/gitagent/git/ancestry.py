"""Where two histories parted."""

from __future__ import annotations

from gitagent.git.command import failure
from gitagent.git.repository import Repository

_NONE = 1


def merge_bases(repository: Repository, one: str, other: str) -> tuple[str, ...]:
    """Return the best common ancestors of two commits, sorted; none when they share nothing.

    Two clones that merged each other's work at the same time have several. pygit2 is asked
    first, since it costs no process; it gives one of them, and only the `git` command all.
    """
    if repository.raw.merge_base(one, other) is None:
        return ()
    arguments = ("merge-base", "--all", one, other)
    captured = repository.git.run(*arguments)
    if captured.exit_code not in (0, _NONE):
        raise failure(arguments, captured)
    return tuple(sorted(captured.stdout.decode().split()))
