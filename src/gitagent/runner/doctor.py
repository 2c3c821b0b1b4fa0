"""What is missing or wrong in a repository and its surroundings, and the mend of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from gitagent import proc
from gitagent.config import FILE
from gitagent.core.errors import GitagentError
from gitagent.git import worktree
from gitagent.git.command import check_version
from gitagent.git.commits import signing_config
from gitagent.git.remote_folder import foreign_locks
from gitagent.runner.doctor_remote import examine_remote, mend_remote
from gitagent.runner.project import Project
from gitagent.runner.row import Row
from gitagent.runner.select import dead_claims
from gitagent.store.claims import Held

_PACKED = "packed-refs.lock"

_Look = Callable[[Project], Iterator[Row]]


def examine(project: Project) -> list[Row]:
    """Look at everything; an error in one look is a row, and does not stop the others."""
    rows: list[Row] = []
    for look in (_git, _person, _base, _queue, _locks, _claims, _slots, examine_remote):
        try:
            rows += look(project)
        except GitagentError as error:
            rows.append(Row(ok=False, what=str(error), mend=error.hint))
    return rows


def mend(project: Project) -> Iterator[str]:
    """Mend what is gitagent's own, and yield what was done; nothing foreign is touched."""
    for lock in project.repository.refs.heal():
        yield f"removed the lock that a dead process left: {lock}"
    for lock in foreign_locks(project.repository.common_dir):
        if lock.name == _PACKED:  # our own `git fetch --prune` takes it, too
            lock.unlink(missing_ok=True)
            yield f"removed the lock that a dead git process left: {lock}"
    yield from mend_remote(project)
    for record in project.fold():
        yield f"folded {record['run']} of {record['task']}"
    for path in _orphans(project):
        worktree.remove(project.repository, path)
        yield f"removed the worktree that nothing uses: {path}"
    for held in _of_an_earlier_boot(project):
        project.claims.release(held)
        yield f"gave back {held.claim.task}, claimed before this machine was started again"


def _git(project: Project) -> Iterator[Row]:
    yield Row(ok=True, what=check_version(project.environment))


def _person(project: Project) -> Iterator[Row]:
    yield Row(ok=True, what=f"commits are by {project.author}")
    if signing_config(project.repository) is not None:
        project.try_signature()
        yield Row(ok=True, what="commits are signed")


def _base(project: Project) -> Iterator[Row]:
    base = project.base()
    yield Row(ok=True, what=f"work starts from `{base.branch}` at {base.commit[:12]}")
    if base.config.exists:
        yield Row(ok=True, what=f"{FILE} is committed on `{base.branch}`")
        if not base.config.verify:
            mend = f"name a command under `verify:` in {FILE}"
            yield Row(ok=False, what="nothing is verified: `verify` is empty", mend=mend)
    else:
        mend = f"run `gitagent init`, then commit {FILE} on `{base.branch}`"
        yield Row(ok=False, what=f"{FILE} is not committed on `{base.branch}`", mend=mend)


def _queue(project: Project) -> Iterator[Row]:
    queue = project.queue()
    if queue.commit is None:
        yield Row(ok=False, what="there is no queue yet", mend="run `gitagent init`")
        return
    yield Row(ok=True, what=f"the queue holds {len(queue.graph.tasks)} tasks")
    if queue.broken:
        what = f"{len(queue.broken)} task files are broken"
        yield Row(ok=False, what=what, mend="see `gitagent lint`")
    checkout = project.repository.checkout_of("gitagent/tasks")
    if checkout is not None:
        what = f"`gitagent/tasks` is checked out in `{checkout.path}`, so it cannot be written"
        yield Row(ok=False, what=what, mend=f"run `git -C {checkout.path} switch -`")
    if queue.landed:
        what = f"{len(queue.landed)} runs have landed and are not folded yet"
        yield Row(ok=False, what=what, mend="run `gitagent doctor --fix`")


def _locks(project: Project) -> Iterator[Row]:
    for lock in project.repository.refs.stale_locks():
        what = f"a dead process left the lock {lock}"
        yield Row(ok=False, what=what, mend="run `gitagent doctor --fix`")
    for lock in foreign_locks(project.repository.common_dir):
        fix = "run `gitagent doctor --fix`" if lock.name == _PACKED else f"remove {lock} yourself"
        what = f"no git process runs here, and one left the lock {lock}"
        yield Row(ok=False, what=what, mend=fix)


def _claims(project: Project) -> Iterator[Row]:
    for task, held in dead_claims(project.queue()).items():
        what = f"{task} is claimed by process {held.claim.process.pid}, which is dead"
        yield Row(ok=False, what=what, mend="`gitagent next` takes it over")

    for held in _of_an_earlier_boot(project):
        what = f"{held.claim.task} was claimed before this machine was started again"
        yield Row(ok=False, what=what, mend="run `gitagent doctor --fix`")


def _of_an_earlier_boot(project: Project) -> list[Held]:
    """Return claims of this host's name and another boot.

    That two machines have one name cannot be ruled out, so only a person gives these back;
    a holder that is alive after all then lands nothing (DESIGN section 5).
    """
    here = proc.this_process()
    return [
        held
        for held in project.queue().held.values()
        if held.claim.process.host == here.host and held.claim.process.boot != here.boot
    ]


def _slots(project: Project) -> Iterator[Row]:
    orphans = _orphans(project)
    if orphans:
        what = f"{len(orphans)} worktrees of runs that are over are left in {project.slots()}"
        yield Row(ok=False, what=what, mend="run `gitagent doctor --fix`")


def _orphans(project: Project) -> list[Path]:
    """Return the checkouts of checks whose run is over; an agent's holds work and stays."""
    live = {held.claim.run for held in project.queue().held.values()}
    slots = [slot for slot in sorted(project.slots().glob("*")) if slot.name not in live]
    return [slot / "check" for slot in slots if (slot / "check").is_dir()]
