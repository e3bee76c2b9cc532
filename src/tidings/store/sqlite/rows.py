"""Batches on their way into a statement, and values on their way out of rows.

A statement takes its whole batch as one JSON text, which `json_each` turns into rows.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from tidings.core.models import Event
from tidings.store.schema.types import from_microseconds

Row = sqlite3.Row


def batch(rows: Sequence[object]) -> str:
    """Rows as the JSON text a statement takes: lists by position, or plain values."""
    return orjson.dumps(rows).decode()


def json_text(value: object) -> str:
    """A value as the text of a JSON column."""
    return orjson.dumps(value).decode()


def fetch(
    connection: sqlite3.Connection, statement: str, values: Mapping[str, object]
) -> list[Row]:
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


def to_event(row: Row) -> Event:
    """An event from the columns every statement calls by these names."""
    return Event(
        id=row["source_id"],
        type=row["type"],
        source=row["source"],
        time=from_microseconds(row["time"]),
        user_id=row["event_user_id"],
        data=orjson.loads(row["data"]),
    )
