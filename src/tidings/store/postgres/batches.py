"""Batches on their way into a statement, and values on their way out of rows.

A statement takes its whole batch as arrays, one for each column, which `unnest` turns into rows.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import orjson

from tidings.core.models import Event


class Row(Protocol):
    """A row of an answer, its values by name."""

    def __getitem__(self, name: str, /) -> Any:
        """The value of that name."""
        ...


def columns(rows: Sequence[Sequence[object]], count: int) -> list[Sequence[object]]:
    """Rows of `count` values, as that many arrays."""
    return list(zip(*rows, strict=True)) if rows else [()] * count


def distinct(values: Iterable[str | None]) -> list[str]:
    """Each value once, none missing, in order."""
    return sorted({value for value in values if value is not None})


def json_text(value: object) -> str:
    """A value as the text of a JSON column."""
    return orjson.dumps(value).decode()


def to_event(row: Row) -> Event:
    """An event from the columns every statement calls by these names."""
    return Event(
        id=row["source_id"],
        type=row["type"],
        source=row["source"],
        time=row["time"],
        user_id=row["event_user_id"],
        data=orjson.loads(row["data"]),
    )
