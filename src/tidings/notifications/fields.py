"""What the fields of an event may hold, whoever sends it: by HTTP, in Python or on the bus."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from tidings.core.errors import InvalidInput, PayloadTooLarge
from tidings.core.models import OWN_CHANNELS
from tidings.core.text import is_one_line

#: types and ids of events: 1 to 255 visible ASCII characters
VISIBLE = EVENT_TYPE = "^[!-~]{1,255}$"
#: names of bus channels
BUS_CHANNEL = "^[A-Za-z0-9_.:-]{1,100}$"

#: bytes of JSON the data of one event may have
DATA_LIMIT = 256 * 1024
#: characters a key in it may have
KEY_LIMIT = 255
#: how deep objects and lists may lie in each other
DEPTH_LIMIT = 32

_INT64 = range(-(2**63), 2**63)
_VISIBLE = re.compile(VISIBLE + r"\Z")
_BUS_CHANNEL = re.compile(BUS_CHANNEL + r"\Z")


_Place = tuple["_Place | None", object]
"""Where something stands: what it stands in, and its key or index there."""


def check_visible(value: str, field: str) -> None:
    """Raises InvalidInput unless it is 1 to 255 visible ASCII characters."""
    if not _VISIBLE.match(value):
        raise InvalidInput(
            f"{field} must be 1 to 255 visible ASCII characters without spaces", field=field
        )


def check_line(value: str, field: str) -> None:
    """Raises InvalidInput unless it is one line of 1 to 255 printable characters."""
    if not 1 <= len(value) <= 255 or not is_one_line(value):
        raise InvalidInput(
            f"{field} must be one line of 1 to 255 characters, none a control character",
            field=field,
        )


def check_text(value: str, field: str, *, limit: int) -> None:
    """Raises InvalidInput unless it is a text of 1 to `limit` characters that can be kept."""
    if not 1 <= len(value) <= limit:
        raise InvalidInput(f"{field} must have 1 to {limit} characters", field=field)
    if fault := _text_fault(value):
        raise InvalidInput(f"{field} {fault}", field=field)


def check_bus_channel(value: str) -> None:
    """Raises InvalidInput for what can't be, or must not be, published on."""
    if not _BUS_CHANNEL.match(value):
        raise InvalidInput("channel must be 1 to 100 of A-Z a-z 0-9 _ . : -", field="channel")
    if value in OWN_CHANNELS:
        raise InvalidInput(f"channel {value} is for Tidings' own news", field="channel")


def check_data(data: Mapping[str, Any]) -> None:
    """Raises InvalidInput, with the place, for data that can't be kept as it stands.

    Both databases must hand it back unchanged: no null characters, half surrogate pairs,
    integers beyond 64 bits, infinities, or anything JSON does not know.
    """
    if _is_too_large(data):
        raise PayloadTooLarge(f"data has more than {DATA_LIMIT} bytes", field="data")
    for place, value, depth in _walk(data):
        if fault := _fault(value, depth):
            name = _name(place)
            raise InvalidInput(f"{name} {fault}", field=name)


def _is_too_large(data: Mapping[str, Any]) -> bool:
    try:
        return len(orjson.dumps(data)) > DATA_LIMIT
    except TypeError:  # something JSON does not know, whose place is still to be found
        return False


def _walk(data: Mapping[str, Any]) -> Iterator[tuple[_Place, object, int]]:
    waiting: list[tuple[_Place, object, int]] = [((None, "data"), data, 1)]
    while waiting:
        place, value, depth = waiting.pop()
        yield place, value, depth
        if depth > DEPTH_LIMIT:
            return
        if isinstance(value, Mapping):
            waiting.extend(((place, key), item, depth + 1) for key, item in value.items())
        elif isinstance(value, list):
            waiting.extend(((place, index), item, depth + 1) for index, item in enumerate(value))


def _name(place: _Place) -> str:
    parts: list[str] = []
    at: _Place | None = place
    while at is not None:
        at, part = at
        parts.append(str(part))
    name = ".".join(reversed(parts))
    return name.encode(errors="replace").decode().replace("\0", "?")[:255]


def _fault(value: object, depth: int) -> str | None:
    match value:
        case str():
            return _text_fault(value)
        case None | bool():
            return None
        case int():
            return None if value in _INT64 else "is an integer beyond 64 bits"
        case float():
            return None if math.isfinite(value) else "is not a finite number"
        case dict():
            return _depth_fault(depth) or _keys_fault(value)
        case list():
            return _depth_fault(depth)
    return f"is a {type(value).__name__}, which JSON does not know"


def _depth_fault(depth: int) -> str | None:
    return None if depth <= DEPTH_LIMIT else f"lies more than {DEPTH_LIMIT} levels deep"


def _keys_fault(value: Mapping[object, object]) -> str | None:
    for key in value:
        if not isinstance(key, str):
            return "has a key that is not a text"
        if len(key) > KEY_LIMIT:
            return f"has a key of more than {KEY_LIMIT} characters"
        if fault := _text_fault(key):
            return f"has a key that {fault}"
    return None


def _text_fault(value: str) -> str | None:
    if "\0" in value:
        return "holds a null character"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "holds half a surrogate pair"
    return None
