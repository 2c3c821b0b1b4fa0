"""Killing a tree of processes from outside of it, where no guard does it."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

_KILL_SECONDS = 2.0


def kill_tree(root: int | None, session: int | None) -> None:
    """Kill the process `root`, all that descends from it, and every process of `session`.

    Either may be None. Gives up on what has not died after 2 seconds. Collects no exit status.
    """
    import psutil  # noqa: PLC0415 (only the rare end needs it)

    deadline = time.monotonic() + _KILL_SECONDS
    while (victims := _members(root, session)) and time.monotonic() < deadline:
        for victim in victims:
            with suppress(psutil.Error):
                victim.kill()
        psutil.wait_procs(victims, timeout=0.1)
    if root is not None:  # last, since those who outlive it are no longer found through it
        with suppress(psutil.Error):
            psutil.Process(root).kill()


def _members(root: int | None, session: int | None) -> list[psutil.Process]:
    import psutil  # noqa: PLC0415

    found: dict[int, psutil.Process] = {}
    if root is not None:
        with suppress(psutil.Error):
            found = {each.pid: each for each in psutil.Process(root).children(recursive=True)}
    for process in psutil.process_iter() if session is not None else ():
        with suppress(psutil.Error, OSError):
            if os.getsid(process.pid) == session:
                found[process.pid] = process
    return [each for each in found.values() if _lives(each)]


def _lives(process: psutil.Process) -> bool:
    import psutil  # noqa: PLC0415

    with suppress(psutil.Error):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False
