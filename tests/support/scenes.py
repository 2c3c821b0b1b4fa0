"""Repositories in the middle of a person's work, and fingerprints of all that is theirs."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from hypothesis import strategies as st

from support.story import Person, Repo

CONFIG = """\
version: 1
base: main
agent: command
verify:
  - {name: there, run: test -e made.txt}
"""
TRACKED = (b"a.txt", b"b c.txt", b"n\xff\nw", b"sub/d.txt", b"tool.sh", b"link", b"f.filtered")
UNTRACKED = (b"new.txt", b"sub/it's", b"-rf", b"caf\xc3\xa9\t", b"x.ignored", b"made.txt")
EDITS = ("edit", "stage", "stage, edit", "delete", "git rm", "chmod", "touch", "link", "folder")
ADDS = ("write", "stage", "intend", "folder")

_HOOKS = (
    "applypatch-msg",
    "commit-msg",
    "post-applypatch",
    "post-checkout",
    "post-commit",
    "post-index-change",
    "post-merge",
    "post-rewrite",
    "pre-applypatch",
    "pre-auto-gc",
    "pre-commit",
    "pre-merge-commit",
    "prepare-commit-msg",
    "pre-push",
    "pre-rebase",
    "reference-transaction",
)
_PROGRAMS = {
    "core.fsmonitor": "fsmonitor",
    "core.hooksPath": "hooks",
    "core.pager": "pager",
    "core.sshCommand": "ssh",
    "diff.external": "external-diff",
    "diff.mark.textconv": "textconv",
    "diff.mark.command": "diff-driver",
    "filter.mark.clean": "filter",
    "filter.mark.smudge": "filter",
    "gpg.program": "gpg",
}

Entry: TypeAlias = tuple[object, ...]
Fingerprint: TypeAlias = dict[bytes, Entry]
Deed: TypeAlias = tuple[bytes, str]


@dataclass(frozen=True)
class Scene:
    """What the person was doing when gitagent was called.

    `head` is what is checked out, `place` where the person is. `edits` and `adds` say what
    was done to which path; later ones may undo earlier ones.
    """

    head: str = "main"
    place: str = "top"
    edits: tuple[Deed, ...] = ()
    adds: tuple[Deed, ...] = ()
    stash: bool = False
    merging: bool = False
    autocrlf: str | None = None


def _deeds(paths: tuple[bytes, ...], kinds: tuple[str, ...]) -> st.SearchStrategy[tuple[Deed, ...]]:
    deed = st.tuples(st.sampled_from(paths), st.sampled_from(kinds))
    return st.lists(deed, max_size=5).map(tuple)


def scenes(heads: tuple[str, ...] = ("main", "feature", "detached")) -> st.SearchStrategy[Scene]:
    """Return a strategy for scenes."""
    return st.builds(
        Scene,
        head=st.sampled_from(heads),
        place=st.sampled_from(["top", "sub", "linked"]),
        edits=_deeds(TRACKED, EDITS),
        adds=_deeds(UNTRACKED, ADDS),
        stash=st.booleans(),
        merging=st.booleans(),
        autocrlf=st.sampled_from([None, "true", "input"]),
    )


def template(path: Path, person: Person) -> Repo:
    """Make the repository that every scene begins as: commits, branches, and a queue."""
    repo = Repo.create(path, person, "--template=")
    for name in TRACKED:
        put(repo, name, b"one\ntwo\n")
    (repo.path / "link").unlink()
    (repo.path / "link").symlink_to("a.txt")
    (repo.path / "tool.sh").chmod(0o755)
    repo.write(".gitignore", "*.ignored\n")
    repo.write(".gitattributes", "*.filtered filter=mark\n*.txt diff=mark\n")
    repo.ready(CONFIG)
    repo.git("branch", "feature")
    repo.git("switch", "-q", "-c", "other")
    repo.commit_files({"a.txt": "another\ntwo\n"})
    repo.git("switch", "-q", "main")
    repo.commit_files({"main.txt": "main\n", "a.txt": "one\nand a half\ntwo\n"})
    return repo


class Desk:
    """A scene on disk: the repository, where the person is in it, and what is theirs."""

    def __init__(self, template: Repo, folder: Path, scene: Scene) -> None:
        self.person = Person(folder / "home")
        shutil.copytree(template.path, folder / "repo", symlinks=True)
        self.repo = Repo(folder / "repo", self.person)
        self.linked = folder / "linked"
        self.marks = folder / "marks"
        self.marks.mkdir()
        self._prepare(scene)
        places = {"top": self.repo.path, "sub": self.repo.path / "sub", "linked": self.linked}
        self.cwd = places[scene.place]
        self.cwd.mkdir(exist_ok=True)
        self._set_traps()

    def _prepare(self, scene: Scene) -> None:
        repo = self.repo
        repo.git("worktree", "add", "-q", "-b", "linked", str(self.linked))
        (self.linked / "a.txt").write_text("dirty\n")
        (self.linked / "untracked").write_text("x\n")
        if scene.autocrlf is not None:
            repo.git("config", "core.autocrlf", scene.autocrlf)
        if scene.stash:
            put(repo, b"sub/d.txt", b"stashed\n")
            repo.git("stash", "-q")
        if scene.head != "main":
            options = ["--detach"] if scene.head == "detached" else []
            repo.git("switch", "-q", *options, "feature")
        if scene.merging:
            repo.person.run("git", "merge", "--no-commit", "--no-ff", "other", cwd=repo.path)
        for path, kind in scene.edits:
            _edit(repo, path, kind)
        for path, kind in scene.adds:
            _add(repo, path, kind)

    def _set_traps(self) -> None:
        """Let every program that git could start leave a mark."""
        traps = self.marks.parent / "traps"
        traps.mkdir()
        hooks = self.repo.path / ".git/hooks"
        hooks.mkdir(exist_ok=True)
        for name in set(_PROGRAMS.values()) - {"hooks"}:
            self._trap(traps / name, name)
        (traps / "hooks").mkdir()
        for name in _HOOKS:
            self._trap(traps / "hooks" / name, "hook")
            self._trap(hooks / name, "hook")
        config = "".join(
            f"[{section}{f' {chr(34)}{middle[0]}{chr(34)}' if middle else ''}]\n"
            f"\t{key} = {traps / name}\n"
            for whole, name in _PROGRAMS.items()
            for section, *middle, key in [whole.split(".")]
        )
        with (self.repo.path / ".git/config").open("a") as stream:
            stream.write(f"{config}[commit]\n\tgpgSign = true\n")

    def _trap(self, path: Path, name: str) -> None:
        path.write_text(f"#!/bin/sh\ntouch '{self.marks}/{name}'\nexec cat\n")
        path.chmod(0o755)

    def marked(self) -> set[str]:
        """Return which programs have run."""
        return set(os.listdir(self.marks))

    def fingerprint(self, *, slots: bool = False) -> Fingerprint:
        """Return all that is the person's: working trees, and their part of the git dir.

        Objects, gitagent's own refs and its folder are left out, and with `slots` the
        worktrees that gitagent keeps.
        """
        found = dict(_files(self.repo.path, b"repo:"))
        found |= _files(self.linked, b"linked:")
        home = os.fsencode(self.person.home)
        found[b".gitconfig"] = (Path(os.fsdecode(home), ".gitconfig").read_bytes(),)
        git_dir = self.repo.path / ".git"
        own = tuple(_own(git_dir, self.person.home) if slots else ())
        for path, entry in _files(git_dir, b"git:"):
            if not path.startswith((*_OWN, *own)):
                found[path] = entry
        return found


_OWN = tuple(
    b"git:" + path
    for path in (
        b"objects",
        b"gitagent",
        b"refs/gitagent",
        b"refs/heads/gitagent",
        b"logs/refs/gitagent",
        b"logs/refs/heads/gitagent",
    )
)


def _own(git_dir: Path, home: Path) -> Iterator[bytes]:
    for pointer in git_dir.glob("worktrees/*/gitdir"):
        if pointer.read_text().startswith(str(home)):
            yield b"git:worktrees/" + os.fsencode(pointer.parent.name)


def contents(top: Path) -> Iterator[tuple[bytes, object]]:
    """Yield what is below `top`, a `.git` aside: its path, and kind, mode and content."""
    for path, entry in _files(top, b""):
        yield path, (entry[0], entry[-1])


def _files(top: Path, prefix: bytes) -> Iterator[tuple[bytes, Entry]]:
    """Yield what is below `top`, a `.git` aside: kind and mode, time, and content."""
    start = os.fsencode(top)
    for folder, names, files in os.walk(start):
        names[:] = [name for name in names if name != b".git"]
        for name in (*names, *files):
            whole = os.path.join(folder, name)
            yield prefix + os.path.relpath(whole, start), _entry(whole)


def _entry(path: bytes) -> Entry:
    status = os.lstat(path)
    if stat.S_ISDIR(status.st_mode):
        return (status.st_mode,)
    if stat.S_ISLNK(status.st_mode):
        return (status.st_mode, status.st_mtime_ns, os.readlink(path))
    with open(path, "rb") as stream:
        return (status.st_mode, status.st_mtime_ns, stream.read())


def put(repo: Repo, path: bytes, data: bytes) -> None:
    """Write a file, whatever stands in its place."""
    whole = os.path.join(os.fsencode(repo.path), path)
    parent = os.path.dirname(whole)
    if not os.path.isdir(parent):
        _clear(parent)
        os.makedirs(parent)
    _clear(whole)
    with open(whole, "wb") as stream:
        stream.write(data)


def _clear(path: bytes) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def _edit(repo: Repo, path: bytes, kind: str) -> None:
    whole = os.path.join(os.fsencode(repo.path), path)
    name = os.fsdecode(path)
    match kind:
        case "edit":
            put(repo, path, b"edited\r\n")
        case "stage" | "stage, edit":
            put(repo, path, b"staged\n")
            repo.git("--literal-pathspecs", "add", "--", name)
            if kind == "stage, edit":
                put(repo, path, b"staged, then edited\n")
        case "delete":
            _clear(whole)
        case "git rm":
            repo.person.run("git", "rm", "-qrf", "--", f":(literal){name}", cwd=repo.path)
        case "chmod" if os.path.isfile(whole) and not os.path.islink(whole):
            os.chmod(whole, os.stat(whole).st_mode ^ 0o111)
        case "touch" if os.path.lexists(whole):
            os.utime(whole, (1_600_000_000, 1_600_000_000), follow_symlinks=False)
        case "link":
            put(repo, path, b"")
            os.unlink(whole)
            os.symlink(b"/etc/hostname", whole)
        case _:
            put(repo, path + b"/inside", b"x\n")


def _add(repo: Repo, path: bytes, kind: str) -> None:
    name = os.fsdecode(path)
    if kind == "folder":
        put(repo, path + b"/below", b"x\n")
        return
    put(repo, path, b"mine\n")
    if kind != "write":
        option = ["-N"] if kind == "intend" else []
        arguments = ["--literal-pathspecs", "add", "-f", *option, "--", name]
        repo.person.run("git", *arguments, cwd=repo.path)
