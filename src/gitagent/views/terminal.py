"""Text for a terminal: the cells it takes, and the style it is given."""

from __future__ import annotations

from enum import StrEnum

from gitagent.text import printable

TAB = 4
ELLIPSIS = "…"


class Style(StrEnum):
    """A style and the parameters of its SGR sequence (ECMA-48, 8.3.117)."""

    BOLD = "1"
    DIM = "2"
    RED = "31"
    GREEN = "32"
    YELLOW = "33"
    CYAN = "36"


def paint(text: str, style: Style | None, *, colour: bool) -> str:
    """Return `text` in `style`; unchanged without colour, without a style or when empty."""
    if not colour or style is None or not text:
        return text
    return f"\x1b[{style.value}m{text}\x1b[0m"


def cells(text: str) -> int:
    """Return how many columns of a terminal `text` takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 - 14 ms that ASCII need not pay

    return cell_len(text)


def crop(text: str, width: int) -> str:
    """Return `text` in at most `width` columns, with `…` at its end where it was cut."""
    if cells(text) <= width:
        return text
    kept = text[: max(width - 1, 0)]
    while kept and cells(kept) >= width:
        kept = kept[:-1]
    return kept.rstrip() + ELLIPSIS if width > 0 else ""


def kept_line(text: str, width: int) -> str:
    """Return `text` as one line that is safe to print, with the spaces its layout lives by."""
    return crop(printable(text).replace("\n", " ").expandtabs(TAB), width)


def pad(text: str, width: int) -> str:
    """Return `text` followed by as many spaces as `width` columns need."""
    return text + " " * (width - cells(text))


def indent(text: str, by: str) -> str:
    """Return `text` with `by` before each line that is not empty."""
    return "\n".join(by + line if line else line for line in text.split("\n"))
