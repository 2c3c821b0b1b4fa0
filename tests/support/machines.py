"""Machines: network namespaces with addresses of their own, or else processes with a line each.

A machine is where a runner runs. It has a PID namespace of its own, so that no other one takes
its processes for dead, and a line to the hub, where the server is, that can be cut.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from support.servers import Folder, Http, folder, http

_HTTP = Path(__file__).with_name("http_git.py")


@dataclass(slots=True)
class Machine:
    """`url` is the server's as seen from here; `prefix` is put before what is to run here."""

    name: str
    url: str
    prefix: Sequence[str] = ()
    line: Http | None = None
    hub: str = ""

    def cut(self) -> None:
        """Cut the line to the server: nothing gets through, and nobody is told."""
        if self.line is None:
            _run("ip", "-n", self.hub, "link", "set", f"to-{self.name}", "down")
        else:
            self.line.faults(refuse=1.0, status=503)

    def mend(self) -> None:
        """Mend the line."""
        if self.line is None:
            _run("ip", "-n", self.hub, "link", "set", f"to-{self.name}", "up")
        else:
            self.line.faults()


@dataclass(slots=True)
class Site:
    """The server and the machines around it; `kind` says what a machine is here."""

    server: Folder
    kind: str
    machines: list[Machine] = field(default_factory=list)


@contextmanager
def site(path: Path, count: int) -> Iterator[Site]:
    """Give a bare repository behind HTTP, and `count` machines with a line each to it."""
    with ExitStack() as stack:
        server = stack.enter_context(folder(path))
        tag = f"g{os.getpid() % 10_000}"
        if _may_have_namespaces(tag):
            yield _namespaces(stack, server, tag, count)
        else:
            lines = [stack.enter_context(http(path)) for _ in range(count)]
            machines = [Machine(f"m{n}", line.url, (), line) for n, line in enumerate(lines)]
            yield Site(server, "processes", machines)


def _may_have_namespaces(tag: str) -> bool:
    try:
        tried = subprocess.run(["ip", "netns", "add", tag], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    if tried.returncode == 0:
        _run("ip", "netns", "del", tag)
    return tried.returncode == 0


def _namespaces(stack: ExitStack, server: Folder, tag: str, count: int) -> Site:
    hub = f"{tag}-hub"
    _add_namespace(stack, hub)
    found = Site(server, "network namespaces")
    for number in range(count):
        _connect(stack, hub, f"{tag}-m{number}", number)
    port = _serve(stack, hub, server.path.parent)
    for number in range(count):
        url = f"http://10.77.{number}.1:{port}/{server.path.name}"
        name = f"{tag}-m{number}"
        inside = ("ip", "netns", "exec", name, "unshare", "--pid", "--fork", "--mount-proc")
        found.machines.append(Machine(name, url, inside, None, hub))
    return found


def _add_namespace(stack: ExitStack, name: str) -> None:
    _run("ip", "netns", "add", name)
    stack.callback(_run, "ip", "netns", "del", name)
    _run("ip", "-n", name, "link", "set", "lo", "up")


def _connect(stack: ExitStack, hub: str, name: str, number: int) -> None:
    """Join a machine and the hub by a line of two ends, 10.77.<number>.2 and .1."""
    _add_namespace(stack, name)
    _run("ip", "-n", hub, "link", "add", f"to-{name}", "type", "veth", "peer", "name", "up0",
         "netns", name)  # fmt: skip
    for inside, end, last in ((hub, f"to-{name}", 1), (name, "up0", 2)):
        _run("ip", "-n", inside, "address", "add", f"10.77.{number}.{last}/30", "dev", end)
        _run("ip", "-n", inside, "link", "set", end, "up")


def _serve(stack: ExitStack, hub: str, root: Path) -> int:
    """Start the server in the hub, on all of its addresses, and return its port."""
    argv = ["ip", "netns", "exec", hub, sys.executable, str(_HTTP), str(root), "0.0.0.0"]  # noqa: S104 - in the hub's own network
    process = stack.enter_context(
        subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stack.callback(process.stdin.close)
    return int(process.stdout.readline())


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True)
