"""What is missing or wrong between this clone and the remote that holds its queue."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gitagent.git import merge
from gitagent.git.probe import probe
from gitagent.git.refs import CLAIMS
from gitagent.git.remote import Remote
from gitagent.git.remote_folder import remove_stale, stale_remote_locks
from gitagent.git.transport import masked
from gitagent.runner.project import CLAIMS_KEY, REMOTE_KEY, Project
from gitagent.runner.row import Row

_MANY_REFS = 10_000
"""Refs from which on the answer to each push is worth a word."""
_ANSWER_BYTES = 74
"""Bytes a ref in the answer to a push (PROTOCOL section 8)."""


def examine_remote(project: Project) -> Iterator[Row]:
    """Look at the remote; raises `NoAnswer` when it cannot be asked."""
    named = project.repository.own_config(REMOTE_KEY)
    if named is None:
        yield Row(ok=True, what="the queue stays on this machine")
        return
    remote = Remote(project.repository.git, project.repository.url(named))
    refs = remote.read()
    yield Row(ok=True, what=f"`{masked(remote.url)}` holds the queue, and answers")
    yield from _claims(project, remote)
    if len(refs) > _MANY_REFS:
        what = f"the remote has {len(refs)} refs: {_megabytes(len(refs))} MB for each push"
        yield Row(ok=False, what=what, mend="delete branches that nobody needs there")
    yield from _state(project)
    yield from _folder(remote)


def mend_remote(project: Project) -> Iterator[str]:
    """Remove what killed pushes left in a remote that is a folder here; yield what was done."""
    named = project.repository.own_config(REMOTE_KEY)
    path = Path(project.repository.url(named)) if named else None
    if path is not None and path.is_dir():
        for each in remove_stale(path):
            yield f"removed what a killed push left in the remote: {each}"


def _claims(project: Project, remote: Remote) -> Iterator[Row]:
    found = probe(remote)
    used = project.repository.own_config(CLAIMS_KEY) or CLAIMS
    if found.prefix is None:
        what = f"the remote takes no claims: {'; '.join(found.reasons)}"
        mend = "let refs below `refs/gitagent` be made and deleted there"
        yield Row(ok=False, what=what, mend=mend)
    elif found.prefix != used:
        what = f"claims are kept below `{used}`, and the remote takes them below `{found.prefix}`"
        yield Row(ok=False, what=what, mend="run `gitagent init --share` again in every clone")
    else:
        yield Row(ok=True, what=f"the remote takes claims below `{used}`")


def _state(project: Project) -> Iterator[Row]:
    project.refresh()
    ours, theirs = project.branch.tip(), project.heard().commit
    if ours != theirs and ours is not None:
        ahead = theirs is None or merge.contains(project.repository, ours, theirs)
        has, lacks = ("this clone", "the remote") if ahead else ("the remote", "this clone")
        what = f"{has} has changes of the queue that {lacks} has not"
        yield Row(ok=False, what=what, mend="run `gitagent sync`")
    kept = project.claims.kept_landings()
    if kept:
        what = f"{len(kept)} runs have ended here, and the remote may not know: {', '.join(kept)}"
        yield Row(ok=False, what=what, mend="run `gitagent sync`")


def _folder(remote: Remote) -> Iterator[Row]:
    path = Path(remote.url)
    for each in stale_remote_locks(path) if path.is_dir() else ():
        what = f"a killed push left {each} in the remote"
        yield Row(ok=False, what=what, mend="run `gitagent doctor --fix`")


def _megabytes(refs: int) -> str:
    return f"{refs * _ANSWER_BYTES / 1e6:.1f}"
