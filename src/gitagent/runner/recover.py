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
    former = held.claim.continues
    if former is None or order.integrate is not Integrate.COMMIT:
        return []
    commit = merge.made_by(project.repository, order.base.commit, order.task.id, former)
    path = project.run_folder(former) / "journal.jsonl"
    if commit is None or not path.is_file():
        return []
    history = [entry.event for entry in journal.read(path)]
    found = Warned(f"{former} had put this on `{order.base.branch}` before it died")
    done = Integrated(commit, order.base.branch)
    return [*(event for event in history if not isinstance(event, Claimed)), found, done]
