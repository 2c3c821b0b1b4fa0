"""Moving a base branch: here with its checkout, at a remote by a push that expects its tip."""

from __future__ import annotations

from gitagent.core.errors import ConflictError
from gitagent.git import merge
from gitagent.runner.project import Project

_REFUSALS = 3
"""How often a base that does not move is refused before a person is asked."""


class NotTaken(ConflictError):
    """The remote refused a base that had not moved: protected, or a hook said no."""


def move_base(project: Project, branch: str, expected: str, new: str) -> None:
    """Move a base from `expected` to its descendant `new`.

    Raises `ConflictError` when it is elsewhere by now, `NotTaken` when the remote refuses it,
    and `merge.CannotFollow` when the checkout here cannot follow. With a remote no checkout is
    touched: the base is the remote's branch.
    """
    if not project.upstream.shared:
        merge.move_branch(project.repository, branch, expected, new)
        return
    ref, said = f"refs/heads/{branch}", None
    for _ in range(_REFUSALS):
        if ref in project.upstream.move({ref: (expected, new)}):
            return
        said = project.upstream.said(ref)
        now = project.upstream.read(ref)
        if now == new:
            return
        if now != expected:
            message = f"`{branch}` has moved on the remote"
            raise ConflictError(message)
    message = f"the remote does not take the work on `{branch}`: {said or 'it gave no reason'}"
    raise NotTaken(message, hint="let it through there, or use `--integrate branch`")
