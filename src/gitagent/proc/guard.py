"""The process that stands between gitagent and an untrusted command, and ends its whole tree.

`run.py` starts this file as a script (`python -I -S guard.py`), so it imports only what is
quick to load from the standard library and nothing of gitagent.

File descriptor 0 is a socket to gitagent, 1 and 2 are the command's output. One line of JSON
comes in: `{"argv", "env", "cwd", "stdin", "grace"}`, with bytes written as Latin-1. Any byte
after it means "end the command". Lines go out: `started PID`, then `ended CODE LEFT` once
nothing of the command is left (LEFT counts what could not be killed); or
`failed cwd|stdin|exec ERRNO` alone.

On Linux the guard is the subreaper of all that descends from it, so a daemon that called
`setsid` or forked twice becomes its child, and "no child left" means that nothing is left
(V26: killing the process group does not reach those). That gitagent died is seen by the end
of the socket, which the kernel closes after `kill -9` too; unlike PR_SET_PDEATHSIG, this
cannot be missed when it happens early, and does not depend on which thread started us.

What it cannot do: a command of the same user can kill its guard. Only a PID namespace hides
it; `run.py` then kills what is left of the command's session.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import select
import signal
import stat
import sys
import time
from typing import NoReturn, TypedDict

CONTROL = 0
KILL_SECONDS = 3.0
"""How long to go on killing; what is still there then is in the kernel, or not ours to kill."""

_PR_SET_DUMPABLE = 4  # /usr/include/linux/prctl.h
_PR_SET_CHILD_SUBREAPER = 36


class Order(TypedDict):
    """What to run; see the module's docstring."""

    argv: list[str]
    env: dict[str, str]
    cwd: str
    stdin: str
    grace: float


class Tree:
    """The command and all that descends from it."""

    def __init__(self) -> None:
        self.main = 0
        self.code: int | None = None

    def reap(self) -> bool:
        """Collect the dead; return whether any process is left."""
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return True
                if pid == self.main:
                    self.code = _exit_code(status)
        except ChildProcessError:
            return False

    def pids(self) -> set[int]:
        """Return every living descendant."""
        children: dict[int, list[int]] = {}
        for pid, parent in _parents().items():
            children.setdefault(parent, []).append(pid)
        found: set[int] = set()
        unseen = children.get(os.getpid(), [])
        while unseen:
            found.update(unseen)
            unseen = [each for pid in unseen for each in children.get(pid, ())]
        return found

    def signal(self, pids: set[int], number: signal.Signals) -> None:
        """Send a signal to each of `pids`, dead or forbidden ones notwithstanding."""
        for pid in pids:
            try:
                os.kill(pid, number)
            except OSError:
                continue

    def terminate(self) -> None:
        """Ask every process to end; one that was stopped is woken to hear it."""
        pids = self.pids()
        self.signal(pids, signal.SIGTERM)
        self.signal(pids, signal.SIGCONT)

    def kill(self, wake: int) -> None:
        """Kill every process, for at most KILL_SECONDS."""
        deadline = time.monotonic() + KILL_SECONDS
        while self.reap() and time.monotonic() < deadline:
            self.signal(self.pids(), signal.SIGKILL)
            _wait(wake, 0.02)


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _parents() -> dict[int, int]:
    """Return the parent of every living process."""
    if not os.path.exists("/proc/self/stat"):  # noqa: PTH110 (pathlib is slow to load)
        return _parents_by_ps()
    parents = {}
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
                    state, parent = file.read().rpartition(b")")[2].split()[:2]
            except OSError:
                continue  # it is gone
            if state not in (b"Z", b"X"):
                parents[int(name)] = int(parent)
    return parents


def _parents_by_ps() -> dict[int, int]:
    with os.popen("/bin/ps -A -o pid=,ppid=") as listing:  # noqa: S605 (a constant)
        return {int(pid): int(parent) for pid, parent in map(str.split, listing)}


