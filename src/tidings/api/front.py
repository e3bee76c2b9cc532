"""What a process answers from its first moment on: that it starts, until its app is there."""

import asyncio

from fastapi import FastAPI, Request, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tidings.api.health import Readiness, health_router
from tidings.api.problems import install_problems
from tidings.core.errors import Unavailable
from tidings.core.metrics import Metrics

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class Front:
    """The app a server is given: another one before `open`, and hints to leave once stopping."""

    def __init__(self, stopping: asyncio.Event) -> None:
        self._stopping = stopping
        self._waits_for = "it opens what it needs"
        readiness = Readiness(stopping, needed={"start": self._started})
        self._app: ASGIApp = _starting_app(readiness)

    def waits_for(self, reason: str) -> None:
        """Say why it takes long to start."""
        self._waits_for = reason

    def open(self, app: ASGIApp) -> None:
        """From now on this one answers."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; once the process is stopping each answer closes its connection."""
        await self._app(scope, receive, _closing(send) if self._stopping.is_set() else send)

    async def _started(self) -> None:
        raise Unavailable(f"this process is starting: {self._waits_for}")


def _starting_app(readiness: Readiness) -> FastAPI:
    app = FastAPI(openapi_url=None)
    install_problems(app)
    app.include_router(health_router(Metrics(), readiness))

    @app.api_route("/{path:path}", methods=_METHODS)
    async def refuse(request: Request) -> Response:
        raise Unavailable("this process is starting: ask again")

    return app


def _closing(send: Send) -> Send:
    async def send_and_close(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
        await send(message)

    return send_and_close
