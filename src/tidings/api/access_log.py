"""The access log: a line for each request, without its query, where addresses may stand."""

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tidings.core.logs import get_logger

#: what pages and probes ask for by themselves, again and again
QUIET_PATHS = ("/static/", "/healthz", "/readyz", "/metrics")


class AccessLog:
    """Logs method, path, status and milliseconds of every request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
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
            milliseconds = round((time.perf_counter() - began) * 1000, 1)
            level = logging.DEBUG if scope["path"].startswith(QUIET_PATHS) else logging.INFO
            self._logger.log(
                level,
                "request",
                method=scope["method"],
                path=scope["path"],
                status=status,
                ms=milliseconds,
            )
