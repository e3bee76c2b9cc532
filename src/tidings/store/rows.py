"""What rows have in common in both databases: their texts, their events, the order of lanes."""

from datetime import datetime
from typing import Any, Protocol

import orjson

from tidings.core.errors import InvalidInput
from tidings.core.models import Event, Lane

#: what is served first
LANES = (Lane.CRITICAL, Lane.NORMAL, Lane.BULK)


class Row(Protocol):
    """A row of an answer, its values by name."""

    def __getitem__(self, name: str, /) -> Any:
        """The value of that name."""
        ...


def json_text(value: object) -> str:
    """A value as the text of a JSON column; raises InvalidInput when there is no such text."""
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        # The error may quote the value, and its traceback would.
        raise InvalidInput("this can't be stored: it has no form in JSON") from None


def storable(text: str) -> str:
    """A text as both databases can keep it: no NUL, no half of a surrogate pair."""
    return text.encode(errors="replace").decode().replace("\x00", "")


def to_event(row: Row, time: datetime) -> Event:
    """An event from the columns every statement calls by these names."""
    return Event(
        id=row["source_id"],
        type=row["type"],
        source=row["source"],
        time=time,
        user_id=row["event_user_id"],
        data=orjson.loads(row["data"]),
    )
