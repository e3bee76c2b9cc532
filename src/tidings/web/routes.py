"""Routes that answer errors with a page instead of a problem object."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any
from uuid import UUID

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from tidings.core.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    PayloadTooLarge,
    TidingsError,
    Unavailable,
)
from tidings.web.engine import Engine
from tidings.web.security import page_response

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

_STATUSES: dict[type[TidingsError], int] = {
    PayloadTooLarge: 413,
    InvalidInput: 422,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    Unavailable: 503,
    TidingsError: 500,
}


def page_route(engine: Engine) -> type[APIRoute]:
    """The class of a router's routes: an error of ours becomes a page that says it."""

    class PageRoute(APIRoute):
        def get_route_handler(self) -> Handler:
            handle = super().get_route_handler()

            async def handle_or_explain(request: Request) -> Response:
                try:
                    return await handle(request)
                except TidingsError as error:
                    return _explanation(engine, request, error)

            return handle_or_explain

    return PageRoute


def as_id(text: str, *, what: str) -> str:
    """A UUID as we write it. Raises NotFound for anything else."""
    try:
        return str(UUID(text))
    except ValueError:
        raise NotFound(f"There is no such {what}.") from None


def _explanation(engine: Engine, request: Request, error: TidingsError) -> Response:
    status = next(status for cls, status in _STATUSES.items() if isinstance(error, cls))
    html = engine.render(
        "problem.html",
        heading=HTTPStatus(status).phrase,
        sentence=str(error),
        place=request.url.path.split("/")[1],
    )
    return page_response(html, status=status)
