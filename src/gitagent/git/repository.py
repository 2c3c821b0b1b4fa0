"""A repository: found once, by an absolute git dir, and refused early where it is unusable."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pygit2

from gitagent.core.errors import Refused
from gitagent.git.command import Git
from gitagent.git.objects import OpenObjects
from gitagent.git.opening import common_dir_of, discover, open_raw, refuse_partial, top_of
from gitagent.git.refs import Refs

pygit2.settings.enable_fsync_gitdir(True)  # noqa: FBT003 - pygit2's; the default is no fsync (V17)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who wrote, as git says it."""

    name: str
    email: str

    def __str__(self) -> str:
        """Return `Name <email>`."""
        return f"{self.name} <{self.email}>"


GITAGENT = Identity("gitagent", "gitagent@localhost")
"""The committer of everything that gitagent commits."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A working tree and its own git dir; `branch` is None when HEAD is detached."""

    path: Path
    git_dir: Path
    branch: str | None


class Repository:
    """One repository. `raw` is pygit2's, opened on the common git dir.

    `home` is gitagent's own folder in there; `git` runs the `git` command on it. `top` is the
    working tree of `here`, where it was found by one.
    """

    def __init__(
        self,
        common_dir: Path,
        here: Path,
        environment: Mapping[str, str],
        top: Path | None = None,
    ) -> None:
        self._given = (common_dir, here, environment, top)
        self.common_dir = common_dir
        self._top = top
        self.here = here
        self.raw = open_raw(common_dir)
        self.home = common_dir / "gitagent"
        self.refs = Refs(self.raw, common_dir, self.home)
        self.git = Git(common_dir, environment)

    @classmethod
    def find(cls, start: Path, environment: Mapping[str, str]) -> Repository:
        """Return the repository that `start` is in.

        Raises `Refused`, in one line with the mend, where there is none or gitagent
        cannot work with it (SECURITY D16).
        """
        found = discover(start)
        if found is None:
            message = f"`{start}` is not in a git repository"
            raise Refused(message, hint="go into one, or make one with `git init`")
        git_dir = Path(found).resolve()
        repository = cls(common_dir_of(git_dir), git_dir, environment, top_of(start, git_dir))
        refuse_partial(repository.raw)
        return repository

    @property
    def objects(self) -> OpenObjects:
        """The objects of this repository."""
        return OpenObjects(self.raw)

    def again(self) -> Repository:
        """Return the same repository, opened once more: pygit2's objects are for one thread."""
        return Repository(*self._given)

    def url(self, remote: str) -> str:
        """Return the URL of a remote that is configured by this name, else of `remote` itself.

        A relative path is made absolute from the top of the checkout, as git takes it.
        """
        named = self.own_config(f"remote.{remote}.url") or remote
        if "://" in named or re.match(r"[^/]*:", named):
            return named
        top = self._main_tree() or self.common_dir
        return str((top / named).resolve())

    def remotes(self) -> tuple[str, ...]:
        """Return the names of the configured remotes."""
        return tuple(name for name in self.raw.remotes.names() if name)

    def remote_with(self, branch: str) -> str | None:
        """Return a remote that had a branch when git last fetched from it; None without one."""
        for name in self.remotes():
            if self.refs.read(f"refs/remotes/{name}/{branch}") is not None:
                return name
        return None

    def identity(self) -> Identity:
        """Return the person's name and address; raises `Refused` when git knows none.

        As for `git commit`, the environment counts before the configuration; what git would
        make up of the login and the machine's name does not count.
        """
        named = ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "EMAIL")
        captured = self.git.run(
            "var",
            "GIT_AUTHOR_IDENT",
            config={"user.useConfigOnly": "true"},
            variables={k: v for k, v in self.git.environment.items() if k in named},
        )
        said = captured.stdout.decode(errors="replace")
        name, _, address = said.rpartition(">")[0].partition(" <")
        if captured.exit_code != 0 or not name:
            message = "git does not know who you are"
            hint = (
                'run `git config --global user.name "Your Name"` and '
                "`git config --global user.email you@example.com`"
            )
            raise Refused(message, hint=hint)
        return Identity(name, address)

    def branch_commit(self, branch: str) -> str | None:
        """Return the commit at the tip of a local branch; None when it has none."""
        return self.refs.read(f"refs/heads/{branch}")

    def current_branch(self) -> str | None:
        """Return the branch of the checkout that gitagent was called in."""
        return _head_branch(self.here)

    def default_base(self) -> str:
        """Return the branch that work starts from, unless the configuration names one.

        Raises `Refused` when HEAD is detached and nothing names a branch.
        """
        for name in self.base_names():
            if self.branch_commit(name) or name == self.current_branch():
                return name
        message = "HEAD is detached, and no branch is named as the base"
        raise Refused(message, hint="switch to a branch with `git switch BRANCH`")

    def base_names(self) -> tuple[str, ...]:
        """Return what the base may be called, the likeliest first.

        What `origin/HEAD` names, else the current branch (DESIGN section 7), else the usual.
        """
        origin = self.raw.references.get("refs/remotes/origin/HEAD")
        named = str(origin.target) if origin is not None else ""
        prefix = "refs/remotes/origin/"
        head = named.removeprefix(prefix) if named.startswith(prefix) else None
        current = self.current_branch()
        own = None if current == "gitagent/tasks" else current
        names = (head, own, self.config("init.defaultBranch"), "main", "master")
        return tuple(dict.fromkeys(name for name in names if name))

    def base_commit(self, branch: str) -> str:
        """Return the commit at the tip of the base; raises `Refused` when there is none."""
        commit = self.branch_commit(branch)
        if commit is None:
            message = f"the base branch `{branch}` has no commit"
            raise Refused(message, hint="make a first commit, or set `base:` in gitagent.yaml")
        return commit

    def config(self, key: str) -> str | None:
        """Return a value of git's configuration; None when it is not set."""
        try:
            return self.raw.config[key]
        except KeyError:
            return None

    @cached_property
    def persons_config(self) -> Mapping[str, str]:
        """The user's and the system's configuration of git, read once; keys in lower case."""
        values: dict[str, str] = {}
        for scope in ("--system", "--global"):
            captured = self.git.run("config", scope, "--includes", "--list", "-z")
            for item in captured.stdout.decode(errors="surrogateescape").split("\0"):
                key, _, value = item.partition("\n")
                if key:
                    values[key.lower()] = value or "true"
        return values

    def own_config(self, key: str) -> str | None:
        """Return a value of this clone's own configuration; None when it does not set it."""
        try:
            return pygit2.Config(str(self.common_dir / "config"))[key]
        except KeyError:
            return None

    def excludes(self) -> tuple[str, ...]:
        """Return the person's own ignore rules, the strongest first, as git orders them.

        `info/exclude`, then the file that `core.excludesFile` names, by default
        `git/ignore` in the person's configuration folder.
        """
        paths = [self.common_dir / "info" / "exclude", self._excludes_file()]
        return tuple(path.read_text(errors="surrogateescape") for path in paths if path.is_file())

    def _excludes_file(self) -> Path:
        environment = self.git.environment
        home = environment.get("HOME", "/")
        own = self.config("core.excludesFile")
        if own is not None:
            return Path(own.replace("~/", f"{home}/", 1))
        folder = environment.get("XDG_CONFIG_HOME") or f"{home}/.config"
        return Path(folder, "git", "ignore")

    def commit(self, oid: str) -> pygit2.Commit:
        """Return a commit."""
        return self.raw[oid].peel(pygit2.Commit)

    def blob(self, oid: str) -> bytes:
        """Return the bytes of a blob."""
        return self.raw[oid].peel(pygit2.Blob).data

    def tree_of(self, commit: str) -> str:
        """Return the id of a commit's tree."""
        return str(self.commit(commit).tree_id)

    def blob_at(self, commit: str, path: str) -> bytes | None:
        """Return the bytes of a file of a commit; None when it has no such file."""
        try:
            found = self.raw[commit].peel(pygit2.Tree)[path]
        except KeyError:
            return None
        return found.data if isinstance(found, pygit2.Blob) else None

    def checkouts(self) -> list[Checkout]:
        """Return the working trees of this repository that can be found, the main one first."""
        found = []
        main = self._main_tree()
        if main is not None:
            found.append(Checkout(main, self.common_dir, _head_branch(self.common_dir)))
        for admin in sorted((self.common_dir / "worktrees").glob("*")):
            try:
                named = (admin / "gitdir").read_text(errors="surrogateescape").strip()
            except OSError:
                continue  # not a worktree's, or gone at this moment
            found.append(Checkout(Path(named).parent, admin, _head_branch(admin)))
        return found

    def _main_tree(self) -> Path | None:
        """Return the main working tree; None for a bare repository, or when it is not known.

        libgit2 takes the folder that the git dir is in for it. That is an unrelated one after
        `git init --separate-git-dir`, and where `.git` is a symbolic link.
        """
        if self.raw.is_bare:
            return None
        if self.config("core.worktree") is not None:
            return Path(self.raw.workdir)
        if self._top is not None and self.here == self.common_dir:
            return self._top
        return self.common_dir.parent if self.common_dir.name == ".git" else None

    def checkout_of(self, branch: str) -> Checkout | None:
        """Return the working tree in which `branch` is checked out.

        Raises `Refused` when it is one that cannot be found from here.
        """
        lost = not self.raw.is_bare and self._main_tree() is None
        if lost and _head_branch(self.common_dir) == branch:
            message = f"`{branch}` is checked out in a working tree that git keeps no record of"
            raise Refused(message, hint="go into that working tree and try again")
        for checkout in self.checkouts():
            if checkout.branch == branch and checkout.path.is_dir():
                return checkout
        return None


def _head_branch(git_dir: Path) -> str | None:
    """Read HEAD as a file: libgit2 resolves it, and an unborn or a foreign one raises."""
    try:
        head = (git_dir / "HEAD").read_bytes().decode(errors="surrogateescape").strip()
    except OSError:
        return None
    prefix = "ref: refs/heads/"
    return head.removeprefix(prefix) if head.startswith(prefix) else None
