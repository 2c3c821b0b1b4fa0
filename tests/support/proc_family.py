"""A family of processes that are hard to get rid of; each signs in with its pid.

Usage: proc_family.py FOLDER KIND; KIND is a name below. Runs with `python -I -S`.
"""

from __future__ import annotations

import os
import signal
import sys

FOLDER, KIND = sys.argv[1:]


def sign_in() -> None:
    """Write a file named like the pid, whole as soon as it is there."""
    name = os.path.join(FOLDER, str(os.getpid()))
    with open("/proc/self/stat") as stat, open(name + ".new", "w") as file:
        file.write(stat.read().rpartition(")")[2].split()[19])
    os.rename(name + ".new", name)


def wait() -> None:
    sign_in()
    while True:
        signal.pause()


def child() -> bool:
    return os.fork() == 0


def deaf() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def setsid() -> None:
    """A child in a session of its own; the parent stays."""
    if child():
        os.setsid()
    wait()


def daemon() -> None:
    """Two forks and a session between them: the parent of the daemon is gone."""
    if child():
        os.setsid()
        if child():
            deaf()
            wait()
        os._exit(0)
    os.wait()
    wait()


def left_behind() -> None:
    """A daemon signs in, and then the command ends well."""
    reader, writer = os.pipe()
    if child():
        os.setsid()
        sign_in()
        os.write(writer, b".")
        wait()
    os.read(reader, 1)


def loop() -> None:
    """A process that never sleeps."""
    sign_in()
    while True:
        pass


def closed() -> None:
    """A process that has closed what it could be heard by."""
    for descriptor in (0, 1, 2):
        os.close(descriptor)
    wait()


def unwilling() -> None:
    """Three generations that ignore SIGTERM."""
    deaf()
    if child() and child():
        os.setsid()
    wait()


def stopped() -> None:
    """A process that has stopped itself."""
    if child():
        sign_in()
        os.kill(os.getpid(), signal.SIGSTOP)
    wait()


def willing() -> None:
    """Parent and child clean up at SIGTERM, and say so."""

    def clean_up(*_: object) -> None:
        os.write(1, b"cleaned up\n")
        os._exit(0)

    signal.signal(signal.SIGTERM, clean_up)
    child()
    wait()


def many() -> None:
    """Processes that go on forking others, at most 60 of them, in sessions of their own."""
    for _ in range(60):
        if child():
            os.setsid()
            wait()
    wait()


def relay() -> None:
    """A process that runs away: it lives on in its child, over and over."""
    if not child():
        wait()
    while True:
        sign_in()
        if not child():
            os._exit(0)


def kills_its_guard() -> None:
    if child():
        wait()
    sign_in()
    os.kill(os.getppid(), signal.SIGKILL)
    signal.pause()


globals()[KIND]()
