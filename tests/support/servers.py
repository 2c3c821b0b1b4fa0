"""Real servers for one bare repository: a folder, smart HTTP, ssh; and what can be wrong there.

Each context manager takes the path of the repository, makes it when it is not there, and gives
something with a `url`. All listen on loopback only and end with the block.
"""

from __future__ import annotations

import getpass
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from support.story import Person
from support.waiting import eventually

_HTTP = Path(__file__).with_name("http_git.py")
SBIN = ("/usr/sbin", "/sbin", "/usr/local/sbin")

HIDE = "transfer.hideRefs"
"""The setting that hides refs from everybody, for `Folder.configure`."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A bare repository on this machine, and its URL."""

    path: Path
    url: str

    def git(self, *arguments: str) -> str:
        """Run `git` on the server's side and return what it printed."""
        done = subprocess.run(
            ["git", f"--git-dir={self.path}", *arguments],
            capture_output=True,
            text=True,
            env=_environment(),
            check=True,
        )
        return done.stdout.strip()

    def refs(self) -> dict[str, str]:
        """Return every ref and its value, hidden ones too."""
        listed = self.git("for-each-ref", "--format=%(refname) %(objectname)")
        pairs = (line.split(" ") for line in listed.splitlines())
        return {line[0]: line[1] for line in pairs}

    def configure(self, key: str, value: str) -> None:
        """Set one value of the server's configuration."""
        self.git("config", key, value)

    def hook(self, name: str, script: str) -> None:
        """Install a hook; `script` is `sh`."""
        hook = self.path / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\n{script}\n")
        hook.chmod(0o755)

    def protect(self, ref: str) -> None:
        """Refuse every push that names `ref`, as a protected branch does."""
        self.hook("pre-receive", f'while read old new ref; do [ "$ref" != {ref} ] || exit 1; done')

    def only_branches(self) -> None:
        """Refuse refs outside `refs/heads`, one by one."""
        self.hook("update", 'case "$1" in refs/heads/*) ;; *) echo not here >&2; exit 1 ;; esac')

    def check_out(self, branch: str) -> None:
        """Let the repository look as if it had a working tree on `branch`."""
        self.configure("core.bare", "false")
        self.git("symbolic-ref", "HEAD", branch)

    def no_deletions(self) -> None:
        """Refuse every deletion; `receive.denyDeletes` does so only below `refs/heads`."""
        self.hook("update", f'[ "$3" != {"0" * 40} ]')

    def lock(self, name: str, age: float = 0.0) -> Path:
        """Put the lock of `name` (`packed-refs`, a ref) there, `age` seconds old."""
        path = self.path / f"{name}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        make_old(path, age)
        return path


@dataclass(frozen=True, slots=True)
class Http(Folder):
    """The same, served over HTTP, with faults and counters."""

    port: int

    def faults(self, **faults: float | str) -> None:
        """Set what goes wrong from now on (`http_git.Faults`); without any, nothing."""
        self._ask("/_faults", json.dumps(faults).encode())

    def counts(self) -> dict[str, int]:
        """Return how often: `requests`, `pushes`, `dropped`, `killed`, `refused`."""
        return dict(json.loads(self._ask("/_counts")))

    def _ask(self, path: str, body: bytes | None = None) -> bytes:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body)
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - loopback
            return bytes(answer.read())


@dataclass(frozen=True, slots=True)
class Ssh(Folder):
    """The same, served by `sshd`; `command` is the `ssh` that may come in."""

    command: str
    keys: Path = field(repr=False)

    def allow(self, person: Person) -> None:
        """Let this person in, by their own git configuration."""
        person.run("git", "config", "--global", "core.sshCommand", self.command, cwd=person.home)


@contextmanager
def folder(path: Path) -> Iterator[Folder]:
    """Give a bare repository that is asked through its path."""
    _create(path)
    yield Folder(path, str(path))


@contextmanager
def http(path: Path) -> Iterator[Http]:
    """Give a bare repository behind `git http-backend`, in a process of its own."""
    _create(path)
    argv = [sys.executable, str(_HTTP), str(path.parent)]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment()
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            yield Http(path, f"http://127.0.0.1:{port}/{path.name}", port)
        finally:
            process.stdin.close()


def find_sshd() -> str | None:
    """Return the path of `sshd`, which is rarely on a person's PATH."""
    return shutil.which("sshd", path=os.pathsep.join([os.environ["PATH"], *SBIN]))


@contextmanager
def ssh(path: Path, keys: Path) -> Iterator[Ssh]:
    """Give a bare repository behind a real `sshd`; its keys and settings are in `keys`.

    `sshd` lets in who runs it, so this needs no root; with root it needs /run/sshd.
    """
    _create(path)
    sshd = find_sshd()
    assert sshd is not None, "install openssh-server"
    port = _free_port()
    settings = _settings(keys, port)
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    argv = [sshd, "-D", "-e", "-f", str(settings)]
    with (
        (keys / "sshd.log").open("wb") as log,
        subprocess.Popen(argv, stderr=log, env=_environment(), start_new_session=True) as process,
    ):
        try:
            eventually(lambda: _listens(port) or process.poll() is not None)
            url = f"ssh://{getpass.getuser()}@127.0.0.1:{port}{path}"
            yield Ssh(path, url, _client(keys), keys)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def make_old(path: Path, age: float) -> None:
    """Let `path` and all below it look `age` seconds old."""
    when = time.time() - age
    for each in [path, *path.rglob("*")]:
        os.utime(each, (when, when))


def _settings(keys: Path, port: int) -> Path:
    """Write the server's key, the person's key and `sshd_config`."""
    keys.mkdir(mode=0o700, parents=True)
    for name in ("host", "person"):
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(keys / name)]
        subprocess.run(argv, check=True)
    host = (keys / "host.pub").read_text().split()[:2]
    (keys / "known_hosts").write_text(f"[127.0.0.1]:{port} {' '.join(host)}\n")
    lines = (
        f"ListenAddress 127.0.0.1:{port}",
        f"HostKey {keys / 'host'}",
        f"AuthorizedKeysFile {keys / 'person.pub'}",
        "PidFile none",
        "StrictModes no",  # temporary folders may belong to a group
        "UsePAM no",
        "AuthenticationMethods publickey",
        "PermitRootLogin prohibit-password",
        "AcceptEnv GIT_PROTOCOL",
        "MaxStartups 200",  # many runners come at once
        "LogLevel VERBOSE",
    )
    settings = keys / "sshd_config"
    settings.write_text("\n".join(lines) + "\n")
    return settings


def _client(keys: Path) -> str:
    options = (
        "-F /dev/null",
        f"-i {keys / 'person'}",
        "-o IdentitiesOnly=yes",
        "-o IdentityAgent=none",
        "-o BatchMode=yes",
        f"-o UserKnownHostsFile={keys / 'known_hosts'}",
        "-o GlobalKnownHostsFile=/dev/null",
        "-o StrictHostKeyChecking=yes",
    )
    return " ".join(("ssh", *options))


def _create(path: Path) -> None:
    if not path.exists():
        subprocess.run(["git", "init", "-q", "--bare", str(path)], env=_environment(), check=True)
        for key, value in (("http.receivepack", "true"), ("gc.auto", "0")):
            subprocess.run(["git", f"--git-dir={path}", "config", key, value], check=True)


def _environment() -> dict[str, str]:
    """Return the server's variables: none of this machine's git settings."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "LC_ALL": "C",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
