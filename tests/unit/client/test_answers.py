"""Typed answers are what the OpenAPI document says."""

import json
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict, is_typeddict

import pytest

from tests.unit.client.schemas import differences, name_in_document
from tidings.client import answers

DOCUMENT = json.loads(
    (Path(__file__).resolve().parents[3] / "docs/reference/openapi.json").read_text("utf-8")
)
SCHEMAS = DOCUMENT["components"]["schemas"]
TYPES = [each for each in vars(answers).values() if is_typeddict(each)]
#: what a request holds stands in its route
REQUESTS: dict[type, Any] = {
    answers.EventItem: DOCUMENT["paths"]["/v1/events"]["post"]["requestBody"]["content"][
        "application/json"
    ]["schema"]
}


@pytest.mark.parametrize("answer", TYPES, ids=lambda each: each.__name__)
def test_each_type_is_its_schema(answer: type) -> None:
    schema = REQUESTS.get(answer) or SCHEMAS[name_in_document(answer, SCHEMAS)]

    assert differences(answer, schema, SCHEMAS) == []


class Shelf(TypedDict):
    name: str


class Book(TypedDict):
    title: str
    pages: int | None
    kind: Literal["paper", "audio"]
    shelves: NotRequired[list[Shelf]]


def book(**change: object) -> dict[str, Any]:
    shelves = {"type": "array", "items": {"$ref": "#/components/schemas/ShelfOut"}}
    properties = {
        "title": {"type": "string"},
        "pages": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "kind": {"enum": ["audio", "paper"]},
        "shelves": shelves,
    }
    return {
        "properties": {name: each for name, each in (properties | change).items() if each},
        "required": ["title", "pages", "kind"],
    }


@pytest.mark.parametrize(
    ("schema", "found"),
    [
        (book(), []),
        (book(title={"type": "integer"}), ["title: string, not integer"]),
        (book(pages={"type": "integer"}), ["pages: integer or null, not integer"]),
        (book(kind={"enum": ["paper"]}), ["kind: 'audio' or 'paper', not 'paper'"]),
        (book(colour={"type": "string"}), ["colour: nothing, not string"]),
        (book(shelves=None), ["shelves: list of Shelf, not nothing"]),
        (book(shelves={"type": "array", "items": {"type": "string"}}), ["shelves: list of"]),
        (book() | {"required": ["title", "pages"]}, ["kind is required by only one"]),
        (book() | {"required": ["title", "pages", "kind", "shelves"]}, ["shelves is required"]),
    ],
)
def test_a_planted_difference_is_found(schema: dict[str, Any], found: list[str]) -> None:
    seen = differences(Book, schema, {"ShelfOut": {"properties": {}}})

    assert len(seen) == len(found)
    assert all(one.startswith(start) for one, start in zip(seen, found, strict=True))
