"""What a killed push leaves in a folder remote: found, and removed only where nobody works."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitagent.git.command import Git
from gitagent.git.refs import CLAIMS
from gitagent.git.remote import Remote
from gitagent.git.remote_folder import AGE, remove_stale, stale_remote_locks
from support import servers
from support.servers import Folder, make_old
from support.story import Repo
from support.waiting import eventually

CLAIM = f"{CLAIMS}k3x9m"
OLD = AGE + 60


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Folder]:
    with servers.folder(tmp_path / "server.git") as made:
        yield made


def quarantine(server: Folder, age: float) -> Path:
    folder = server.path / "objects/tmp_objdir-incoming-aBc123"
    (folder / "pack").mkdir(parents=True)
    (folder / "pack/tmp_pack_x").write_bytes(b"PACK")
    make_old(folder, age)
    return folder


def test_a_stale_lock_blocks_every_deletion_until_it_is_removed(repo: Repo, server: Folder) -> None:
    tree = repo.git("hash-object", "-t", "tree", "-w", "/dev/null")
    commit = repo.git("commit-tree", "-m", "x", tree)
    remote = Remote(Git(repo.path / ".git", repo.person.environment()), server.url)
    remote.push({CLAIM: (None, commit)})
    lock = server.lock("packed-refs", OLD)
    assert not remote.push({CLAIM: (commit, None)}).placed(CLAIM)

    assert remove_stale(server.path) == [lock]

    assert remote.push({CLAIM: (commit, None)}).placed(CLAIM)
    assert server.refs() == {}


def test_every_lock_and_quarantine_of_a_dead_push_is_found(server: Folder) -> None:
    names = ("packed-refs", "shallow", "HEAD", "config", CLAIM, "refs/heads/main")
    left = [server.lock(name, OLD) for name in names]
    left.append(quarantine(server, OLD))
    assert stale_remote_locks(server.path) == sorted(left)
    assert remove_stale(server.path) == sorted(left)
    assert not [each for each in left if each.exists()]
    server.git("fsck", "--strict")


def test_what_is_not_old_enough_or_not_a_pushs_is_left_alone(server: Folder) -> None:
    server.lock("packed-refs", AGE - 60)
    server.lock("refs/heads/main")
    server.lock("index", OLD)
    make_old(server.path / "config", OLD)
    growing = quarantine(server, OLD)
    (growing / "pack/tmp_pack_y").write_bytes(b"PACK")
    assert remove_stale(server.path) == []


@pytest.mark.parametrize("inside", [False, True])
def test_nothing_is_stale_while_git_works_there(server: Folder, inside: bool) -> None:
    """Known by its argument, as `git-shell` gives it, or by the folder it works in."""
    lock = server.lock("packed-refs", OLD)
    cwd, named = (server.path / "refs", "..") if inside else (Path("/"), str(server.path))
    argv = ["git", "receive-pack", named]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=cwd
    ) as receiving:
        assert receiving.stdout is not None
        receiving.stdout.read(4)  # it has begun to say what it has
        assert remove_stale(server.path) == []
        assert lock.exists()
        receiving.kill()
    eventually(lambda: remove_stale(server.path) == [lock])


def test_git_that_works_elsewhere_does_not_matter(server: Folder, tmp_path: Path) -> None:
    lock = server.lock("packed-refs", OLD)
    with (
        servers.folder(tmp_path / "other.git") as other,
        subprocess.Popen(
            ["git", "receive-pack", str(other.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as receiving,
    ):
        assert receiving.stdout is not None
        receiving.stdout.read(4)
        assert stale_remote_locks(server.path) == [lock]
        receiving.kill()


def test_a_repository_with_a_working_tree_is_looked_at_too(repo: Repo) -> None:
    lock = repo.path / ".git/packed-refs.lock"
    lock.touch()
    make_old(lock, OLD)
    assert remove_stale(repo.path) == [lock]
