"""What an untrusted command prints: streamed to a log, and its two ends kept."""

from __future__ import annotations

from typing import BinaryIO

from gitagent.core.checks import Excerpt
from gitagent.text import PrintableStream, decode, printable

END_LIMIT = 64 * 1024
"""Bytes kept of each end of an output (SECURITY D23, V25)."""

LOG_LIMIT = 64 * 1024 * 1024
"""Bytes of an output that go to the log before only its tail is kept."""


class Recorder:
    """Takes an output as it comes, in bounded memory, and writes the cleaned text to `log`."""

    def __init__(self, log: BinaryIO) -> None:
        self._log = log
        self._text = PrintableStream()
        self._room = LOG_LIMIT
        self._logged = 0
        self._total = 0
        self._head = bytearray()
        self._tail = bytearray()

    def feed(self, data: bytes) -> None:
        """Take the next piece; raises OSError when the log cannot be written."""
        self._total += len(data)
        self._write_log(data)
        missing = END_LIMIT - len(self._head)
        self._head += data[:missing]
        self._tail += data[missing:] if missing else data
        del self._tail[:-END_LIMIT]

    def _write_log(self, data: bytes) -> None:
        if self._room <= 0:
            return
        piece = data[: self._room]
        text = self._text.feed(piece).encode()
        self._log.write(text)
        self._log.flush()  # somebody may be watching it
        self._logged += len(piece)
        # An undecodable byte takes three as U+FFFD, so the larger of both is counted.
        self._room -= max(len(piece), len(text))

    def finish(self) -> Excerpt:
        """End the log, with the tail if it was cut; return the ends of the output."""
        self._log.write(self._text.end().encode())
        beyond = self._total - self._logged
        if beyond:
            tail = bytes(self._tail[-beyond:])
            cut = f"\n[... {beyond - len(tail)} bytes cut here ...]\n"
            self._log.write((cut + _after_a_cut(tail)).encode())
        return self._excerpt()

    def _excerpt(self) -> Excerpt:
        omitted = self._total - len(self._head) - len(self._tail)
        if not omitted:
            return Excerpt(head=printable(decode(bytes(self._head + self._tail))))
        # A stream that is not ended says nothing of a character or escape that is cut through.
        head = PrintableStream().feed(bytes(self._head))
        return Excerpt(head=head, tail=_after_a_cut(bytes(self._tail)), omitted=omitted)


def _after_a_cut(data: bytes) -> str:
    """Decode without the rest of a UTF-8 character, at most three bytes, that was cut."""
    start = 0
    while start < min(3, len(data)) and data[start] & 0xC0 == 0x80:  # noqa: PLR2004
        start += 1
    return printable(decode(data[start:]))
