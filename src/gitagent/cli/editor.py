"""Letting a person edit a text in the editor that git would use."""

from __future__ import annotations

import tempfile
from pathlib import Path

from gitagent import proc
from gitagent.cli.session import Session
from gitagent.core.errors import UsageError


def edit_text(session: Session, text: str, name: str) -> str:
    """Return `text` as the person left it; raises `UsageError` when the editor failed."""
    folder = Path(tempfile.mkdtemp(prefix="gitagent-edit-"))
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    editor = _editor(session)
    code = proc.interactive(
        [*proc.shell(f'{editor} "$@"'), editor, str(path)],
        cwd=session.cwd,
        environment=session.environment,
    )
    if code != 0:
        message = f"the editor `{editor}` ended with exit status {code}; nothing was changed"
        raise UsageError(message, hint="set EDITOR, or `git config core.editor`")
    try:
        edited = path.read_bytes().decode()
    except FileNotFoundError as error:
        message = f"the editor `{editor}` left no file behind; nothing was changed"
        raise UsageError(message) from error
    except UnicodeDecodeError as error:
        message = f"the text in {path} is not UTF-8; nothing was changed"
        raise UsageError(message) from error
    path.unlink()
    folder.rmdir()
    return edited


def _editor(session: Session) -> str:
    named = {k: v for k, v in session.environment.items() if k == "GIT_EDITOR"}
    captured = session.project.repository.git.run("var", "GIT_EDITOR", variables=named)
    if captured.exit_code != 0:
        message = f"there is no editor: {captured.stderr.decode(errors='replace').strip()}"
        raise UsageError(message, hint="set EDITOR, or `git config core.editor`")
    return captured.stdout.decode(errors="surrogateescape").strip()


def keep(text: str, name: str) -> Path:
    """Keep a text that could not be used, and return where it is."""
    path = Path(tempfile.mkdtemp(prefix="gitagent-edit-")) / name
    path.write_text(text, encoding="utf-8", newline="")
    return path
