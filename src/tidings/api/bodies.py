"""Request bodies: read whole, bounded, checked against a model, refused with the field's name."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar

import pydantic
from starlette.requests import Request

from tidings.core.errors import InvalidInput, PayloadTooLarge
from tidings.core.text import LINE, LINE_LIMIT, is_one_line

#: bytes a body may have unless the route says otherwise
BODY_LIMIT = 256 * 1024


class Body(pydantic.BaseModel):
    """The base of every request body: no unknown fields, no silent conversions."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True, frozen=True)


def one_line(text: str) -> str:
    """The text. Raises ValueError where it is not one line."""
    if not is_one_line(text):
        raise ValueError("must be one line without control characters")
    return text


#: 1 to 255 characters on one line, none of them a control character
Line = Annotated[
    str,
    pydantic.Field(min_length=1, max_length=LINE_LIMIT, json_schema_extra={"pattern": LINE}),
    pydantic.AfterValidator(one_line),
]

Model = TypeVar("Model", bound=pydantic.BaseModel)


async def read_body(request: Request, model: type[Model], *, limit: int = BODY_LIMIT) -> Model:
    """The request's JSON body as `model`.

    Raises PayloadTooLarge above `limit` bytes, InvalidInput with the field's dotted place.
    """
    _require_json(request)
    return parse_body(await _bounded(request, limit), model)


def parse_body(raw: bytes, model: type[Model]) -> Model:
    """JSON bytes as `model`. Raises InvalidInput with the field's dotted place."""
    try:
        return model.model_validate_json(raw)
    except pydantic.ValidationError as error:
        raise invalid_input(error.errors(include_url=False, include_context=False)) from None


def invalid_input(errors: Sequence[Mapping[str, Any]]) -> InvalidInput:
    """The first of pydantic's findings, as our error."""
    first = errors[0]
    place = ".".join(str(part) for part in first["loc"])
    message = str(first["msg"]).removeprefix("Value error, ")
    return InvalidInput(f"{place or 'body'}: {message}", field=place)


def json_body(model: type[pydantic.BaseModel], **instead: Any) -> dict[str, Any]:
    """The `openapi_extra=` of a route that reads this body itself; `instead`: other properties."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})
    schema = _inlined(schema, definitions)
    schema["properties"].update(instead)
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _require_json(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise InvalidInput(
            "the body must be JSON: send Content-Type: application/json", field="Content-Type"
        )


async def _bounded(request: Request, limit: int) -> bytes:
    if int(request.headers.get("content-length") or 0) > limit:
        raise _too_large(limit)
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
    return b"".join(chunks)


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"the body has more than {limit} bytes")


def _inlined(value: Any, definitions: Mapping[str, Any]) -> Any:
    """The schema without references: they would point into the whole document."""
    if isinstance(value, Mapping):
        if "$ref" in value:
            return _inlined(definitions[value["$ref"].rpartition("/")[2]], definitions)
        kept = {key: item for key, item in value.items() if key != "discriminator"}
        return {key: _inlined(item, definitions) for key, item in kept.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_inlined(item, definitions) for item in value]
    return value
