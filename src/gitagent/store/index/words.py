"""The text of all tasks, to be searched: made by the first search, kept up to date from then on.

So a rebuild of the index never pays for it. FTS5 with trigrams finds what may hold a word of
three characters or more without looking at the others; where SQLite has neither, and for shorter
words, every text is looked at.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable

from gitagent.store.index.rows import marks

_FTS5 = "fts5(text, tokenize = 'trigram', detail = 'none')"
_PLAIN = "create table words (text)"
_LENGTH = 3
_MOST = 64
"""Trigrams of a word that are looked up; FTS5 refuses an expression that is too deep."""


def exist(db: sqlite3.Connection) -> bool:
    """Say whether there has been a search."""
    return _made_by(db) is not None


def fill(db: sqlite3.Connection) -> None:
    """Let the text of every task be searched; needs a transaction."""
    if exist(db):
        return
    try:
        db.execute(f"create virtual table words using {_FTS5}")
    except sqlite3.OperationalError:  # no FTS5, or one from before SQLite 3.34
        db.execute(_PLAIN)
    _add(db, "")


def remove(db: sqlite3.Connection, ids: Iterable[str]) -> None:
    """Forget the text of tasks; this comes before they go."""
    if exist(db):
        these = "select number from task where id in (select value from json_each(?))"
        db.execute(f"delete from words where rowid in ({these})", (marks(ids),))  # noqa: S608


def add(db: sqlite3.Connection, ids: Iterable[str]) -> None:
    """Let the text of new tasks be searched."""
    if exist(db):
        _add(db, "where id in (select value from json_each(?))", marks(ids))


def holding(words: Iterable[str]) -> tuple[str, list[str]]:
    """Return the condition, and its values, on a row of `words` that holds each of `words`.

    These are as `casefold` has them.
    """
    each = list(words)
    return " and ".join(["instr(text, ?) > 0"] * len(each)), each


def match(db: sqlite3.Connection, words: Iterable[str]) -> str | None:
    """Return what FTS5 is to look for; None where it is of no use."""
    if _FTS5 not in (_made_by(db) or ""):
        return None
    grams = {
        word[at : at + _LENGTH].replace('"', '""')
        for word in words
        for at in range(min(len(word) - _LENGTH + 1, _MOST))
    }
    return " AND ".join(f'"{gram}"' for gram in sorted(grams)[:_MOST]) or None


def _add(db: sqlite3.Connection, where: str, *values: str) -> None:
    db.create_function("searched", 4, _of_row, deterministic=True)
    query = f"select number, searched(id, title, body, labels) from task {where}"  # noqa: S608
    db.execute(f"insert into words (rowid, text) {query}", values)


def _of_row(id: str, title: str, body: str, labels: str | None) -> str:  # noqa: A002
    named = " ".join(json.loads(labels)) if labels else ""
    text = f"{id}\n{title}\n{body}\n{named}".casefold()
    return text.replace("\0", "\n")  # where the tokenizer would stop; no argument can hold it


def _made_by(db: sqlite3.Connection) -> str | None:
    row = db.execute("select sql from sqlite_master where name = 'words'").fetchone()
    return None if row is None else row[0]
