"""Batches on their way into a statement, and values on their way out of rows.

A statement takes its whole batch as one JSON text, which `json_each` turns into rows.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from tidings.core.errors import InvalidInput
from tidings.core.models import Event
from tidings.store.rows import to_event
from tidings.store.schema.types import from_microseconds, to_microseconds


def batch(rows: Sequence[object]) -> str:
    """Rows as the JSON text a statement takes: lists by position, or plain values.

    Raises InvalidInput for what is no JSON value; times become microseconds.
    """
    try:
        return orjson.dumps(rows, _plain, orjson.OPT_PASSTHROUGH_DATETIME).decode()
    except orjson.JSONEncodeError:
        # The error may quote the value, and its traceback would.
        raise InvalidInput("SQLite can't store this: it has no form in JSON") from None


def fetch(
    connection: sqlite3.Connection, statement: str, values: Mapping[str, object]
) -> list[sqlite3.Row]:
    """The rows of a statement, by name."""
    cursor = connection.execute(statement, values)
    cursor.row_factory = sqlite3.Row
    return cursor.fetchall()


def fetch_ids(
    connection: sqlite3.Connection, statement: str, values: Mapping[str, object]
) -> set[Any]:
    """The first column of a statement's rows."""
    return {row[0] for row in connection.execute(statement, values)}


def ids(values: Iterable[str | None]) -> str:
    """Ids as a batch: each once, none missing, in order."""
    return batch(sorted({value for value in values if value is not None}))


def event_of(row: sqlite3.Row) -> Event:
    """An event from the columns every statement calls by these names."""
    return to_event(row, from_microseconds(row["time"]))


def _plain(value: object) -> int:
    if isinstance(value, datetime):
        return to_microseconds(value)
    raise TypeError(type(value).__name__)
