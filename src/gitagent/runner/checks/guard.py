"""The guard: rules on the diff itself, before any command runs.

What is out of the task's `allow` is the agent's to mend. What is protected, or larger than a
person can review, is held: it lands only when a person accepts it (SECURITY D19 and D20).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pathspec

from gitagent.core.checks import CheckKind, CheckResult, Finding, Severity, Verdict
from gitagent.git.changes import Change
from gitagent.runner.order import GUARD
from gitagent.text import printable

MAX_FILES = 100
MAX_DIFF_BYTES = 1 << 20
MAX_BINARY_BYTES = 512 << 10
MAX_SYMLINKS = 40
_SYMLINK = 0o120000


class Rules(NamedTuple):
    """What the guard holds to: globs of paths, as git writes them in .gitignore."""

    protect: tuple[str, ...]
    allow: tuple[str, ...]


def guard(
    changes: Sequence[Change], diff_bytes: int, rules: Rules, refused: Sequence[Finding]
) -> CheckResult:
    """Return the guard's verdict on a diff.

    `refused` is what the snapshot left out of the tree; `diff_bytes` the size of the patch.
    """
    failed = [*refused, *_outside(changes, rules.allow)]
    held = [*_protected(changes, rules.protect), *_too_large(changes, diff_bytes)]
    verdict = Verdict.FAILED if failed else Verdict.HELD if held else Verdict.PASSED
    return CheckResult(CheckKind.GUARD, GUARD, verdict, findings=(*failed, *held))


def _outside(changes: Sequence[Change], allow: Sequence[str]) -> Iterable[Finding]:
    if not allow:
        return
    globs = pathspec.GitIgnoreSpec.from_lines(allow)
    for change in changes:
        for path in _paths(change):
            if not globs.match_file(path):
                hint = "undo this change"
                yield _finding(path, f"is outside what this task allows: {', '.join(allow)}", hint)


def _protected(changes: Sequence[Change], protect: Sequence[str]) -> Iterable[Finding]:
    globs = pathspec.GitIgnoreSpec.from_lines(_folded(glob) for glob in protect)
    for change in changes:
        for path in _paths(change):
            if globs.match_file(_folded(path)):
                yield _finding(path, "is protected: it never lands by itself")


def _too_large(changes: Sequence[Change], diff_bytes: int) -> Iterable[Finding]:
    links = [each for each in changes if each.new_mode == _SYMLINK]
    if len(changes) > MAX_FILES:
        yield Finding(f"{len(changes)} files are changed, more than {MAX_FILES}")
    if diff_bytes > MAX_DIFF_BYTES:
        yield Finding(f"the diff has {diff_bytes} bytes, more than {MAX_DIFF_BYTES}")
    if len(links) > MAX_SYMLINKS:
        yield Finding(f"{len(links)} symbolic links are changed, more than {MAX_SYMLINKS}")
    for change in changes:
        if change.binary and change.size > MAX_BINARY_BYTES:
            text = f"is binary and has {change.size} bytes, more than {MAX_BINARY_BYTES}"
            yield _finding(change.path, text)


def _paths(change: Change) -> tuple[str, ...]:
    """Return both names of a renamed file: moving a protected file away is a change of it."""
    if change.old_path is None or change.old_path == change.path:
        return (change.path,)
    return (change.path, change.old_path)


def _folded(path: str) -> str:
    """Fold case and Unicode forms: some file systems take the variants for the same file."""
    return unicodedata.normalize("NFC", path).casefold()


def _finding(path: str, message: str, hint: str | None = None) -> Finding:
    return Finding(message, Severity.ERROR, printable(path), hint=hint)
