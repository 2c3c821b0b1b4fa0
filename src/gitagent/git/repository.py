"""A repository: found once, by an absolute git dir, and refused early where it is unusable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pygit2

from gitagent.core.errors import Refused
from gitagent.git.command import Git
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
        self.common_dir = common_dir
        self._top = top
        self.here = here
        self.raw = _open(common_dir)
        self.home = common_dir / "gitagent"
        self.refs = Refs(self.raw, common_dir, self.home)
        self.git = Git(common_dir, environment)

    @classmethod
    def find(cls, start: Path, environment: Mapping[str, str]) -> Repository:
        """Return the repository that `start` is in.

        Raises `Refused`, in one line with the mend, where there is none or gitagent
        cannot work with it (SECURITY D16).
        """
        found = _discover(start)
        if found is None:
            message = f"`{start}` is not in a git repository"
            raise Refused(message, hint="go into one, or make one with `git init`")
        git_dir = Path(found).resolve()
        repository = cls(_common_dir(git_dir), git_dir, environment, _top(start, git_dir))
        _refuse_partial(repository.raw)
        return repository

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

        What `origin/HEAD` names, else the current branch (DESIGN section 7).
        Raises `Refused` when HEAD is detached and nothing names a branch.
        """
        origin = self.raw.references.get("refs/remotes/origin/HEAD")
        if origin is not None and isinstance(origin.target, str):
            name = origin.target.removeprefix("refs/remotes/origin/")
            if self.branch_commit(name):
                return name
        current = self.current_branch()
        if current is not None and current != "gitagent/tasks":
            return current
        return self._usual_base()

    def _usual_base(self) -> str:
        usual = [self.config("init.defaultBranch"), "main", "master"]
        for name in usual:
            if name and self.branch_commit(name):
                return name
        message = "HEAD is detached, and no branch is named as the base"
        raise Refused(message, hint="switch to a branch with `git switch BRANCH`")

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
            pointer = admin / "gitdir"
            if pointer.is_file():
                path = Path(pointer.read_text(errors="surrogateescape").strip()).parent
                found.append(Checkout(path, admin, _head_branch(admin)))
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


def _discover(start: Path) -> str | None:
    try:
        return pygit2.discover_repository(str(start))
    except pygit2.GitError as error:
        raise _refusal(start, error) from error


def _top(start: Path, git_dir: Path) -> Path | None:
    """Return the folder above `start` whose `.git` is, or names, `git_dir`."""
    for folder in (start, *start.parents):
        entry = folder / ".git"
        if entry.is_file():
            named = entry.read_bytes().decode(errors="surrogateescape").rstrip("\n")
            entry = folder / named.removeprefix("gitdir: ")
        if entry.is_dir() and entry.resolve() == git_dir:
            return folder
    return None


def _open(common_dir: Path) -> pygit2.Repository:
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


def _refuse_partial(raw: pygit2.Repository) -> None:
    """Refuse a clone that lacks objects: libgit2 cannot fetch one when it is needed."""
    for entry in raw.config:
        of_remote = entry.name.startswith("remote.") and entry.name.endswith(".promisor")
        if of_remote and entry.value == "true":
            raise _partial(entry.name)


def _partial(key: str) -> Refused:
    message = "this is a partial clone, which gitagent cannot read yet"
    return Refused(message, hint=f"run `git fetch --refetch --no-filter` and unset `{key}`")


def _common_dir(git_dir: Path) -> Path:
    pointer = git_dir / "commondir"
    if not pointer.is_file():
        return git_dir
    return (git_dir / pointer.read_text(errors="surrogateescape").strip()).resolve()


def _head_branch(git_dir: Path) -> str | None:
    """Read HEAD as a file: libgit2 resolves it, and an unborn or a foreign one raises."""
    try:
        head = (git_dir / "HEAD").read_bytes().decode(errors="surrogateescape").strip()
    except OSError:
        return None
    prefix = "ref: refs/heads/"
    return head.removeprefix(prefix) if head.startswith(prefix) else None
