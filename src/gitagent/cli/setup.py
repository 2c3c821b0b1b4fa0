"""`init`: the queue of a repository, and a configuration to begin with."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from gitagent.cli.session import Session
from gitagent.config import FILE
from gitagent.core.errors import Refused

if TYPE_CHECKING:
    from gitagent.runner.project import Project


def configure_init(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `init`."""
    parser.add_argument(
        "--command",
        metavar="CMD",
        help="the program of the agent `command`, to be written into the configuration",
    )

    parser.add_argument(
        "--share",
        metavar="REMOTE",
        help="let this remote hold the queue, too; without it nothing leaves the machine",
    )


def init_command(session: Session, arguments: argparse.Namespace) -> int:
    """Make the tasks branch and write, but not commit, a configuration; again is harmless."""
    from gitagent.store.layout import README, README_TEXT

    project = session.project
    _refuse_taken_name(project)
    base = project.repository.default_base()
    project.repository.base_commit(base)
    if arguments.share is not None:
        _share(session, arguments.share)
    created = project.branch.create(project.author, project.now(), {README: README_TEXT})
    session.say(
        "made the branch `gitagent/tasks`, which holds the queue"
        if created
        else "the branch `gitagent/tasks` is there already"
    )
    if arguments.share is not None:
        _publish(session, arguments.share)
    _write_config(session, project, base, arguments.command)
    session.say("")
    session.say("next, type:")
    session.say('  gitagent add "What is wanted" --verify "the command that proves it"')
    session.say("  gitagent next --command 'the program that does it'")
    return 0


def _share(session: Session, remote: str) -> None:
    """Let the remote hold the queue, and take over the one that it has."""
    from gitagent.runner.sharing import share

    share(session.project, remote)
    session.project.refresh()


def _publish(session: Session, remote: str) -> None:
    with session.interruptible() as interrupt:
        session.project.sync(interrupt.asked)
    session.say(f"`{remote}` holds the queue now; `next` and `run` work on it")


def _refuse_taken_name(project: Project) -> None:
    """Refuse while a branch `gitagent` is a file where git needs a folder."""
    if project.repository.branch_commit("gitagent") is not None:
        message = "there is a branch `gitagent`, so `gitagent/tasks` cannot be made"
        raise Refused(message, hint="rename it with `git branch -m gitagent another-name`")


def _write_config(session: Session, project: Project, base: str, command: str | None) -> None:
    from gitagent.config import default_yaml
    from gitagent.runner.next import detected

    path = _config_path(project)
    commit = project.repository.base_commit(base)
    if path is None:
        session.say(f"this repository has no checkout: add {FILE} to `{base}` yourself")
        return
    if path.exists() or path.is_symlink():
        session.say(f"{FILE} is there already and stays as it is")
        return
    checks = detected(project, commit)
    runs = [check.run for check in checks]
    text = default_yaml(base, runs, "command" if command else None, command)
    path.write_text(text, encoding="utf-8")
    session.say(f"wrote {path}; look at it, then commit it on `{base}`")
    for check in checks:
        session.say(f"  found a check: {check.run}")
    if not checks:
        session.say("  found no check: name at least one under `verify:`")


def _config_path(project: Project) -> Path | None:
    """Return where the file belongs: the top of the checkout that the person is in."""
    here = project.repository.here
    for checkout in project.repository.checkouts():
        if checkout.git_dir == here:
            return checkout.path / FILE
    return None
