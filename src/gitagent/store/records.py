"""Records of runs: folded ones from the branch, landed ones from their claims."""

from __future__ import annotations

import json

from gitagent.core.record import RecordJson
from gitagent.store import layout
from gitagent.store.branch import View
from gitagent.store.queue import Queue


def records(view: View, queue: Queue, task: str) -> tuple[RecordJson, ...]:
    """Return the records of a task's runs, oldest first; ULIDs sort by time."""
    found: dict[str, RecordJson] = {}
    for path, data in view.files(layout.runs_folder(task)):
        if path.endswith(".json"):  # a merge may keep others beside
            record: RecordJson = json.loads(data)
            found[record["run"]] = record
    landed = queue.landed.get(task)
    if landed is not None:
        found[landed.record["run"]] = landed.record
    return tuple(found[run] for run in sorted(found))
