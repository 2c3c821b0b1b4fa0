"""`sync`: the queue of this clone and of the remote brought to the same state."""

from __future__ import annotations

import argparse

from gitagent.cli.options import add_json
from gitagent.cli.session import Session


def configure_sync(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sync`."""
    rewritten = parser.add_mutually_exclusive_group()
    rewritten.add_argument(
        "--restore",
        action="store_true",
        help="put back what somebody rewrote or deleted on the remote",
    )
    rewritten.add_argument(
        "--accept-rewritten",
        action="store_true",
        help="take over what somebody rewrote on the remote; what was here is kept under a ref",
    )
    add_json(parser)


def sync_command(session: Session, arguments: argparse.Namespace) -> int:
    """Fetch, merge, push, and record what has landed."""
    from gitagent.runner import sharing

    project = session.project
    if arguments.restore:
        sharing.restore(project)
    if arguments.accept_rewritten:
        kept = sharing.accept_rewritten(project)
        if kept is not None:
            session.say(f"the queue as it was here is kept as `{kept}`")
    with session.interruptible() as interrupt:
        done = sharing.sync(project, interrupt.asked)
    if arguments.json:
        session.json({"before": done.before, "commit": done.after, "pushed": done.pushed,
                      "folded": list(done.folded)})  # fmt: skip
        return 0
    for task in done.folded:
        session.say(f"recorded what has landed of {task}")
    changed = "pushed what only this clone had" if done.pushed else "nothing to push"
    heard = "" if done.before == done.after else "; heard of changes"
    session.say(f"the queue is the same here and on the remote ({changed}{heard})")
    return 0
