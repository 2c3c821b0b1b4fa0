"""Writing the subset: a value on one line, so that it reads back the same."""

from __future__ import annotations

import re
from decimal import Decimal

from gitagent.core.errors import BadInput
from gitagent.yaml_subset.words import DECIMAL, SURROGATE, WORDS, Value, escape

# Narrower than what YAML allows unquoted, so that no reader of YAML sees anything but text.
_PLAIN = re.compile(r"[\w/.(+$](?:[^:#]|:(?=\S)|(?<=\S)#)*")
_PLAIN_IN_FLOW = re.compile(r"[\w/.(+$][^:#,?\[\]{}]*")
# What YAML 1.1, which other tools read, takes for something else than text.
_OTHER_WORDS = re.compile(
    r"(?:null|true|false|yes|no|on|off|y|n|[-+.]?[\d.][\d.:_eE+-]*)", re.IGNORECASE
)


def dump_value(value: Value) -> str:
    """Return `value` as one line of YAML, to stand after a top-level key and its colon.

    Lists and mappings are written in flow style. Raises `BadInput` for text that UTF-8
    cannot hold, and `ValueError` for a number that the subset has no form for.
    """
    if isinstance(value, str):
        return _text(value, _PLAIN)
    return _flow(value)


def _flow(value: Value) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case float():
            return _decimal(value)
        case str():
            return _text(value, _PLAIN_IN_FLOW)
        case list():
            return f"[{', '.join(map(_flow, value))}]"
        case _:
            entries = (f"{dump_key(key)}: {_flow(item)}" for key, item in value.items())
            return f"{{{', '.join(entries)}}}"


def dump_key(key: str) -> str:
    """Return a key, quoted where it has to be."""
    return _text(key, _PLAIN_IN_FLOW)


def _decimal(number: float) -> str:
    digits = f"{Decimal(repr(number)):f}"
    text = digits if "." in digits else f"{digits}.0"
    if DECIMAL.fullmatch(text) is None:
        raise ValueError(text)
    return text


def _text(text: str, plain: re.Pattern[str]) -> str:
    if SURROGATE.search(text):
        message = "the text holds bytes that are not UTF-8"
        raise BadInput(message, hint="write the text in UTF-8")
    if text.isprintable() and text[-1:] != " " and plain.fullmatch(text) and not _is_word(text):
        return text
    return f'"{escape(text)}"'


def _is_word(text: str) -> bool:
    return _OTHER_WORDS.fullmatch(text) is not None or text in WORDS
