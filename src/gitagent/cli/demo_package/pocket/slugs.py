"""Titles as parts of an address."""

import re
import string


def slug(title):
    """Return `title` in lower case, with one `-` for whatever is no letter and no digit."""
    return "-".join(re.findall(r"[a-z0-9]+", title.lower()))
