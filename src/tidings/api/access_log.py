"""The access log: a line for each request, without its query, where addresses may stand.

The same place counts requests, by the route they took and never by their path: a stranger must not
make a new time series by a new path.
"""

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tidings.core.logs import get_logger
from tidings.core.metrics import Metrics

#: what pages and probes ask for by themselves, again and again
QUIET_PATHS = ("/static/", "/healthz", "/readyz", "/metrics")

#: what stands for a route where no path of ours was asked for
NO_ROUTE = "none"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class AccessLog:
    """Logs method, path, status and milliseconds of every request, and counts it."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._logger = get_logger("api")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and log how it ended."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, began = 0, time.perf_counter()

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note_status)
        except Exception:
            status = status or 500
            raise
        finally:
            seconds = time.perf_counter() - began
            self._log(scope, status, seconds)
            self._count(scope, status, seconds)

    def _log(self, scope: Scope, status: int, seconds: float) -> None:
        level = logging.DEBUG if scope["path"].startswith(QUIET_PATHS) else logging.INFO
        self._logger.log(
            level,
            "request",
            method=scope["method"],
            path=scope["path"],
            status=status,
            ms=round(seconds * 1000, 1),
        )

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = getattr(scope.get("route"), "path", NO_ROUTE)
        self._metrics.http_requests.labels(method, route, status).inc()
        self._metrics.http_request_seconds.labels(method, route).observe(seconds)
