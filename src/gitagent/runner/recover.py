"""What a dead run had done already: found before anything is done twice.

Under `integrate: commit` the base moves before the run lands. Killed between the two, its work
is on the base and only the record is missing: the commit's trailers say so (PROTOCOL 6.2).
"""

from __future__ import annotations

from gitagent.core.events import Claimed, Event, Integrated, Warned
from gitagent.core.task import Integrate
from gitagent.git import merge
from gitagent.runner import journal
from gitagent.runner.order import Order
from gitagent.runner.project import Project
from gitagent.store.claims import Held


def recovered(project: Project, order: Order, held: Held) -> list[Event]:
    """Return the history of the run that `held` goes on from, if its work is on the base.

    Empty when there is nothing to recover; then the work is done from the start.
    """
    if held.claim.continues is None or order.integrate is not Integrate.COMMIT:
        return []
    base, task = order.base, order.task.id
    made = merge.made_for(project.repository, base.commit, held.claim.base, task)
    if made is None:
        return []
    found = Warned(f"{made.run} had put this on `{base.branch}` before it died")
    return [*_history(project, made.run), found, Integrated(made.commit, base.branch, run=made.run)]


def _history(project: Project, run: str) -> list[Event]:
    """Return what this clone knows of a run: nothing, where it was another machine's."""
    path = project.run_folder(run) / "journal.jsonl"
    if not run or not path.is_file():
        return []
    history = [entry.event for entry in journal.read(path)]
    return [event for event in history if not isinstance(event, Claimed)]
