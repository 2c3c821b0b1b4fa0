"""Stands in the PATH before git: writes down what remotes were asked, or kills at that moment.

A script of its own, `git_between.py SETTINGS ARGUMENT...`, which needs nothing but the standard
library. SETTINGS is JSON: `git` is the real one; `log`, if it is there, gets a line when a call
begins and one when it ends; `kill` is `{"at": N, "moment": "before"|"during"|"after", "delay": S}`
and kills the parent (and with "during" also git) at the N-th call of a remote.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

REMOTE = ("push", "fetch", "ls-remote")
HEARD = "refs/gitagent/r/"
PORCELAIN = 3
"""Parts of a line of `git push --porcelain`: flag, refspec, summary."""


def main() -> None:
    """Do as the settings say."""
    file, arguments = Path(sys.argv[1]), sys.argv[2:]
    settings = json.loads(file.read_text())
    if "kill" in settings and count(file.with_suffix(".count")) == settings["kill"]["at"]:
        kill(settings["git"], arguments, **settings["kill"])
    if "log" in settings:
        sys.exit(written_down(settings["git"], arguments, Path(settings["log"])))
    os.execv(settings["git"], ["git", *arguments])  # noqa: S606 - it becomes git


def count(file: Path) -> int:
    """Return which call of a remote this is, from 1."""
    with file.open("ab") as calls:
        calls.write(b".")
        calls.flush()
        return os.fstat(calls.fileno()).st_size


def kill(git: str, arguments: list[str], at: int, moment: str, delay: float) -> None:
    """Kill gitagent at the call `at`; what it never hears of may have been done."""
    if moment != "before":
        process = subprocess.Popen([git, *arguments], start_new_session=True)
        if moment == "after":
            process.wait()
        else:
            time.sleep(delay)
            os.killpg(process.pid, signal.SIGKILL)
    os.kill(os.getppid(), signal.SIGKILL)
    sys.exit(f"killed {moment} call {at}")


def written_down(git: str, arguments: list[str], log: Path) -> int:
    """Run git, write down what it was asked and what came of it, and return its exit code."""
    call = uuid.uuid4().hex
    word = next(each for each in arguments if each in REMOTE)
    leases = dict(leases_of(arguments)) if word == "push" else {}
    write(log, call=call, git=word, called=time.monotonic(), leases=leases)
    done = subprocess.run([git, *arguments], stdout=subprocess.PIPE, check=False)
    returned = time.monotonic()
    said = done.stdout.decode(errors="replace")
    what: dict[str, Any]
    if word == "push":
        what = {"flags": dict(flags_of(said))}
    elif word == "fetch":
        what = fetched(git, arguments)
    else:
        pairs = [line.split("\t") for line in said.splitlines()]
        asked = [each for each in arguments if each.startswith("refs/")]
        what = {"asked": asked, "seen": {ref: oid for oid, ref in pairs}}
    write(log, call=call, returned=returned, code=done.returncode, **what)
    sys.stdout.write(said)
    return done.returncode if done.returncode >= 0 else 128 - done.returncode


def leases_of(arguments: list[str]) -> Iterator[tuple[str, tuple[str | None, str | None]]]:
    """Yield each ref with what the push expects and what it sets."""
    pairs = [each.partition(":") for each in arguments if each[:1] != "-" and ":refs/" in each]
    specs = {ref: value for value, _, ref in pairs}
    for each in arguments:
        if each.startswith("--force-with-lease="):
            ref, _, expected = each.partition("=")[2].partition(":")
            yield ref, (expected or None, specs[ref] or None)


def flags_of(said: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the flag and the summary of each ref of `git push --porcelain`."""
    for line in said.splitlines():
        parts = line.split("\t")
        if len(parts) == PORCELAIN:
            yield parts[1].partition(":")[2], (parts[0], parts[2])


def fetched(git: str, arguments: list[str]) -> dict[str, Any]:
    """Return the names that the remote was asked for, and what it had of them."""
    git_dir = next(each for each in arguments if each.startswith("--git-dir="))
    argv = [git, git_dir, "for-each-ref", "--format=%(refname) %(objectname)", HEARD]
    listed = subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout.decode()
    here = dict(line.split(" ") for line in listed.splitlines())
    asked, seen = [], {}
    for each in arguments:
        theirs, _, ours = each.removeprefix("+").partition(":")
        if ours.startswith(HEARD):
            asked.append(theirs.rstrip("*"))
            many, stem = ours.endswith("*"), ours.rstrip("*")
            found = [ref for ref in here if (ref.startswith(stem) if many else ref == stem)]
            seen.update({theirs.rstrip("*") + ref.removeprefix(stem): here[ref] for ref in found})
    return {"asked": asked, "seen": seen}


def write(log: Path, **line: object) -> None:
    """Add a line, in one write, so that those of several processes never mix."""
    handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(handle, json.dumps(line).encode() + b"\n")
    os.close(handle)


if __name__ == "__main__":
    main()
