"""Worktrees of gitagent's own, made without running anything and removed without asking git.

`git worktree add --no-checkout` with hooks off runs nothing (SECURITY V3); the files are
then written from the tree, byte for byte, by `checkout`.
"""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import pygit2

from gitagent.core.errors import ExternalError
from gitagent.git.checkout import checkout
from gitagent.git.command import failure
from gitagent.git.flock import exclusive
from gitagent.git.repository import Repository


def add(repository: Repository, folder: Path, commit: str) -> None:
    """Make `folder` a worktree with a detached HEAD at `commit`.

    Raises `ExternalError` when git cannot; nothing is left behind then.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    arguments = ("worktree", "add", "--no-checkout", "--detach", "--", str(folder), commit)
    with _alone(repository):
        captured = repository.git.run(*arguments)
    if captured.exit_code != 0:
        raise failure(arguments, captured)
    tree = repository.tree_of(commit)
    try:
        checkout(repository.raw, tree, folder)
        _fill_index(repository, folder, tree)
    except BaseException:
        remove(repository, folder)
        raise


def _fill_index(repository: Repository, folder: Path, tree: str) -> None:
    """Give the worktree's own index the tree, so that `git status` inside it is clean."""
    index = pygit2.Index(str(_admin_dir(repository, folder) / "index"))
    index.read_tree(repository.raw[tree].peel(pygit2.Tree))
    index.write()


def remove(repository: Repository, folder: Path) -> None:
    """Remove a worktree of gitagent's and what git keeps about it; missing parts are fine."""
    shutil.rmtree(folder, onerror=_make_writable)
    with _alone(repository):
        admin = _find_admin_dir(repository, folder)
        if admin is not None:
            shutil.rmtree(admin, ignore_errors=True)
            with suppress(OSError):  # as git does: the last one takes the folder along
                admin.parent.rmdir()


def _alone(repository: Repository) -> AbstractContextManager[Path]:
    """Let nobody else here add or remove a worktree meanwhile.

    `git worktree add` reads what git keeps about all others, and fails on one that is half
    written or half removed.
    """
    return exclusive(repository.home / "worktrees.lock")


def _admin_dir(repository: Repository, folder: Path) -> Path:
    found = _find_admin_dir(repository, folder)
    if found is None:
        message = f"git keeps nothing about the worktree `{folder}`"
        raise ExternalError(message, hint="run `gitagent doctor`")
    return found


def _find_admin_dir(repository: Repository, folder: Path) -> Path | None:
    """Find it from the repository's side: the worktree's own `.git` file is not believed."""
    wanted = folder / ".git"
    for admin in (repository.common_dir / "worktrees").glob("*"):
        try:
            named = Path((admin / "gitdir").read_text(errors="surrogateescape").strip())
        except OSError:
            continue  # not a worktree's, or gone at this moment
        if named == wanted or named.resolve() == wanted.resolve():
            return admin
    return None


def _make_writable(_function: object, path: str, _error: object) -> None:
    """Go on after a folder that an agent made read-only; what is gone already is fine."""
    entry = Path(path)
    try:
        entry.parent.chmod(0o700)
        if entry.is_dir() and not entry.is_symlink():
            entry.chmod(0o700)
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
    except OSError:
        return
