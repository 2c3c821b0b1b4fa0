"""Text that came from somebody else, made fit for a log, a record, a screen or a model.

Everything here is pure and takes linear time, whatever the text: repeats in the patterns are
bounded or possessive, and runs of combining marks are cut before they are sorted.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator

# ECMA-48: control sequences; OSC, DCS, SOS, PM and APC strings; other escapes.
_CONTROL = r"[\x30-\x3f]{0,64}+[\x20-\x2f]{0,8}+"
_STRING = r"[^\x00-\x1f\x7f-\x9f]{0,4096}+"
_OTHER = r"[\x20-\x2f]{0,8}+"
_PLAIN = r"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x8f\x91-\x97\x99\x9a\x9c]"

_NOISE = re.compile(
    # It begins with one set of characters, which lets `re` skip clean text quickly. One pass is
    # enough: it takes every character that could start a sequence.
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f](?:"
    rf"(?<={_PLAIN}){_PLAIN}*+"
    rf"|(?:(?<=\x1b)\[|(?<=\x9b)){_CONTROL}[\x40-\x7e]"
    rf"|(?:(?<=\x1b)[\]PX^_]|(?<=[\x90\x98\x9d-\x9f])){_STRING}(?:\x07|\x1b\\|\x9c)"
    rf"|(?<=\x1b){_OTHER}[\x30-\x7e]"
    r")?"
)
_UNFINISHED = re.compile(
    rf"(?:(?:\x1b\[|\x9b){_CONTROL}"
    rf"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f]){_STRING}\x1b?"
    rf"|\x1b{_OTHER})\Z"
)
_LONGEST_ESCAPE = 4096 + 8
_RETURNS = re.compile(r"\r+\n?")
_SURROGATES = re.compile("[\ud800-\udfff]")

_INVISIBLE = re.compile(
    # Unicode's category Cf and its property Default_Ignorable_Code_Point (DerivedCoreProperties):
    # bidi controls, zero-width characters, variation selectors, tags, fillers; SECURITY D4.
    "[\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_MOST_MARKS = 30
"""Combining marks kept in a row: the limit of the Stream-Safe Text Format, UAX #15."""


def decode(data: bytes) -> str:
    """Return UTF-8 `data` as text, with U+FFFD for what is not UTF-8."""
    return data.decode("utf-8", "replace")


def printable(text: str) -> str:
    r"""Return `text` without terminal escapes and control characters other than `\n`, `\t`.

    `\r\n` and `\r` (which redraws a progress line) become `\n`; lone surrogates become
    U+FFFD, so that the result always encodes as UTF-8. Of an escape that never ends only the
    start is removed, so that it cannot hide what follows.
    """
    stripped = _NOISE.sub("", text)
    return _SURROGATES.sub("\ufffd", _RETURNS.sub("\n", stripped))


class PrintableStream:
    """`printable(decode(...))` of bytes that come in pieces; holds back at most some KiB.

    The pieces returned, joined, are what the two functions give for all the bytes at once.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._unfinished = ""
        self._returned = False

    def feed(self, data: bytes) -> str:
        """Return what can be said of the text so far."""
        text = self._unfinished + self._decoder.decode(data)
        window = max(0, len(text) - _LONGEST_ESCAPE)
        found = _UNFINISHED.search(text, window)
        cut = found.start() if found else len(text)
        self._unfinished = text[cut:]
        return self._lines(_NOISE.sub("", text[:cut]))

    def end(self) -> str:
        """Return what was held back."""
        rest = self._unfinished + self._decoder.decode(b"", final=True)
        text = self._lines(_NOISE.sub("", rest))
        return text + "\n" if self._returned else text

    def _lines(self, text: str) -> str:
        if not text:
            return ""
        joined = "\r" + text if self._returned else text
        self._returned = joined.endswith("\r")
        return _RETURNS.sub("\n", joined.rstrip("\r") if self._returned else joined)


def one_line(text: str, limit: int) -> str:
    """Return `text`, printable, as one line of at most `limit` characters (1 or more)."""
    line = " ".join(printable(text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def clean(text: str) -> str:
    """Return untrusted `text` as a model may see it: printable, visible, in NFC (SECURITY D4).

    Characters nobody sees are deleted, and combining marks after the 30th in a row. This
    makes hidden instructions harder; it is no boundary.
    """
    visible = _INVISIBLE.sub("", printable(text))
    if visible.isascii():
        return visible
    # Twice: NFC can make two marks of one, and sorts a long run in quadratic time.
    return _few_marks(unicodedata.normalize("NFC", _few_marks(visible)))


def _few_marks(text: str) -> str:
    return "".join(_marks_cut(text))


def _marks_cut(text: str) -> Iterator[str]:
    run = 0
    for character in text:
        # By category, since some marks (U+0F73) are made of others but of combining class 0.
        run = run + 1 if unicodedata.category(character).startswith("M") else 0
        if run <= _MOST_MARKS:
            yield character
