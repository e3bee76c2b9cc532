"""The CloudEvents 1.0 JSON envelope, as it stands in a bus entry's field `event`."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from tidings.core.errors import InvalidInput
from tidings.core.models import Event

_CONTROL = re.compile(r"[\x00-\x1f]")


def encode(event: Event) -> bytes:
    """An event as CloudEvents JSON; the user's id stands in `subject`."""
    envelope: dict[str, Any] = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "time": event.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": event.data,
    }
    if event.user_id is not None:
        envelope["subject"] = event.user_id
    return orjson.dumps(envelope)


def decode(raw: bytes | str, *, received_at: datetime) -> Event:
    """Read CloudEvents JSON; `time` defaults to `received_at`. Raises InvalidInput by field."""
    envelope = _object(raw)
    if envelope.get("specversion") != "1.0":
        raise InvalidInput('specversion must be "1.0"', field="specversion")
    return Event(
        id=_text(envelope, "id"),
        type=_text(envelope, "type"),
        source=_text(envelope, "source"),
        time=_time(envelope.get("time"), received_at),
        user_id=_text(envelope, "subject") if envelope.get("subject") is not None else None,
        data=_data(envelope.get("data")),
    )


def _object(raw: bytes | str) -> Mapping[str, Any]:
    try:
        envelope = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"the event is not JSON: {error}") from error
    if not isinstance(envelope, dict):
        raise InvalidInput("the event is not a JSON object")
    return envelope


def _text(envelope: Mapping[str, Any], name: str) -> str:
    value = envelope.get(name)
    if not isinstance(value, str) or not value or len(value) > 255:
        raise InvalidInput(f"{name} must be a text of 1 to 255 characters", field=name)
    if _CONTROL.search(value):
        raise InvalidInput(f"{name} must not hold control characters", field=name)
    return value


def _time(value: object, received_at: datetime) -> datetime:
    if value is None:
        return received_at
    try:
        moment = datetime.fromisoformat(str(value))
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidInput("time must be an RFC 3339 timestamp", field="time") from error


def _data(value: object) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidInput("data must be a JSON object", field="data")
    return value
