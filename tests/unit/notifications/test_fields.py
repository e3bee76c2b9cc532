import json
import math
import tracemalloc
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.core.errors import InvalidInput, PayloadTooLarge
from tidings.notifications.fields import (
    DEPTH_LIMIT,
    check_bus_channel,
    check_data,
    check_line,
    check_visible,
)

TEXTS = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=20)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def nested(levels: int) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for _ in range(levels - 1):
        data = {"a": data}
    return data


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_what_is_taken_comes_back_unchanged(data: dict[str, Any]) -> None:
    check_data(data)

    assert orjson.loads(orjson.dumps(data)) == json.loads(json.dumps(data)) == data


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"a": "x\0y"}, "data.a"),
        ({"a": [1, {"b": "\0"}]}, "data.a.1.b"),
        ({"a\0": 1}, "data"),
        ({"a": {7: 1}}, "data.a"),
        ({"a": "\ud800"}, "data.a"),
        ({"\ud800": "a"}, "data"),
        ({"a": 2**63}, "data.a"),
        ({"a": -(2**63) - 1}, "data.a"),
        ({"a": math.nan}, "data.a"),
        ({"a": [math.inf]}, "data.a.0"),
        ({"a": b"bytes"}, "data.a"),
        ({"a": (1, 2)}, "data.a"),
        (nested(DEPTH_LIMIT + 1), "data" + ".a" * DEPTH_LIMIT),
    ],
)
def test_what_a_database_could_not_hand_back_is_refused_with_its_place(
    data: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_data(data)

    assert refused.value.field == field


def test_data_may_lie_as_deep_as_the_limit() -> None:
    check_data(nested(DEPTH_LIMIT))


def test_too_much_data_is_refused() -> None:
    with pytest.raises(PayloadTooLarge):
        check_data({"a": "x" * 262_144})


def test_a_key_without_end_is_refused_before_it_is_multiplied() -> None:
    tracemalloc.start()
    with pytest.raises(InvalidInput, match="a key of more than 255 characters"):
        check_data({"k" * 50_000: [0] * 60_000})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 20_000_000


@pytest.mark.parametrize("value", ["", " ", "a b", "a\n", "\n", "é", "x" * 256, "a\0"])
def test_an_id_is_visible_ascii(value: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_visible(value, "id")

    assert refused.value.field == "id"


@pytest.mark.parametrize("value", ["", "a\nb", "a\r", "\0", "x" * 256, "a\u2028b", "\ud800"])
def test_a_user_id_is_one_line(value: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_line(value, "user_id")

    assert refused.value.field == "user_id"


@pytest.mark.parametrize(
    "value", ["", "a b", "x" * 101, "DELIVERY_CHANNEL", "BELL_CHANNEL", "DEAD_LETTER_CHANNEL"]
)
def test_a_bus_channel_is_a_plain_name_and_not_one_of_our_own(value: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_bus_channel(value)

    assert refused.value.field == "channel"
