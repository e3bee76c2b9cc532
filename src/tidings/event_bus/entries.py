"""Entries of a stream and the events in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tidings.core import cloudevents
from tidings.core.ports import Received

#: the field of an entry that holds the CloudEvents JSON
FIELD = "event"
_FIELD = FIELD.encode()
#: of a malformed entry, so much is shown
_SHOWN = 16_384

Fields = Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """An entry that holds no event, and why."""

    bus_channel: str
    entry_id: str
    raw: str
    reason: str


def read_entry(
    bus_channel: str, entry_id: bytes, fields: Fields, *, at: datetime, count: int = 1
) -> Received | Malformed:
    """The event in an entry; `at` stands for its time where it gives none."""
    raw = fields.get(_FIELD)
    if raw is None:
        return _malformed(bus_channel, entry_id, fields, f"the entry has no field {FIELD!r}")
    try:
        event = cloudevents.decode(raw, received_at=at)
    except Exception as error:  # whatever reading it does to us, the entry is what is wrong
        return _malformed(bus_channel, entry_id, fields, str(error) or type(error).__name__)
    return Received(
        bus_channel=bus_channel, entry_id=entry_id.decode(), event=event, delivery_count=count
    )


def pairs(flat: list[bytes]) -> Fields:
    """The fields of an entry as a script answers them."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _malformed(bus_channel: str, entry_id: bytes, fields: Fields, reason: str) -> Malformed:
    raw = fields.get(_FIELD)
    return Malformed(
        bus_channel=bus_channel,
        entry_id=entry_id.decode(),
        raw=_text(raw) if raw is not None else _text(_joined(fields)),
        reason=reason,
    )


def _joined(fields: Fields) -> bytes:
    return b" ".join(name + b"=" + value for name, value in fields.items())


def _text(raw: bytes) -> str:
    return raw[:_SHOWN].decode(errors="replace")
