"""What can be read of a repository as plain files: enough to see that nothing has changed.

`import pygit2` takes longer than all that a command reads which finds the index fresh. So the
git dir is found here as git finds it, and whatever is unusual about it is None: libgit2 then
opens it, or says in one line why not (SECURITY D16, V20, V23).
"""

# os.path takes a third of the time that Path does, and to save that is why this is here:
# ruff: noqa: PTH112, PTH113, PTH116, PTH118, PTH120

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from gitagent.git.command import Git
    from gitagent.git.plain_objects import Objects

_SECTION = re.compile(r'\[([A-Za-z0-9.-]+)(?:[ \t]+"([^"\\]*)")?\]')
_UNUSUAL_SECTIONS = frozenset({"include", "includeif", "extensions"})
_MOST_CONFIG = 1 << 20


class Place(NamedTuple):
    """A repository that is as usual as can be.

    `git_dir` is the one of the checkout, `common_dir` the one that all checkouts share.
    `shared` says that its own configuration names a remote for the queue.
    """

    git_dir: Path
    common_dir: Path
    shared: bool
    environment: Mapping[str, str]

    @property
    def git(self) -> Git:
        """The `git` command for this repository."""
        from gitagent.git.command import Git  # noqa: PLC0415  12 ms, where no process is needed

        return Git(self.common_dir, self.environment)

    @property
    def objects(self) -> Objects:
        """The objects of this repository."""
        from gitagent.git.plain_objects import Objects  # noqa: PLC0415  not where all is fresh

        return Objects(self.common_dir, lambda: self.git)


def find(start: Path, environment: Mapping[str, str]) -> Place | None:
    """Return the repository that `start` is in; None where there is none or it is unusual."""
    try:
        return _find(os.path.realpath(start), environment)
    except (OSError, ValueError):
        return None


def head_branch(git_dir: Path) -> str | None:
    """Return the branch that HEAD names; None when it is detached or cannot be read."""
    try:
        head = os.fsdecode((git_dir / "HEAD").read_bytes()).strip()
    except OSError:
        return None
    prefix = "ref: refs/heads/"
    return head.removeprefix(prefix) if head.startswith(prefix) else None


def _find(folder: str, environment: Mapping[str, str]) -> Place | None:
    device = os.stat(folder).st_dev
    while os.stat(folder).st_dev == device:
        entry = f"{folder}/.git"
        bare = os.path.isfile(f"{folder}/HEAD") and os.path.isdir(f"{folder}/objects")
        if os.path.lexists(entry):
            return None if bare else _place(_named(entry), (folder, entry), environment)
        if bare:
            return _place(folder, (), environment)
        folder, below = os.path.dirname(folder), folder
        if folder == below:
            return None
    return None


def _named(entry: str) -> str:
    """Return the git dir that `.git` is, or that it names."""
    mode = os.lstat(entry).st_mode
    if stat.S_ISDIR(mode):
        return entry
    text = os.fsdecode(Path(entry).read_bytes()) if stat.S_ISREG(mode) else ""
    if not text.startswith("gitdir: "):
        message = f"{entry} is no git dir and names none"
        raise ValueError(message)
    named = text.removeprefix("gitdir: ").rstrip("\n")
    return os.path.realpath(os.path.join(os.path.dirname(entry), named))


def _place(git_dir: str, around: tuple[str, ...], environment: Mapping[str, str]) -> Place | None:
    common = _common_dir(git_dir)
    parts = (f"{common}/objects", f"{common}/refs")
    whole = os.path.isfile(f"{git_dir}/HEAD") and all(os.path.isdir(each) for each in parts)
    if not whole or any(
        os.stat(each).st_uid != os.geteuid() for each in (git_dir, common, *around)
    ):
        return None
    said = _own_config(Path(common, "config"))
    if said is None:
        return None
    return Place(Path(git_dir), Path(common), bool(said.get("gitagent.remote")), environment)


def _common_dir(git_dir: str) -> str:
    try:
        named = os.fsdecode(Path(git_dir, "commondir").read_bytes()).strip()
    except FileNotFoundError:
        return git_dir
    return os.path.realpath(os.path.join(git_dir, named))


def _own_config(path: Path) -> dict[str, str] | None:
    """Return what a usual configuration file says; None for one that git alone should read."""
    with path.open("rb") as stream:
        text = os.fsdecode(stream.read(_MOST_CONFIG))
    said: dict[str, str] = {}
    for section, key, value in _lines(text):
        if section.partition(".")[0] in _UNUSUAL_SECTIONS or (
            section.startswith("remote.") and key == "promisor"
        ):
            return None
        said[f"{section}.{key}"] = value
    usual = said.get("core.repositoryformatversion", "0") == "0" and "core.worktree" not in said
    return said if usual else None


def _lines(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield section, key and value; raises `ValueError` for what takes more than one line."""
    section = ""
    for line in text.splitlines():
        words = line.strip()
        if not words or words[0] in "#;":
            continue
        if words.endswith("\\"):
            message = "a value goes on in the next line"
            raise ValueError(message)
        if words[0] == "[":
            section = _section(words)
            yield section, "", ""
        else:
            key, _, value = words.partition("=")
            yield section, key.strip().lower(), value.strip()


def _section(words: str) -> str:
    found = _SECTION.fullmatch(words)
    if found is None:
        message = f"{words} is written in an unusual way"
        raise ValueError(message)
    name = found[1].lower()
    return name if found[2] is None else f"{name}.{found[2]}"
