"""`next --dry-run`: what would be done, most of the time without working it out anew.

What was worked out is remembered in the index, with the refs that it follows from. It is good
for every task that says the same of how it is to be done, as long as none of these refs moves.
Whatever else a situation has (a remote, a claim that may be dead, an agent that was found and
not named) is left to the slow way, which knows everything.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from gitagent import __version__
from gitagent.cli.reading import clear_index, index_of
from gitagent.cli.session import Session
from gitagent.core.task import Task
from gitagent.git.plain import head_branch
from gitagent.git.plain_refs import raw_ref, read_ref
from gitagent.store.index.reader import boot
from gitagent.store.index.rows import overrides

if TYPE_CHECKING:
    import argparse

    from gitagent.git.plain import Place
    from gitagent.runner.next import Foreman
    from gitagent.runner.order import Order
    from gitagent.store.index import Snapshot

_ORDER = "order"
_MOST = 64
"""Answers that are kept; each is for tasks that say the same, and most say nothing."""
_ORIGIN = "refs/remotes/origin/HEAD"


class _Known(NamedTuple):
    """The best ready task, and what is remembered; `clear` when no claim may be abandoned."""

    task: Task | None
    clear: bool
    orders: dict[str, tuple[str, str]]


class Wishes(NamedTuple):
    """What the command line says of how it is to be done."""

    agent: str | None = None
    model: str | None = None
    integrate: str | None = None
    command: str | None = None

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Wishes:
        """Return what the arguments of `next` say."""
        return cls(*(getattr(arguments, name) for name in cls._fields))


def known_next(session: Session, *, as_json: bool) -> int | None:
    """Say what `gitagent next` would do where that is known; return the exit code, else None."""
    return answer(session, Wishes(), as_json=as_json)


def answer(session: Session, wishes: Wishes, *, as_json: bool) -> int | None:
    """Say what `next` would do where that is known, and return the exit code; else None."""
    place = session.place
    index = clear_index(session) if place is not None and not place.shared else None
    if place is None or index is None:
        return None
    now = session.timestamp()
    known = index.ask(lambda found: _known(found, now))
    if known.task is None:
        return _say_nothing(session) if known.clear else None
    witness, value = known.orders.get(_key(place, wishes, known.task), ("", ""))
    if not known.clear or not witness or not _still_so(place, json.loads(witness)):
        return None
    return say(session, _with_task(known.task, json.loads(value)), as_json=as_json)


def work_out(session: Session, arguments: argparse.Namespace, foreman: Foreman) -> int:
    """Say what `next` would do, and remember it; return the exit code."""
    found = foreman.dry()
    if found is None:
        return _say_nothing(session)
    order, wishes = found[0], Wishes.of(arguments)
    if session.place is not None and _follows_from_refs(session, wishes, order):
        _remember(session, session.place, wishes, order)
    return say(session, order_json(order), as_json=arguments.json)


def say(session: Session, value: dict[str, Any], *, as_json: bool) -> int:
    """Say what would be done, as `order_json` gives it, and return the exit code."""
    if as_json:
        session.json_line(value)
        return 0
    session.data(value["task"])
    session.say(f"would do {value['task']}: {value['title']}")
    session.say(f"  agent {value['agent']}, from `{value['base']}`, to {value['integrate']}")
    for check in value["checks"]:
        session.say(f"  verified by `{check['run']}`")
    if not value["checks"]:
        session.say("  NOT VERIFIED by anything: no check is configured")
    return 0


def order_json(order: Order) -> dict[str, Any]:
    """Return an order as `--dry-run --json` has it."""
    said = {
        "base": order.base.branch,
        "commit": order.base.commit,
        "agent": order.agent.name,
        "model": order.model,
        "checks": [{"name": each.name, "run": each.run} for each in order.checks],
        "integrate": order.integrate.value,
    }
    return _with_task(order.task, said)


def nothing(session: Session) -> str:
    """Say why nothing is ready, with what to do about it."""
    now = session.timestamp()
    return index_of(session).ask(lambda found: _nothing(found, now))


def _nothing(found: Snapshot, now: str) -> str:
    if not found.counts():
        return "nothing is ready: there are no tasks; add one with `gitagent add TITLE`"
    first = found.first_open()
    if first is None:
        return "nothing is ready: no task is open; see `gitagent status`"
    reason = found.around([first], now).reason(first) or "it was claimed just now"
    return f"nothing is ready: {first.id} {reason}; see `gitagent why {first.id}`"


def _say_nothing(session: Session) -> int:
    session.say(nothing(session))
    return 0


def _with_task(task: Task, said: dict[str, Any]) -> dict[str, Any]:
    return {"task": task.id, "title": task.title, **said}


def _known(found: Snapshot, now: str) -> _Known:
    best = next(iter(found.ready(now, limit=1)), None)
    return _Known(best, not _may_be_abandoned(found), found.known(_ORDER))


def _may_be_abandoned(found: Snapshot) -> bool:
    """Say whether a claim might be taken over: then its task is ready too."""
    here = boot().partition(" ")[0]
    for task, value in found.claims().items():
        said = json.loads(value.said)
        if not value.landed and (
            found.seen(task, value.oid) >= said["lease_s"]
            or (said["boot"] == here and _is_dead(said))
        ):
            return True
    return False


def _is_dead(said: dict[str, Any]) -> bool:
    from gitagent import proc
    from gitagent.store.claimfile import parse_claim

    return proc.is_dead_here(parse_claim(said).process)


def _follows_from_refs(session: Session, wishes: Wishes, order: Order) -> bool:
    """Say whether the order would be another one only if a ref were: its agent was named."""
    if session.project.upstream.shared or session.project.repository.current_branch() is None:
        return False
    named = wishes.agent or order.task.agent or order.base.config.agent or wishes.command
    return order.agent.name == "command" and named is not None


def _remember(session: Session, place: Place, wishes: Wishes, order: Order) -> None:
    names = {*session.project.repository.base_names(), order.base.branch}
    refs = {
        f"refs/heads/{name}": read_ref(place.common_dir, f"refs/heads/{name}") for name in names
    }
    if refs[f"refs/heads/{order.base.branch}"] != order.base.commit:
        return  # it moved meanwhile
    witness = json.dumps([_heads(place), refs])
    said = order_json(order)
    value = json.dumps({key: said[key] for key in said if key not in ("task", "title")})
    index = index_of(session)
    kept = {k: v for k, v in index.ask(lambda f: f.known(_ORDER)).items() if v[0] == witness}
    newest = dict(list(kept.items())[-_MOST:])
    index.remember(_ORDER, {**newest, _key(place, wishes, order.task): (witness, value)})


def _still_so(place: Place, witness: list[Any]) -> bool:
    heads, refs = witness
    return bool(heads == _heads(place)) and all(
        read_ref(place.common_dir, ref) == oid for ref, oid in refs.items()
    )


def _heads(place: Place) -> list[str | None]:
    """Return what says which branch is the base, as long as the configuration names none."""
    return [head_branch(place.git_dir), raw_ref(place.common_dir, _ORIGIN)]


def _key(place: Place, wishes: Wishes, task: Task) -> str:
    return json.dumps([__version__, str(place.git_dir), *wishes, overrides(task)])
