"""A claim: who may work on a task, and whether that process still lives."""

from __future__ import annotations

from dataclasses import dataclass

CLAIM_VERSION = 1
DEFAULT_LEASE = 1200
"""Seconds after which an unchanged claim may be taken over (DESIGN section 5)."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process, so that "dead here" can be told from "alive elsewhere".

    `boot` and `pid_ns` are the kernel's ids of this boot and of the PID namespace,
    `pid_start` the process's start in clock ticks since boot; without all of them equal,
    a pid says nothing.
    """

    host: str
    boot: str
    pid_ns: str
    pid: int
    pid_start: int


@dataclass(frozen=True, slots=True)
class Claim:
    """What the commit on `refs/gitagent/claims/<task>` says; PROTOCOL section 1.

    `nonce` is 128 random bits, since a lease on a ref is not checked when the new value
    equals the old one. `lease_s` is in seconds. `reserved` is what the run may spend, US
    dollars.
    """

    task: str
    run: str
    runner: str
    process: Process
    epoch: int
    lease_s: int
    base: str
    nonce: str
    reserved: float | None = None
    job: str | None = None
    continues: str | None = None

    def as_json(self) -> dict[str, object]:
        """Return the object of the commit's message."""
        process = self.process
        return {
            "v": CLAIM_VERSION,
            "task": self.task,
            "run": self.run,
            "runner": self.runner,
            "host": process.host,
            "boot": process.boot,
            "pid_ns": process.pid_ns,
            "pid": process.pid,
            "pid_start": process.pid_start,
            "epoch": self.epoch,
            "lease_s": self.lease_s,
            "base": self.base,
            "nonce": self.nonce,
            "reserved": self.reserved,
            "job": self.job,
            "continues": self.continues,
        }
