"""The busiest routes, answered without the framework's machinery: it costs more than they do."""

from collections.abc import Iterable, Mapping

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from tidings.api.problems import answer
from tidings.api.scopes import asked_path
from tidings.core.errors import Overloaded
from tidings.core.metrics import Metrics

#: each reads its raw body, checks it and makes its answer by itself, so nothing else is needed
HOT = frozenset(
    {
        ("POST", "/register"),
        ("POST", "/v1/events"),
        ("POST", "/v1/events/bulk"),
        ("POST", "/v1/messages"),
    }
)

#: bytes of bodies that may be in hand at once, and those counted for one of unknown length
MOST_BYTES, LARGEST_BODY = 32 * 1024 * 1024, 4 * 1024 * 1024

Routes = Mapping[tuple[str, str], APIRoute]


class HotRoutes:
    """Calls the functions of hot routes directly; all else goes on to the framework.

    Bodies are bounded all together, and refused unread above that.
    """

    def __init__(
        self, app: ASGIApp, *, routes: Routes, metrics: Metrics, most_bytes: int = MOST_BYTES
    ) -> None:
        self._app = app
        self._routes = routes
        self._metrics = metrics
        self._most_bytes = most_bytes
        self._in_hand = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, an error as the problem it is."""
        route = self._routes.get((scope.get("method", ""), asked_path(scope)))
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route
        request = Request(scope, receive)
        size = _body_size(request)
        self._in_hand += size
        try:
            self._require_room()
            response = await route.endpoint(request)
        except Exception as error:  # whatever it is, whoever asked gets an answer
            response = answer(error)
        finally:
            self._in_hand -= size
        await response(scope, receive, send)

    def _require_room(self) -> None:
        if self._in_hand > self._most_bytes:
            self._metrics.refused.labels(reason="memory").inc()
            raise Overloaded("too much is being read at this moment: ask again later")


def _body_size(request: Request) -> int:
    """The bytes a body takes at most; one that is longer is refused by its route."""
    if "transfer-encoding" in request.headers:
        return LARGEST_BODY
    return min(int(request.headers.get("content-length") or 0), LARGEST_BODY)


def hot_routes(routers: Iterable[APIRouter]) -> Routes:
    """Those of the routers' routes that are hot; their documents stay the framework's."""
    found = [one for each in routers for one in each.routes if isinstance(one, APIRoute)]
    return {
        (method, route.path): route
        for route in found
        for method in route.methods or ()
        if (method, route.path) in HOT
    }
