from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.core.cloudevents import decode, encode
from tidings.core.errors import InvalidInput
from tidings.core.models import Event

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ENVELOPE: dict[str, Any] = {"specversion": "1.0", "id": "1", "source": "shop", "type": "SHIPPED"}

words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
data = st.dictionaries(words, st.none() | st.booleans() | st.integers(-(2**53), 2**53) | words)
events = st.builds(
    Event,
    id=words,
    type=words,
    source=words,
    user_id=st.none() | words,
    data=data,
    time=st.datetimes(timezones=st.just(UTC)),
)


@given(events)
def test_what_is_encoded_is_read_back_the_same(event: Event) -> None:
    assert decode(encode(event), received_at=NOW) == event


def test_an_event_without_a_time_happened_when_it_was_received() -> None:
    assert decode(orjson.dumps(ENVELOPE), received_at=NOW).time == NOW


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"id": ""}, "id"),
        ({"id": 7}, "id"),
        ({"source": None}, "source"),
        ({"type": "a\nb"}, "type"),
        ({"type": "x" * 256}, "type"),
        ({"subject": 1}, "subject"),
        ({"time": "yesterday"}, "time"),
        ({"data": [1]}, "data"),
        ({"time": "0001-01-01T00:00:00+14:00"}, "time"),
    ],
)
def test_a_malformed_event_is_refused_by_its_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        decode(orjson.dumps(ENVELOPE | change), received_at=NOW)

    assert refusal.value.field == field


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff\xfe", b'{"a": NaN}'])
def test_what_is_not_a_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidInput):
        decode(raw, received_at=NOW)