def _adopt_descendants() -> None:
    """Become a subreaper, and closed to ptrace and /proc/PID/fd of the same user."""
    if sys.platform == "linux":
        prctl = ctypes.CDLL(None).prctl
        zero = ctypes.c_ulong(0)
        prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), zero, zero, zero)
        prctl(_PR_SET_DUMPABLE, zero, zero, zero, zero)


def _ignore_signals() -> int:
    """Outlive what the command may send to all; return a descriptor that wakes on SIGCHLD."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return reader


def _wait(wake: int, seconds: float | None, *, control: bool = False) -> bytes | None:
    """Sleep until a child died, gitagent said something, or the time is over.

    Returns what gitagent said, empty when it is gone, None when it said nothing.
    """
    readers = [wake, CONTROL] if control else [wake]
    ready = select.select(readers, [], [], seconds)[0]
    if wake in ready:
        os.read(wake, 4096)
    return os.read(CONTROL, 64) if CONTROL in ready else None


def _read_order() -> tuple[Order, bytes | None]:
    """Return the order, and what came with it."""
    received = b""
    while b"\n" not in received:
        piece = os.read(CONTROL, 65536)
        if not piece:
            sys.exit(0)
        received += piece
    line, _, rest = received.partition(b"\n")
    return json.loads(line), rest or None


def _say(line: str) -> None:
    try:
        os.write(CONTROL, line.encode() + b"\n")
    except OSError:
        return  # gitagent is gone, and nobody is left to tell


def _start(order: Order) -> int:
    """Start the command in its own session and return its pid; say why and exit if it fails."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        _become(order, writer)
    os.close(writer)
    with open(reader, "rb") as file:  # noqa: PTH123
        failure = file.read().decode()
    if failure:
        _say(f"failed {failure}")
        sys.exit(0)
    _say(f"started {pid}")
    return pid


def _become(order: Order, failure: int) -> NoReturn:
    step = "cwd"
    try:
        os.setsid()
        os.chdir(order["cwd"].encode("latin-1"))
        step = "stdin"
        os.dup2(_open_stdin(order["stdin"].encode("latin-1")), CONTROL)
        step = "exec"
        _reset_signals()
        argv = [each.encode("latin-1") for each in order["argv"]]
        pairs = order["env"].items()
        env = {name.encode("latin-1"): value.encode("latin-1") for name, value in pairs}
        os.execvpe(argv[0], argv, env)  # noqa: S606 (starting it is the point)
    except (OSError, ValueError) as error:
        number = getattr(error, "errno", None) or errno.EINVAL
        os.write(failure, f"{step} {number}".encode())
    finally:
        os._exit(127)


def _open_stdin(path: bytes) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    mode = os.fstat(descriptor).st_mode
    if path != os.devnull.encode() and not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "not a regular file")
    os.set_blocking(descriptor, True)
    return descriptor


def _reset_signals() -> None:
    """Python ignores SIGPIPE, and we ignore more; a program expects the defaults."""
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _watch(tree: Tree, wake: int, grace: float, said: bytes | None) -> None:
    """Return when the command has ended, or has had its `grace` after being told to."""
    while tree.code is None and said is None:
        said = _wait(wake, None, control=True)
        tree.reap()
    if said:
        tree.terminate()
        deadline = time.monotonic() + grace
        while said != b"" and tree.reap() and (left := deadline - time.monotonic()) > 0:
            said = _wait(wake, left, control=True)


def main() -> None:
    """Run one command, as the module's docstring says."""
    order, said = _read_order()
    _adopt_descendants()
    wake = _ignore_signals()
    tree = Tree()
    tree.main = _start(order)
    _watch(tree, wake, order["grace"], said)
    tree.kill(wake)
    left = len(tree.pids()) if tree.reap() else 0
    _say(f"ended {tree.code if tree.code is not None else -1} {left}")


if __name__ == "__main__":
    main()
