"""Which names and link targets may go from a worktree into a tree, and from a tree to a disk.

A tree is checked out on other systems than the one it was made on. What is refused here is
dangerous or impossible on one of them: SECURITY D10, D20 and V22. Pure functions over bytes.
"""

from __future__ import annotations

import re
import unicodedata

MAX_PATH = 240
"""Bytes of a path, so that it fits under a folder into Windows' 260 (SECURITY D20)."""

_RESERVED = re.compile(
    # Microsoft, "Naming Files, Paths, and Namespaces"; an extension does not help.
    r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3]) *(?:[.:].*)?",
    re.DOTALL | re.IGNORECASE,
)
_SHORT_DOT_GIT = re.compile(r"git~[0-9]+")
_DRIVE = re.compile(rb"[A-Za-z]:")


def is_dot_git(name: bytes) -> bool:
    r"""Say whether some file system takes `name` for `.git`, or for a path below it.

    HFS+ ignores invisible characters and case; NTFS ignores case, dots and spaces at the
    end, a stream after `:`, and has `git~1` as the short name; both slashes separate there.
    """
    return any(_is_dot_git(part) for part in _visible(name).casefold().split("\\"))


def is_read_by_git(name: bytes) -> bool:
    """Say whether git reads the file `name` of itself, so that it must not be a link."""
    return _visible(name).casefold().rstrip(". ") == ".gitmodules"


def unportable(path: bytes) -> str | None:
    """Return what is wrong with a new path's last name or its length, or None."""
    name = path[path.rfind(b"/") + 1 :]
    text = _visible(name)
    if name.endswith((b".", b" ")):
        return "has a name that ends with a dot or a space"
    if b"\\" in name:
        return "has a backslash in its name"
    if _RESERVED.fullmatch(text):
        return "has a name that is reserved on Windows"
    if len(path) > MAX_PATH:
        return f"has a path of {len(path)} bytes, more than {MAX_PATH}"
    return None


def collision_key(name: bytes) -> str:
    """Return the same text for names that a case-folding or normalising disk confuses."""
    folded = unicodedata.normalize("NFC", _visible(name)).casefold()
    return unicodedata.normalize("NFC", folded)


def unsafe_target(path: bytes, target: bytes) -> str | None:
    """Return why a symbolic link at `path` may not point to `target`, or None.

    `..` is counted only at the start of the target: after a name, which may itself be a link,
    it says nothing of where it leads.
    """
    if target.startswith((b"/", b"\\")) or _DRIVE.match(target):
        return "is a symbolic link with an absolute target"
    parts = [part for part in target.split(b"/") if part not in {b"", b"."}]
    ups = next((at for at, part in enumerate(parts) if part != b".."), len(parts))
    if ups > path.count(b"/"):
        return "is a symbolic link that leaves the repository"
    if b".." in parts[ups:]:
        return "is a symbolic link with `..` after a name in its target"
    if any(is_dot_git(part) for part in parts):
        return "is a symbolic link into a git directory"
    return None


def shown(path: bytes) -> str:
    """Return `path` as text that can be printed, with escapes for what cannot."""
    text = path.decode("utf-8", "backslashreplace")
    return "".join(_escaped(char) for char in text)


def _escaped(char: str) -> str:
    return char if char.isprintable() else char.encode("unicode_escape").decode("ascii")


def _is_dot_git(text: str) -> bool:
    name = text.split(":", 1)[0].rstrip(". ")
    return name == ".git" or _SHORT_DOT_GIT.fullmatch(name) is not None


def _visible(name: bytes) -> str:
    """Return the name without format characters (category Cf), which HFS+ ignores."""
    text = name.decode("utf-8", "surrogateescape")
    if text.isascii():
        return text
    return "".join(char for char in text if unicodedata.category(char) != "Cf")
