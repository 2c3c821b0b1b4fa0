"""Commits: written as objects, signed only as the person's own configuration asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import pygit2

from gitagent.core.errors import Refused
from gitagent.git import objects
from gitagent.git.command import failure
from gitagent.git.repository import GITAGENT, Identity, Repository

_SIGNING_KEYS = (
    "gpg.format",
    "gpg.program",
    "gpg.ssh.program",
    "gpg.ssh.defaultKeyCommand",
    "gpg.x509.program",
    "user.signingKey",
)


@dataclass(frozen=True, slots=True)
class Draft:
    """A commit to be made. `parents` are commit ids, `when` is in UTC."""

    tree: str
    parents: tuple[str, ...]
    message: str
    author: Identity
    when: datetime


def write(repository: Repository, draft: Draft) -> str:
    """Write an unsigned commit and return its id; no ref moves."""
    parents = [pygit2.Oid(hex=parent) for parent in draft.parents]
    author = _signature(draft.author, draft.when)
    committer = _signature(GITAGENT, draft.when)
    tree = pygit2.Oid(hex=draft.tree)
    create = repository.raw.create_commit
    return str(
        objects.retried(lambda: create(None, author, committer, draft.message, tree, parents))
    )


def write_signed(repository: Repository, draft: Draft) -> str:
    """Write a commit, signed if the person's own configuration asks for it.

    Only the user's and the system's configuration count: a repository's could name a
    program to be run (SECURITY V2). Raises `Refused` when the signature cannot be made.
    """
    signing = signing_config(repository)
    if signing is None:
        return write(repository, draft)
    parents = [option for parent in draft.parents for option in ("-p", parent)]
    arguments = ("commit-tree", "-S", *parents, "-F", "-", draft.tree)
    captured = repository.git.run(
        *arguments,
        stdin=draft.message.encode(errors="surrogateescape"),
        config=signing,
        variables=_identity_variables(draft),
    )
    if captured.exit_code != 0:
        hint = "make `git commit -S` work in a terminal, or unset `commit.gpgSign`"
        raise Refused(str(failure(arguments, captured)), hint=hint)
    return captured.stdout.decode().strip()


def signing_config(repository: Repository) -> Mapping[str, str] | None:
    """Return the settings to sign with, each one set so that no repository's counts.

    None when the person's own configuration does not ask for signed commits.
    """
    own = repository.persons_config
    if own.get("commit.gpgsign", "").lower() not in ("true", "yes", "on", "1"):
        return None
    defaults = {"gpg.format": "openpgp", "gpg.program": "gpg", "gpg.ssh.program": "ssh-keygen"}
    chosen = {key: own.get(key.lower(), defaults.get(key, "")) for key in _SIGNING_KEYS}
    return {key: value for key, value in chosen.items() if value or key == "user.signingKey"}


def _identity_variables(draft: Draft) -> dict[str, str]:
    date = f"@{int(draft.when.timestamp())} +0000"
    return {
        "GIT_AUTHOR_NAME": draft.author.name,
        "GIT_AUTHOR_EMAIL": draft.author.email,
        "GIT_AUTHOR_DATE": date,
        "GIT_COMMITTER_NAME": GITAGENT.name,
        "GIT_COMMITTER_EMAIL": GITAGENT.email,
        "GIT_COMMITTER_DATE": date,
    }


def _signature(identity: Identity, when: datetime) -> pygit2.Signature:
    return pygit2.Signature(identity.name, identity.email, int(when.timestamp()), 0)
