"""The dev outbox: every message the console provider took, as the person would see it."""

import asyncio
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from tidings.core.errors import NotFound
from tidings.core.models import DELIVERY_CHANNEL
from tidings.core.ports import EventBus
from tidings.web.engine import Engine
from tidings.web.forms import Search, read_search
from tidings.web.live import Broadcast, frame
from tidings.web.ports import Outbox
from tidings.web.routes import as_id, page_route
from tidings.web.security import mail_response, page_response

PAGE_SIZE = 50


def outbox_router(
    *, engine: Engine, outbox: Outbox, bus: EventBus, stopping: asyncio.Event
) -> APIRouter:
    """`/outbox`: the list, its live stream, and each message."""
    router = APIRouter(include_in_schema=False, route_class=page_route(engine))
    pages = _OutboxPages(engine, outbox)
    news = Broadcast(pages.newest, bus=bus, bus_channels=(DELIVERY_CHANNEL,), stopping=stopping)

    @router.get("/outbox")
    async def show_outbox() -> Response:
        return page_response(await pages.list(Search()))

    @router.post("/outbox")
    async def search_outbox(request: Request) -> Response:
        search = await read_search(request)
        part = "HX-Request" in request.headers
        return page_response(await pages.list(search, part=part))

    @router.get("/outbox/stream")
    async def stream_outbox() -> Response:
        return news.response()

    @router.get("/outbox/{message_id}")
    async def show_message(message_id: str) -> Response:
        return page_response(await pages.message(message_id))

    @router.get("/outbox/{message_id}/html")
    async def show_html(message_id: str) -> Response:
        return mail_response(await pages.html(message_id))

    return router


class _OutboxPages:
    def __init__(self, engine: Engine, outbox: Outbox) -> None:
        self._engine = engine
        self._outbox = outbox

    async def list(self, search: Search, *, part: bool = False) -> str:
        """The list, or only the part that changes."""
        found = await self._outbox.recent(
            search=search.words, limit=PAGE_SIZE + 1, before=_known_id(search.before)
        )
        return self._engine.render(
            "outbox_list.html" if part else "outbox.html",
            messages=found[:PAGE_SIZE],
            search=search,
            older=found[PAGE_SIZE - 1].id if len(found) > PAGE_SIZE else None,
        )

    async def newest(self) -> bytes:
        """The news for open pages: the id of the newest message."""
        found = await self._outbox.recent(limit=1)
        return frame(found[0].id if found else "none", event="outbox-changed")

    async def message(self, message_id: str) -> str:
        """One message."""
        message = await self._outbox.get(as_id(message_id, what="message"))
        event_key = await self._outbox.event_key(message.message_id)
        return self._engine.render("outbox_message.html", message=message, event_key=event_key)

    async def html(self, message_id: str) -> str:
        """One message's HTML as it was sent. Raises NotFound when it has none."""
        message = await self._outbox.get(as_id(message_id, what="message"))
        if message.content.html is None:
            raise NotFound("This message has no HTML part.")
        return message.content.html


def _known_id(text: str | None) -> str | None:
    try:
        return None if text is None else str(UUID(text))
    except ValueError:
        return None
