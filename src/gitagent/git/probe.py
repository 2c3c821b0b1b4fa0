"""What a server lets gitagent do with refs: found out by doing it, once, with a ref of its own.

Hosted servers may refuse refs outside `refs/heads`, hide them, or forbid deletions; no request
tells (DESIGN section 5, PROTOCOL section 7).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from itertools import chain

from gitagent.git.command import Git, failure
from gitagent.git.refs import CLAIMS
from gitagent.git.remote import Pushed, Remote
from gitagent.git.repository import GITAGENT

BRANCH_CLAIMS = "refs/heads/gitagent-claims/"
"""Where claims live on a server that refuses refs outside `refs/heads`."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Where claims can live: `prefix` ends with a slash, and is None when they can nowhere.

    `reasons` say why not, one for each place that was tried in vain; `left` are the refs of the
    probe that the server did not delete.
    """

    prefix: str | None
    reasons: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Trial:
    """What became of one ref: why the place is of no use (None: it is), and what was left."""

    reason: str | None
    left: tuple[str, ...] = ()


def probe(remote: Remote) -> Probe:
    """Create, read and delete a ref in each place in turn until one takes it all.

    Raises `NoAnswer` when the remote cannot be asked, `ExternalError` when git fails here.
    """
    trials: list[_Trial] = []
    for prefix in (CLAIMS, BRANCH_CLAIMS):
        trials.append(_try(remote, f"{prefix}probe-{secrets.token_hex(16)}"))
        if trials[-1].reason is None:
            return _result(prefix, trials)
    return _result(None, trials)


def _result(prefix: str | None, trials: list[_Trial]) -> Probe:
    reasons = tuple(trial.reason for trial in trials if trial.reason is not None)
    return Probe(prefix, reasons, tuple(chain.from_iterable(trial.left for trial in trials)))


def _try(remote: Remote, ref: str) -> _Trial:
    commit = _empty_commit(remote.git, ref)
    created = remote.push({ref: (None, commit)})
    if remote.read(ref).get(ref) == commit:
        return _try_deletion(remote, ref, commit)
    # It may be there and hidden; without an answer to the first push it may yet arrive.
    if created.flags.get(ref) != "!":
        remote.push({ref: (commit, None)})
    return _Trial(f"`{ref}` cannot be created: {_why(created, ref, 'it cannot be read back')}")


def _try_deletion(remote: Remote, ref: str, commit: str) -> _Trial:
    deleted = remote.push({ref: (commit, None)})
    if ref not in remote.read(ref):
        return _Trial(None)
    why = _why(deleted, ref, "it is still there")
    return _Trial(f"`{ref}` cannot be deleted: {why}", left=(ref,))


def _why(pushed: Pushed, ref: str, otherwise: str) -> str:
    return pushed.reasons.get(ref) or (otherwise if pushed.exit_code == 0 else pushed.said)


def _empty_commit(git: Git, message: str) -> str:
    """Write a commit that nobody else has: the name of its ref is random."""
    tree = git.output("hash-object", "-t", "tree", "-w", "--stdin")
    arguments = ("commit-tree", "-m", message, tree)
    name, address = GITAGENT.name, GITAGENT.email
    done = git.run(
        *arguments,
        variables={
            "GIT_AUTHOR_NAME": name,
            "GIT_AUTHOR_EMAIL": address,
            "GIT_COMMITTER_NAME": name,
            "GIT_COMMITTER_EMAIL": address,
        },
    )
    if done.exit_code != 0:
        raise failure(arguments, done)
    return done.stdout.decode().strip()
