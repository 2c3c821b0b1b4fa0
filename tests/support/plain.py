"""A repository and folders of odd files, as `git` itself sees them: what we are compared with."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pygit2
from hypothesis import strategies as st


class Odd(NamedTuple):
    """A file, an executable (`x`), or a symbolic link (`l`, with its target)."""

    kind: str
    data: bytes


NAMES = (
    b"a", b"b", b"Foo.txt", b"x y", b"'q'", b'"d"', b"new\nline", b"\xff\xfe", b"-rf", b"--",
    b"caf\xc3\xa9", b"*", b"[z]", b"#h", b"!n", b".hidden", b"tab\t.c", b"\x01", b"a.b",
    b"a-", b"a0",
)  # fmt: skip
CONTENTS = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"", b"a\r\nb\r\n", b"\x00\xff"]),
)
# None is a name above: at a link that leads to itself git keeps what the base had below it.
TARGETS = (b"nowhere", b"n/owhere", b"./no where", b"\xff")
LEAVES = st.one_of(
    st.builds(Odd, st.sampled_from("fx"), CONTENTS),
    st.builds(Odd, st.just("l"), st.sampled_from(TARGETS)),
)


def trees_of(names: tuple[bytes, ...] = NAMES) -> st.SearchStrategy[dict[bytes, Odd]]:
    """Return a strategy for trees, as path to file."""
    name = st.sampled_from(names)
    nested = st.recursive(LEAVES, lambda below: st.dictionaries(name, below, max_size=4))
    return st.dictionaries(name, nested, max_size=5).map(lambda top: dict(_flat(b"", top)))


def _flat(prefix: bytes, nested: Mapping[bytes, object]) -> list[tuple[bytes, Odd]]:
    found: list[tuple[bytes, Odd]] = []
    for name, value in nested.items():
        if isinstance(value, Odd):
            found.append((prefix + name, value))
        elif isinstance(value, dict):
            found += _flat(prefix + name + b"/", value)
    return found


def write(folder: Path, odd: Mapping[bytes, Odd]) -> None:
    """Write the files into `folder`."""
    for path, (kind, data) in odd.items():
        whole = os.path.join(os.fsencode(folder), path)
        os.makedirs(os.path.dirname(whole), exist_ok=True)
        if kind == "l":
            os.symlink(data, whole)
            continue
        with open(whole, "wb") as file:
            file.write(data)
        os.chmod(whole, 0o755 if kind == "x" else 0o644)


class Plain:
    """A repository whose work trees are other folders."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.git_dir = folder / "repo.git"
        self._made = 0
        self.git("init", "-q", "--bare", str(self.git_dir), git_dir=False)
        self.git("config", "core.bare", "false")
        self.raw = pygit2.Repository(str(self.git_dir))
        self.empty = self.git("write-tree").decode().strip()

    def git(
        self, *arguments: str, work: Path | None = None, stdin: bytes = b"", git_dir: bool = True,
        worst: int = 0,
    ) -> bytes:  # fmt: skip
        """Run `git` and return its output; an exit code over `worst` fails the test."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_INDEX_FILE": str(self.folder / "index"),
            "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.com",
            "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.com",
            **({"GIT_DIR": str(self.git_dir)} if git_dir else {}),
            **({"GIT_WORK_TREE": str(work)} if work else {}),
        }  # fmt: skip
        done = subprocess.run(
            ["git", *arguments], input=stdin, env=environment, cwd=work or self.folder,
            capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode <= worst, (arguments, done.stdout[-500:], done.stderr[-2000:])
        return done.stdout

    def new_folder(self) -> Path:
        """Return an empty folder."""
        self._made += 1
        folder = self.folder / f"work{self._made}"
        folder.mkdir()
        return folder

    def tree(self, odd: Mapping[bytes, Odd]) -> str:
        """Return the tree that git makes of these files, ignored or not."""
        folder = self.new_folder()
        write(folder, odd)
        tree = self.added(folder, self.empty, "--force")
        shutil.rmtree(folder)
        return tree

    def added(self, folder: Path, base: str, *options: str) -> str:
        """Return the tree of `git add --all` in `folder` on top of `base`."""
        self.git("read-tree", base)
        self.git("add", "--all", *options, work=folder)
        return self.git("write-tree").decode().strip()

    def listing(self, tree: str) -> dict[bytes, tuple[str, str]]:
        """Return path to (mode, object id) of all files of a tree, as git lists them."""
        lines = self.git("ls-tree", "-rz", tree).split(b"\0")[:-1]
        parts = [line.split(b"\t", 1) for line in lines]
        return {path: (meta.split()[0].decode(), meta.split()[2].decode()) for meta, path in parts}

    def fsck(self, tree: str) -> None:
        """Let git check the tree and all that it reaches, strictly."""
        self.git("fsck", "--strict", "--no-dangling", tree)

    def blob(self, data: bytes) -> str:
        """Write a blob with git."""
        return self.git("hash-object", "-w", "--stdin", stdin=data).decode().strip()

    def made(self, listed: Mapping[bytes, tuple[str, str]]) -> str:
        """Return a tree made by git of any modes, object ids and (flat) names."""
        kinds = {"040000": "tree", "160000": "commit"}
        lines = [
            f"{mode} {kinds.get(mode, 'blob')} {oid}\t".encode() + name
            for name, (mode, oid) in listed.items()
        ]
        return (
            self.git("mktree", "-z", "--missing", stdin=b"\0".join([*lines, b""])).decode().strip()
        )
