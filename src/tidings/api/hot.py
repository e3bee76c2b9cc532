"""The busiest routes, answered without the framework's machinery: it costs more than they do."""

from collections.abc import Iterable, Mapping

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from tidings.api.problems import answer
from tidings.api.scopes import asked_path

#: each reads its raw body, checks it and makes its answer by itself, so nothing else is needed
HOT = frozenset(
    {
        ("POST", "/register"),
        ("POST", "/v1/events"),
        ("POST", "/v1/events/bulk"),
        ("POST", "/v1/messages"),
    }
)

Routes = Mapping[tuple[str, str], APIRoute]


class HotRoutes:
    """Calls the functions of hot routes directly; all else goes on to the framework."""

    def __init__(self, app: ASGIApp, *, routes: Routes) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, an error as the problem it is."""
        route = self._routes.get((scope.get("method", ""), asked_path(scope)))
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route
        try:
            response = await route.endpoint(Request(scope, receive))
        except Exception as error:  # whatever it is, whoever asked gets an answer
            response = answer(error)
        await response(scope, receive, send)


def hot_routes(routers: Iterable[APIRouter]) -> Routes:
    """Those of the routers' routes that are hot; their documents stay the framework's."""
    found = [one for each in routers for one in each.routes if isinstance(one, APIRoute)]
    return {
        (method, route.path): route
        for route in found
        for method in route.methods or ()
        if (method, route.path) in HOT
    }
