"""Objects are written although git removes the folders that it emptied meanwhile."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pygit2
import pytest

from gitagent.git import blobs, commits, files, objects, trees
from gitagent.git.repository import GITAGENT, Repository
from support.story import Repo

# What `git prune-packed` does to each folder it emptied, fifty times a second.
TIDY = """
import os, sys, time
print("ready", flush=True)
while True:
    for number in range(256):
        try:
            os.rmdir(f"{sys.argv[1]}/{number:02x}")
        except OSError:
            pass
    time.sleep(0.02)
"""


@pytest.fixture
def tidied(repo: Repo) -> Iterator[Repository]:
    """A repository in which a process removes every empty folder of objects at once."""
    argv = [sys.executable, "-c", TIDY, str(repo.path / ".git/objects")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield Repository.find(repo.path, repo.person.environment())
        process.kill()


def test_300_objects_are_written_while_folders_vanish(tidied: Repository, tmp_path: Path) -> None:
    when = datetime(2026, 11, 21, tzinfo=UTC)
    written = [_streamed(tidied, tmp_path / "large", number) for number in range(9)]
    for number in range(97):
        blob = objects.write_blob(tidied.raw, b"blob %d" % number)
        tree = trees.write_tree(tidied.raw, {b"name": (trees.BLOB, blob)})
        draft = commits.Draft(str(tree), (), f"commit {number}", GITAGENT, when)
        written += [str(blob), str(tree), commits.write(tidied, draft)]

    assert len({oid for oid in written if pygit2.Oid(hex=oid) in tidied.raw}) == 300


def test_libgit2_alone_does_not_survive_it(tidied: Repository) -> None:
    """The error is real, else the test above would show nothing."""
    with pytest.raises(OSError, match=r"failed to rename lockfile.*No such file or directory"):
        _write_on(tidied.raw)


def test_any_other_error_is_not_hidden(tidied: Repository) -> None:
    calls = []

    def write() -> None:
        calls.append(1)
        message = "failed to write out file: No space left on device"
        raise OSError(message)

    with pytest.raises(OSError, match="No space left"):
        objects.retried(write)
    assert len(calls) == 1


def _write_on(repo: pygit2.Repository) -> None:
    for number in range(100_000):
        repo.create_blob(b"blob %d" % number)


def _streamed(repository: Repository, large: Path, seed: int) -> str:
    """Write a file that is not read into memory as a whole; it is read again when need be."""
    large.write_bytes(random.Random(seed).randbytes(files.CHUNK + 1))  # noqa: S311
    with files.folder(large.parent) as fd, files.reading(fd, os.fsencode(large.name)) as opened:
        oid = blobs.write(repository.raw, opened, 2 * files.CHUNK)
        os.lseek(opened, 0, os.SEEK_SET)
        assert blobs.is_same(repository.raw, opened, oid)
    return str(oid)
