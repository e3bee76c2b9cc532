"""The `smtp` provider and a mail for it, in tests."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from tests.servers.smtp import ScriptedServer
from tidings.channels.email.smtp import SmtpProvider, build
from tidings.channels.registry import ProviderPorts
from tidings.core.ids import Ids
from tidings.core.models import Content, Message

SHORT = "1"
_ids = Ids()


def message(address: str = "ada@example.com", name: str | None = "Ada", size: int = 10) -> Message:
    content = Content(subject="Hello", text="x" * size, html="<p>Hi</p>")
    return Message(
        id=_ids.new(), channel="email", address=address, content=content, recipient_name=name
    )


async def keep_nothing(message: Message) -> None:
    """No SMTP test looks into an outbox."""


@asynccontextmanager
async def smtp(port: int, **options: str) -> AsyncIterator[SmtpProvider]:
    chosen = {"host": "127.0.0.1", "port": str(port), "tls": "off", "timeout": "20", **options}
    ports = ProviderPorts(
        outbox=keep_nothing, feed=keep_nothing, email_from="Shop <news@shop.example>"
    )
    provider = build(chosen, ports)
    try:
        yield provider
    finally:
        await provider.aclose()


@asynccontextmanager
async def scripted(
    script: Mapping[str, str | list[str]], *, seconds: str = "20"
) -> AsyncIterator[tuple[ScriptedServer, SmtpProvider]]:
    async with (
        ScriptedServer(script).serving() as server,
        smtp(server.port, timeout=seconds) as provider,
    ):
        yield server, provider
