"""Which process this is, and whether another one is dead, as far as this machine can know."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from gitagent.core.claim import Process

_PROC = Path("/proc")
_START = 22 - 3  # proc(5) counts fields from 1, and the state, behind the name, is the third


def this_process() -> Process:
    """Return what tells this process from every other one, here and elsewhere."""
    pid = os.getpid()
    if not (_PROC / "self" / "stat").exists():
        return _without_proc(pid)
    fields = _fields((_PROC / "self" / "stat").read_bytes())
    return Process(
        host=platform.node(),
        boot=(_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip(),
        pid_ns=str((_PROC / "self/ns/pid").readlink()),
        pid=pid,
        pid_start=int(fields[_START]),
    )


def is_dead_here(process: Process) -> bool:
    """Return whether `process` is certainly dead; False when this machine cannot know.

    The boot and the PID namespace must be ours, since elsewhere the pid says nothing. A
    zombie is dead. Another boot id is "unknown" even under our host name: it may be this
    machine before a reboot, but as well another one that shares the tasks and is called
    `localhost` or `ubuntu` too, or the same container on another node. Taking over a live
    claim costs paid work again and again; waiting out the lease after a reboot costs
    minutes, once.
    """
    here = this_process()
    if (process.boot, process.pid_ns) != (here.boot, here.pid_ns):
        return False
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # somebody else's, so it exists
    return _is_another(process)


def _is_another(process: Process) -> bool:
    """Return whether the existing pid is a zombie, or was given to a later process."""
    if not (_PROC / "self" / "stat").exists():
        return _start_without_proc(process.pid) not in (process.pid_start, None)
    # In a new PID namespace that kept the old /proc (`unshare --pid`), its pids are not ours.
    if os.readlink(_PROC / "self") != str(os.getpid()):  # noqa: PTH115 (a relative target)
        return False
    try:
        fields = _fields((_PROC / str(process.pid) / "stat").read_bytes())
    except OSError:
        return False  # hidden from us (`hidepid`), or it has just ended
    return fields[0] in (b"Z", b"X") or int(fields[_START]) != process.pid_start


def _fields(stat: bytes) -> list[bytes]:
    """Split /proc/PID/stat behind the name, which may hold blanks and parentheses."""
    return stat.rpartition(b")")[2].split()


def _without_proc(pid: int) -> Process:
    """Where there is no /proc (macOS): no PID namespaces, and a boot is when it began."""
    import psutil  # noqa: PLC0415 (only where there is no /proc)

    boot = str(int(psutil.boot_time()))
    start = _start_without_proc(pid) or 0
    return Process(host=platform.node(), boot=boot, pid_ns="", pid=pid, pid_start=start)


def _start_without_proc(pid: int) -> int | None:
    import psutil  # noqa: PLC0415

    try:
        return int(psutil.Process(pid).create_time() * 100)
    except psutil.Error:
        return None
