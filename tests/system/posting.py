"""What the tests of the `http` provider share: a message, and a provider at an endpoint."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from tests.servers.http import (
    Act,
    HttpEndpoint,
)
from tidings.channels.http.http import HttpProvider, build
from tidings.channels.registry import ProviderPorts
from tidings.core.ids import Ids
from tidings.core.models import Content, Message

SHORT = "1"
TOKEN = "t0ken-nobody-may-see"
_ids = Ids()


def message(address: str = "ada@example.com", *, channel: str = "email", size: int = 10) -> Message:
    content = Content(subject="Hello", text="x" * size, html="<p>Hi</p>")
    return Message(
        id=_ids.new(),
        channel=channel,
        address=address,
        content=content,
        recipient_name="Ada",
        locale="en",
        workflow="welcome",
    )


class Noon:
    """A clock that stands still."""

    shift = timedelta(0)

    def now(self) -> datetime:
        return datetime(2026, 3, 1, 12, tzinfo=UTC)


async def keep_nothing(message: Message) -> None:
    """No HTTP test looks into an outbox."""


@asynccontextmanager
async def posting_to(url: str, **options: str) -> AsyncIterator[HttpProvider]:
    ports = ProviderPorts(
        outbox=keep_nothing, feed=keep_nothing, email_from="news@shop.example", clock=Noon()
    )
    provider = build({"url": url, "timeout": "20", **options}, ports)
    try:
        yield provider
    finally:
        await provider.aclose()


@asynccontextmanager
async def scripted(
    *script: bytes | Act, **options: str
) -> AsyncIterator[tuple[HttpEndpoint, HttpProvider]]:
    async with (
        HttpEndpoint(script).serving() as endpoint,
        posting_to(endpoint.url, **options) as provider,
    ):
        yield endpoint, provider
