"""`POST /register` takes a query or a body, and drops nothing of either in silence."""

from typing import Any
from urllib.parse import parse_qsl

import orjson
import pydantic
from fastapi import Request

from tidings.api.bodies import parse_body, read_body
from tidings.core.errors import InvalidInput
from tidings.notifications.bodies import Email, Locale, Name, RegisterBody

#: fields a query may have, wrong ones included
_MOST_FIELDS = 10


def _schema(kind: Any) -> dict[str, object]:
    """Without examples: the body has them, and both at once are refused."""
    schema = pydantic.TypeAdapter(kind).json_schema()
    return {name: value for name, value in schema.items() if name != "examples"}


QUERY = [
    {
        "name": name,
        "in": "query",
        "required": False,
        "description": f"{what} Instead of a body.",
        "schema": _schema(kind),
    }
    for name, kind, what in (
        ("email", Email, "The address; write a + in it as %2B."),
        ("name", Name, "What to call the user."),
        ("locale", Locale, "The language to write in (BCP 47)."),
    )
]
"""The query's parameters, as OpenAPI has them."""


async def read_registration(request: Request) -> RegisterBody:
    """Who registers, by the query or by the body. Raises InvalidInput."""
    query: bytes = request.scope["query_string"]
    if query:
        if await _has_body(request):
            raise InvalidInput("body: give a query or a body, not both", field="body")
        return parse_body(orjson.dumps(_fields(query)), RegisterBody)
    if "content-type" not in request.headers:
        raise InvalidInput("email: give ?email=… or a JSON body", field="email")
    return await read_body(request, RegisterBody)


async def _has_body(request: Request) -> bool:
    async for chunk in request.stream():
        if chunk:
            return True
    return False


def _fields(query: bytes) -> dict[str, str]:
    """The fields of a query, each once and in whole UTF-8. Raises InvalidInput."""
    fields: dict[str, str] = {}
    for name, value in _pairs(query):
        if name in fields:
            raise InvalidInput(f"{name}: stands in the query twice", field=name)
        fields[name] = value
    if " " in fields.get("email", ""):
        raise InvalidInput("email: holds a blank; in a query write + as %2B", field="email")
    return fields


def _pairs(query: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            query.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except UnicodeDecodeError:
        raise InvalidInput("email: the query is not UTF-8", field="email") from None
    except ValueError:
        raise InvalidInput(f"the query has more than {_MOST_FIELDS} fields") from None
