"""The context: plain values and nothing else."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import pytest

from tidings.core.errors import TemplateError
from tidings.templates.context import DEPTH_LIMIT, plain


class SafeLooking(str):
    def __html__(self) -> str:
        return "<script>"


class Colour(StrEnum):
    RED = "red"


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


def test_json_values_are_taken_as_they_are() -> None:
    data = {"bool": True, "int": 10**30, "float": 1.5, "list": [1, {"a": "b"}]}

    assert plain({"data": data}) == {"data": data}


@pytest.mark.parametrize("text", [SafeLooking("<b>"), Colour.RED])
def test_a_kind_of_string_becomes_a_string(text: str) -> None:
    taken = plain({"data": {"text": text}})["data"]["text"]

    assert (type(taken), taken) == (str, str.__str__(text))


@pytest.mark.parametrize("value", [object(), datetime.now(UTC), b"bytes", {1, 2}, len, SafeLooking])
def test_any_other_value_is_refused_by_name(value: object) -> None:
    with pytest.raises(TemplateError, match=r"^data\.items\.0\.price: a template can't use"):
        plain({"data": {"items": [{"price": value}]}})


def test_keys_are_strings() -> None:
    with pytest.raises(TemplateError, match=r"^data: its keys"):
        plain({"data": {1: "a"}})


def test_depth_is_bounded() -> None:
    assert plain({"data": nested(DEPTH_LIMIT)}) == {"data": nested(DEPTH_LIMIT)}
    with pytest.raises(TemplateError, match="levels deep"):
        plain({"data": nested(DEPTH_LIMIT + 1)})


def test_what_holds_itself_is_refused() -> None:
    data: dict[str, Any] = {}
    data["data"] = data

    with pytest.raises(TemplateError, match="levels deep"):
        plain({"data": data})


def test_what_is_null_is_left_out_of_objects_and_keeps_its_place_in_lists() -> None:
    data = {"a": None, "b": [1, None, {"c": None}], "d": {"e": None}}

    assert plain({"none": None, "data": data}) == {"data": {"b": [1, None, {}], "d": {}}}
