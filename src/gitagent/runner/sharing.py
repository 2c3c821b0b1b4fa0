"""Sharing the queue with a remote: begun by a person, kept the same, mended when rewritten."""

from __future__ import annotations

from dataclasses import dataclass

from gitagent.core.errors import Refused, UsageError
from gitagent.core.protocols import Stop
from gitagent.git.command import failure
from gitagent.git.probe import probe
from gitagent.git.refs import CLAIMS
from gitagent.git.remote import Remote
from gitagent.runner.project import CLAIMS_KEY, REMOTE_KEY, Project
from gitagent.store import sync as syncing
from gitagent.store.upstream import RemoteRefs, Rewritten

_FOLDS = 3
"""How often `sync` folds: whoever loses the race to another one looks what is left."""


@dataclass(frozen=True, slots=True)
class Synced:
    """What a `sync` did: the tasks branch before and after, whether it pushed, what it folded."""

    before: str | None
    after: str | None
    pushed: bool
    folded: tuple[str, ...]


def share(project: Project, remote: str) -> str:
    """Let `remote` (a configured remote's name, or a URL) hold the queue; return its URL.

    Nothing is configured before the server is known to take what it must. Raises `UsageError`
    for a remote that does not exist, `Refused` when the server refuses, `NoAnswer`.
    """
    repository = project.repository
    url = _url(project, remote)
    server = Remote(repository.git, url, timeout=project.push_timeout)
    found = probe(server)
    if found.prefix is None:
        message = f"`{remote}` cannot hold a queue: {'; '.join(found.reasons)}"
        raise Refused(message, hint="ask its administrator to allow refs below `refs/gitagent`")
    RemoteRefs(repository, server, found.prefix).refresh()
    _configure(project, REMOTE_KEY, remote)
    if found.prefix != CLAIMS:
        _configure(project, CLAIMS_KEY, found.prefix)
    return url


def sync(project: Project, stop: Stop) -> Synced:
    """Fetch, merge, push; carry landings through; fold what has landed. Raises as `Project.sync`.

    Raises `Refused` where no remote was named.
    """
    _refuse_unshared(project)
    before = project.branch.tip()
    pushed = project.sync(stop)
    folded: list[str] = []
    for _ in range(_FOLDS):
        if not project.queue().landed:
            break
        folded += [record["task"] for record in project.fold()]
        project.refresh()
    after = project.branch.tip()
    return Synced(before, after, pushed, tuple(dict.fromkeys(folded)))


def restore(project: Project) -> None:
    """Put back into the remote's tasks branch what somebody rewrote or deleted there.

    What it holds now stays too: both are merged. Does nothing when nothing is missing.
    """
    _refuse_unshared(project)
    try:
        project.upstream.refresh()
    except Rewritten as error:
        syncing.restore(project.repository, project.upstream, error.there, project.now())
        project.upstream.refresh()


def accept_rewritten(project: Project) -> str | None:
    """Take over a tasks branch that was rewritten; return the ref that keeps what was here."""
    _refuse_unshared(project)
    try:
        project.upstream.refresh()
    except Rewritten as error:
        if error.there is None:
            message = "the remote has no tasks branch to accept"
            raise Refused(message, hint="run `gitagent sync --restore`") from error
        kept = syncing.keep(project.repository)
        syncing.accept_rewritten(project.repository, error.there)
        return kept
    return None


def _refuse_unshared(project: Project) -> None:
    if not project.upstream.shared:
        message = "this clone shares its queue with no remote"
        raise Refused(message, hint="run `gitagent init --share REMOTE`")


def _url(project: Project, remote: str) -> str:
    """Return the URL of a remote by its name, or `remote` itself when it looks like one."""
    repository = project.repository
    configured = repository.own_config(f"remote.{remote}.url")
    if configured is None and not any(mark in remote for mark in "/:\\"):
        names = ", ".join(f"`{each}`" for each in repository.remotes()) or "none"
        message = f"there is no remote `{remote}`; configured are {names}"
        raise UsageError(message, hint="see `git remote -v`, or give a URL")
    return repository.url(remote)


def _configure(project: Project, key: str, value: str) -> None:
    """Set a key of this clone's own configuration."""
    arguments = ("config", "--local", key, value)
    done = project.repository.git.run(*arguments)
    if done.exit_code != 0:
        raise failure(arguments, done)
