"""What the commits of a claim ref say, read from the objects themselves (PROTOCOL section 1)."""

from __future__ import annotations

import json

from gitagent.core.claim import Claim, Process
from gitagent.git.plain_objects import Commit, Objects, commit
from gitagent.store.index.snapshot import Value

_LANDED = "landed "
_RECORD = b"record.json"


def read_value(objects: Objects, oid: str) -> Value | None:
    """Return what the commit `oid` says; None when it is neither a claim nor a landing.

    Raises `ExternalError` when an object is missing.
    """
    found = objects.read(oid)
    if found.kind != "commit":
        return None
    said = commit(found)
    try:
        return (
            _landing(objects, oid, said) if said.message.startswith(_LANDED) else _claim(oid, said)
        )
    except (ValueError, KeyError, TypeError):
        return None


def _claim(oid: str, said: Commit) -> Value:
    body = said.message.partition("\n\n")[2]
    parse_claim(json.loads(body))
    return Value(oid, landed=False, said=body, work=None)


def _landing(objects: Objects, oid: str, said: Commit) -> Value | None:
    named = {entry.name: entry for entry in objects.tree(said.tree)}
    if _RECORD not in named:
        return None
    record = objects.read(named[_RECORD].oid).data.decode()
    json.loads(record)
    return Value(oid, landed=True, said=record, work=said.parents[1] if said.parents[1:] else None)


def parse_claim(data: dict[str, object]) -> Claim:
    """Return the claim of a commit's message; raises KeyError, TypeError or ValueError."""
    process = Process(
        host=str(data["host"]),
        boot=str(data["boot"]),
        pid_ns=str(data["pid_ns"]),
        pid=_int(data["pid"]),
        pid_start=_int(data["pid_start"]),
    )
    return Claim(
        task=str(data["task"]),
        run=str(data["run"]),
        runner=str(data["runner"]),
        process=process,
        epoch=_int(data["epoch"]),
        lease_s=_int(data["lease_s"]),
        base=str(data["base"]),
        nonce=str(data["nonce"]),
        continues=_text(data.get("continues")),
        job=_text(data.get("job")),
    )


def _int(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        message = f"{value!r} is not an integer"
        raise TypeError(message)
    return value


def _text(value: object) -> str | None:
    return None if value is None else str(value)
