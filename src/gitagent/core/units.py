"""Durations, counts and times as people write them in task files and the configuration."""

from __future__ import annotations

import re
from datetime import UTC, datetime

MAX_SECONDS = 7 * 24 * 3600
"""The longest duration: a week; far below what a wait in the operating system can hold."""

_DURATION = re.compile(r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6}(?:\.\d{1,9})?)s)?")
_COUNT = re.compile(r"(\d{1,12})(?:\.(\d{1,6}))?([kM]?)")
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.\d{1,12})?([Zz]|[+-]\d\d:\d\d)",
    re.ASCII,
)
_FACTORS = {"": 1, "k": 1_000, "M": 1_000_000}


def parse_duration(text: str) -> float:
    """Return the seconds of `45m`, `1h30m`, `90s` or `0.5s`; `ValueError` for anything else."""
    found = _DURATION.fullmatch(text) if text.isascii() else None
    if not text or found is None:
        raise ValueError(text)
    hours, minutes, seconds = found.groups(default="0")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def format_duration(seconds: float) -> str:
    """Return what `parse_duration` reads as `seconds`, such as `1h30m`."""
    from decimal import Decimal  # noqa: PLC0415  2 ms that most task files need not pay

    whole, hours = int(seconds // 60), int(seconds // 3600)
    rest = Decimal(repr(seconds)) - whole * 60
    parts = [(hours, "h"), (whole % 60, "m"), (rest.normalize(), "s")]
    return (
        "".join(
            f"{number:f}{unit}" if unit == "s" else f"{number}{unit}"
            for number, unit in parts
            if number
        )
        or "0s"
    )


def parse_count(text: str) -> int:
    """Return the number of `2M`, `500k`, `1.5M` or `1200`; `ValueError` for anything else."""
    found = _COUNT.fullmatch(text) if text.isascii() else None
    if found is None:
        raise ValueError(text)
    from decimal import Decimal  # noqa: PLC0415

    number = Decimal(f"{found[1]}.{found[2] or 0}") * _FACTORS[found[3]]
    if number != number.to_integral_value():
        raise ValueError(text)
    return int(number)


def format_count(number: int) -> str | int:
    """Return `2M` or `500k` for whole millions and thousands, else the number itself."""
    for unit in ("M", "k"):
        if number and number % _FACTORS[unit] == 0:
            return f"{number // _FACTORS[unit]}{unit}"
    return number


def parse_time(text: str) -> str:
    """Return an RFC 3339 time as `2026-11-21T04:00:00Z`: UTC, whole seconds.

    All times then have one form and compare as text. `ValueError` without a time zone, and
    for a day or an hour that does not exist.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(text)
    zone = "+00:00" if found[3] in "Zz" else found[3]
    try:
        moment = datetime.fromisoformat(f"{found[1]}T{found[2]}{zone}").astimezone(UTC)
    except OverflowError as error:
        raise ValueError(text) from error
    return f"{moment.replace(tzinfo=None).isoformat()}Z"
