"""Errors as problem details (RFC 9457): `application/problem+json`, with a stable `type`."""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from math import ceil
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Match

from tidings.api.bodies import invalid_input
from tidings.core.errors import (
    Conflict,
    Forbidden,
    InProgress,
    InvalidInput,
    NotFound,
    Overloaded,
    PayloadTooLarge,
    TidingsError,
    Unauthorized,
    Unavailable,
)
from tidings.core.logs import get_logger

MEDIA_TYPE = "application/problem+json"

Handler = Callable[[Request, Exception], Awaitable[Response]]

#: error class → status and the stable name in `type`, most specific first
KINDS: Mapping[type[TidingsError], tuple[int, str]] = {
    PayloadTooLarge: (413, "payload-too-large"),
    InvalidInput: (422, "invalid-input"),
    Unauthorized: (401, "unauthorized"),
    Forbidden: (403, "forbidden"),
    NotFound: (404, "not-found"),
    InProgress: (409, "in-progress"),
    Conflict: (409, "conflict"),
    Overloaded: (429, "overloaded"),
    Unavailable: (503, "unavailable"),
    TidingsError: (500, "internal-error"),
}

_RETRY_AFTER: Mapping[str, Any] = {
    "description": "Seconds until it is worth asking again.",
    "schema": {"type": "integer", "minimum": 0},
}

#: what passes by itself, and says when
_PASSING = (HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "examples": ["urn:tidings:problem:invalid-input"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What happened, to what, and what to do."},
        "field": {"type": "string", "description": "The field at fault, in dotted form."},
    },
}


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route that may answer with these problems."""
    return {status: _documented(status) for status in statuses}


def problem(error: TidingsError) -> dict[str, Any]:
    """An error of our tree as a problem object."""
    status, name = next(kind for cls, kind in KINDS.items() if isinstance(error, cls))
    field = getattr(error, "field", "")
    return _problem(status, name, str(error), field=field)


def install_problems(app: FastAPI) -> None:
    """Make every error of the app a problem."""
    app.add_exception_handler(TidingsError, _handler(answer_error))
    app.add_exception_handler(RequestValidationError, _handler(_answer_validation))
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(ClientDisconnect, _handler(_answer_nobody))
    app.add_exception_handler(Exception, _handler(_answer_unexpected))


def problem_response(body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """A problem object as the response it stands for."""
    return Response(
        orjson.dumps(body),
        status_code=body["status"],
        media_type=MEDIA_TYPE,
        headers=dict(headers or {}),
    )


def answer_error(error: TidingsError) -> Response:
    """An error of our tree as the response it stands for, with the headers that belong to it."""
    body = problem(error)
    if body["status"] == HTTPStatus.INTERNAL_SERVER_ERROR:
        return _answer_unexpected(error)
    return problem_response(body, _headers_of(error))


def answer(error: Exception) -> Response:
    """Any error as a response: one of ours by its kind, the end of a client, a fault of ours."""
    if isinstance(error, TidingsError):
        return answer_error(error)
    if isinstance(error, ClientDisconnect):
        return _answer_nobody(error)
    return _answer_unexpected(error)


def _headers_of(error: TidingsError) -> Mapping[str, str]:
    if isinstance(error, Unavailable | InProgress):
        return {"Retry-After": str(ceil(error.retry_after))}
    return {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthorized) else {}


def _documented(status: int) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if status in _PASSING:
        response["headers"] = {"Retry-After": _RETRY_AFTER}
    return response


def _problem(status: int, name: str, detail: str, *, field: str = "") -> dict[str, Any]:
    body: dict[str, Any] = {
        "type": f"urn:tidings:problem:{name}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    return {**body, "field": field} if field else body


def _answer_validation(error: RequestValidationError) -> Response:
    # of a parameter nothing but its kind and name says anything to who asked
    errors = [{**each, "loc": each["loc"][:2]} for each in error.errors()]
    return problem_response(problem(invalid_input(errors)))


async def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it is installed for
    name = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(sorted(_methods(request)))
    return problem_response(_problem(error.status_code, name, error.detail), headers)


def _methods(request: Request) -> set[str]:
    """All methods the path takes, over the routes that share it."""
    routes = [one for one in request.app.routes if one.matches(request.scope)[0] is Match.PARTIAL]
    return {method for one in routes for method in getattr(one, "methods", None) or ()}


def _answer_nobody(_gone: ClientDisconnect) -> Response:
    return Response(status_code=499)


def _answer_unexpected(error: Exception) -> Response:
    get_logger("api").error("a request failed for a reason nobody foresaw", exc_info=error)
    detail = "Something went wrong on our side; the log has the reason."
    return problem_response(_problem(500, "internal-error", detail))


def _handler(answer: Callable[[Any], Response]) -> Handler:
    async def handle(_request: Request, error: Exception) -> Response:
        return answer(error)

    return handle
