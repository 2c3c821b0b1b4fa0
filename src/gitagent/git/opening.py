"""Finding and opening a repository, or saying in one line why that cannot be (SECURITY D16)."""

from __future__ import annotations

from pathlib import Path

import pygit2

from gitagent.core.errors import Refused


def discover(start: Path) -> str | None:
    """Return the git dir that `start` is in, as libgit2 finds it; raises `Refused`."""
    try:
        return pygit2.discover_repository(str(start))
    except pygit2.GitError as error:
        raise _refusal(start, error) from error


def top_of(start: Path, git_dir: Path) -> Path | None:
    """Return the folder above `start` whose `.git` is, or names, `git_dir`."""
    for folder in (start, *start.parents):
        entry = folder / ".git"
        if entry.is_file():
            named = entry.read_bytes().decode(errors="surrogateescape").rstrip("\n")
            entry = folder / named.removeprefix("gitdir: ")
        if entry.is_dir() and entry.resolve() == git_dir:
            return folder
    return None


def open_raw(common_dir: Path) -> pygit2.Repository:
    """Open a repository; raises `Refused`, in one line with the mend."""
    try:
        return pygit2.Repository(str(common_dir))
    except (pygit2.GitError, KeyError, ValueError) as error:
        raise _refusal(common_dir, error) from error


def _refusal(path: Path, error: Exception) -> Refused:
    """Say in one line what libgit2 cannot open (SECURITY V20 and V23)."""
    said = str(error)
    if "object format" in said:
        return Refused("this repository uses SHA-256, which gitagent cannot read yet")
    if "refstorage" in said:
        hint = "run `git refs migrate --ref-format=files`"
        return Refused("this repository keeps its refs as reftables", hint=hint)
    if "partialclone" in said:
        return _partial("extensions.partialClone")
    if "owne" in said:
        hint = f"run `git config --global --add safe.directory {path}`"
        return Refused(f"`{path}` belongs to another user", hint=hint)
    return Refused(f"`{path}` cannot be opened: {said}")


def refuse_partial(raw: pygit2.Repository) -> None:
    """Refuse a clone that lacks objects: libgit2 cannot fetch one when it is needed."""
    for entry in raw.config:
        of_remote = entry.name.startswith("remote.") and entry.name.endswith(".promisor")
        if of_remote and entry.value == "true":
            raise _partial(entry.name)


def _partial(key: str) -> Refused:
    message = "this is a partial clone, which gitagent cannot read yet"
    return Refused(message, hint=f"run `git fetch --refetch --no-filter` and unset `{key}`")


def common_dir_of(git_dir: Path) -> Path:
    """Return the git dir that all worktrees share."""
    pointer = git_dir / "commondir"
    if not pointer.is_file():
        return git_dir
    return (git_dir / pointer.read_text(errors="surrogateescape").strip()).resolve()
