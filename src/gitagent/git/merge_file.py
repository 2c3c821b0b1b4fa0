"""Three texts into one, line by line, as `git merge-file` does it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from gitagent import proc
from gitagent.git.command import Git, failure

_SNIFFED = 8000  # git takes a file with a NUL in these first bytes for binary, and refuses it
_FAILED = 128  # the exit code is the number of conflicts, at most 127; 255 is an error
_LABELS = ("one side", "before", "other side")


@dataclass(frozen=True, slots=True)
class MergedText:
    """`text` has in every conflict what the first side has; `marked` has both, between marks.

    `marked` is None where nothing is in conflict.
    """

    text: bytes
    marked: bytes | None


def merge_file(git: Git, base: bytes, one: bytes, two: bytes) -> MergedText | None:
    """Merge what `one` and `two` made of `base`; None when a text is binary.

    Raises `ExternalError` when git fails.
    """
    if any(b"\0" in text[:_SNIFFED] for text in (base, one, two)):
        return None
    with tempfile.TemporaryDirectory(prefix="gitagent-merge-") as folder:
        paths = [str(Path(folder, name)) for name in ("one", "base", "two")]
        for path, text in zip(paths, (one, base, two), strict=True):
            Path(path).write_bytes(text)
        marked = _run(git, *_labelled(), *paths)
        if marked.exit_code == 0:
            return MergedText(marked.stdout, None)
        return MergedText(_run(git, "--ours", *paths).stdout, marked.stdout)


def _labelled() -> list[str]:
    return [word for label in _LABELS for word in ("-L", label)]


def _run(git: Git, *arguments: str) -> proc.Captured:
    # Two clones must write the same marks, whatever style their owners like to read.
    style = {"merge.conflictStyle": "merge"}
    captured = git.run("merge-file", "-p", *arguments, config=style)
    if captured.exit_code >= _FAILED:
        raise failure(("merge-file",), captured)
    return captured
