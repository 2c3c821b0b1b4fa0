r"""The path patterns of `.gitignore` and `.gitattributes`, byte for byte as git reads them.

This is git's `parse_path_pattern` (dir.c) and `wildmatch` (wildmatch.c) as a translation into
a regular expression. pathspec was tried and judges otherwise than git: a pattern also matches
what is below its match, `foo/**` also matches `foo/`, `[[:alpha:]]` and `[\]]` are not known,
tabs and (in bytes) 0x85 and 0xA0 are stripped from the end, `[z-a]` raises.

The patterns come from an agent, so no pattern may take long: a `*` and a `**` take the first
place that fits and never try another (an atomic group) unless they are the last of their
kind, which is right for globs and makes the time polynomial of low degree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_CLASSES = {
    b"alnum": rb"[0-9A-Za-z]",
    b"alpha": rb"[A-Za-z]",
    b"blank": rb"[ \t]",
    b"cntrl": rb"[\x00-\x1f\x7f]",
    b"digit": rb"[0-9]",
    b"graph": rb"[!-~]",
    b"lower": rb"[a-z]",
    b"print": rb"[ -~]",
    b"punct": rb"[!-/:-@\[-`{-~]",
    b"space": rb"[ \t-\r]",
    b"upper": rb"[A-Z]",
    b"xdigit": rb"[0-9A-Fa-f]",
}
_MEMBERS = {
    name: frozenset(code for code in range(256) if re.fullmatch(regex, bytes([code])))
    for name, regex in _CLASSES.items()
}
_NEVER = re.compile(rb"(?!)")
_WILD = re.compile(rb"[*?\[\\]")
_STAR = b"*"
_FOLDERS = b"**/"
_REST = b"**"
_ATOM = re.compile(rb"(?P<stars>\*+)|(?P<set>\[)|\\(?P<escaped>.)|(?P<byte>[^\\])", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PathPattern:
    """One pattern: what it must match, and how. `whole` is for a pattern with a `/` in it.

    `exact` is the one path that it matches, where it has no wildcard.
    """

    exact: bytes
    regex: re.Pattern[bytes] | None
    negative: bool
    folders_only: bool
    whole: bool

    def matches(self, path: bytes, *, is_folder: bool) -> bool:
        """Say whether the pattern matches `path`, relative to the pattern's own folder."""
        if self.folders_only and not is_folder:
            return False
        subject = path if self.whole else path[path.rfind(b"/") + 1 :]
        if self.regex is None:
            return subject == self.exact
        return self.regex.fullmatch(subject) is not None


def parse(pattern: bytes) -> PathPattern:
    """Return the pattern that one line holds; a malformed one matches nothing, as in git."""
    negative = pattern.startswith(b"!")
    text = pattern.removeprefix(b"!")
    folders_only = text.endswith(b"/")
    text = text[:-1] if folders_only else text
    whole = b"/" in text
    anchored = text.removeprefix(b"/")
    regex = _compiled(anchored, whole=whole) if _WILD.search(anchored) else None
    return PathPattern(anchored, regex, negative, folders_only, whole)


def _compiled(text: bytes, *, whole: bool) -> re.Pattern[bytes]:
    try:
        atoms = _atoms(text, whole=whole)
    except ValueError:
        return _NEVER
    return re.compile(_regex(atoms), re.DOTALL)


def _atoms(text: bytes, *, whole: bool) -> list[bytes]:
    """Split into `*`, `**/`, `**` and regular expressions for one byte each."""
    atoms: list[bytes] = []
    at = 0
    literal_so_far = True
    while at < len(text):
        found = _ATOM.match(text, at)
        if found is None:
            message = "a backslash at the end"
            raise ValueError(message)
        if found["stars"]:
            # git cuts off the literal start first, so `**` after it counts as at the start.
            starts = literal_so_far or text[at - 1 : at] == b"/"
            atom, at = _stars(text, found.end(), starts=whole and starts, several=found["stars"])
        elif found["set"]:
            atom, at = _set(text, found.end())
        else:
            atom, at = _one(found), found.end()
        literal_so_far = literal_so_far and found["byte"] is not None and found["byte"] != b"?"
        atoms.append(atom)
    return atoms


def _one(found: re.Match[bytes]) -> bytes:
    if found["byte"] == b"?":
        return b"[^/]"
    return re.escape(found["byte"] or found["escaped"])


def _stars(text: bytes, end: int, *, starts: bool, several: bytes) -> tuple[bytes, int]:
    """Return what a run of stars means and where the text goes on."""
    if starts and len(several) > 1:
        if end == len(text):
            return _REST, end
        if text[end : end + 1] == b"/":
            return _FOLDERS, end + 1
    return _STAR, end


def _set(text: bytes, at: int) -> tuple[bytes, int]:
    """Return the bytes that `[...]` matches, from after its `[`; `ValueError` if it is open."""
    negated = text[at : at + 1] in {b"!", b"^"}
    at += negated
    members: set[int] = set()
    previous: int | None = None
    first = True
    while first or text[at : at + 1] != b"]":
        first = False
        named = re.compile(rb"\[:([^\]]*):\]").match(text, at)
        if named:
            members |= _named(named[1])
            previous, at = None, named.end()
        elif previous is not None and re.compile(rb"-[^\]]", re.DOTALL).match(text, at):
            last, at = _member(text, at + 1)
            members.update(range(previous, last + 1))
            previous = None
        else:
            previous, at = _member(text, at)
            members.add(previous)
    wanted = (set(range(256)) - members if negated else members) - {ord("/")}
    return _one_of(wanted), at + 1


def _named(name: bytes) -> frozenset[int]:
    if name not in _MEMBERS:
        message = "an unknown character class"
        raise ValueError(message)
    return _MEMBERS[name]


def _member(text: bytes, at: int) -> tuple[int, int]:
    at += text[at : at + 1] == b"\\"
    if at >= len(text):
        message = "a set without an end"
        raise ValueError(message)
    return text[at], at + 1


def _one_of(codes: set[int]) -> bytes:
    if not codes:
        return b"(?!)"
    return b"[" + b"".join(rb"\x%02x" % code for code in sorted(codes)) + b"]"


def _regex(atoms: list[bytes]) -> bytes:
    """Join the atoms; between two `**/` the first place that fits is the right one."""
    rest = b".*" if atoms[-1] == _REST else b""
    first, *later = _split(atoms[:-1] if rest else atoms, _FOLDERS)
    out = _components(first)
    for number, part in enumerate(later, 1):
        last = number == len(later) and not rest
        found = rb"(?:[^/]*/)*?" + _components(part)
        out += found if last else b"(?>" + found + b")"
    return out + rest


def _components(atoms: list[bytes]) -> bytes:
    slash = re.escape(b"/")
    return slash.join(_component(part) for part in _split(atoms, slash))


def _component(atoms: list[bytes]) -> bytes:
    first, *later = (b"".join(part) for part in _split(atoms, _STAR))
    for number, part in enumerate(later, 1):
        last = number == len(later)
        first += b"[^/]*" + part if last else b"(?>[^/]*?" + part + b")"
    return first


def _split(atoms: list[bytes], at: bytes) -> list[list[bytes]]:
    parts: list[list[bytes]] = [[]]
    for atom in atoms:
        if atom == at:
            parts.append([])
        else:
            parts[-1].append(atom)
    return parts
