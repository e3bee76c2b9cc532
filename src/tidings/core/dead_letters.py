"""What becomes of an entry nobody can handle: an event on the dead-letter channel."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from tidings.core import cloudevents
from tidings.core.ids import event_key
from tidings.core.models import DEAD_LETTER, Event

#: the `source` of what the bus itself says
BUS_SOURCE = "tidings:bus"


def dead_letter(
    *, bus_channel: str, group: str, entry_id: str, reason: str, entry: Event | str, at: datetime
) -> Event:
    """The letter that shows an entry and why it was buried; the same burial has the same id.

    `entry` is the event, or the raw text of what could not be read as one.
    """
    whose = "" if isinstance(entry, str) else group  # unreadable for one is so for all
    return Event(
        id=event_key(BUS_SOURCE, f"{bus_channel}/{whose}/{entry_id}"),
        type=DEAD_LETTER,
        source=BUS_SOURCE,
        time=at,
        data={
            "bus_channel": bus_channel,
            "group": group,
            "entry_id": entry_id,
            "reason": _plain(reason),
            "entry": _plain(entry) if isinstance(entry, str) else _envelope(entry),
        },
    )


def _plain(text: str) -> str:
    """Null characters would make the letter itself unreadable."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")


def _envelope(event: Event) -> Mapping[str, Any] | str:
    """The envelope; its text where a letter can't hold it: nested too deeply, null characters."""
    try:
        raw = cloudevents.encode(event)
        if b"\\u0000" in raw:
            return raw.decode()
        orjson.dumps({"data": {"entry": orjson.loads(raw)}})
    except (TypeError, orjson.JSONDecodeError):
        return _plain(f"{event.source} {event.type} {event.id}: nested too deeply to be shown")
    envelope: Mapping[str, Any] = orjson.loads(raw)
    return envelope
