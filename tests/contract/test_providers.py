"""The shipped suite on every provider there is."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest

from tests.servers.http import HttpEndpoint
from tests.servers.smtp import SmtpSink
from tidings.channels.console import ConsoleProvider
from tidings.channels.email.smtp import build
from tidings.channels.http.http import CheckingHttpProvider
from tidings.channels.http.http import build as build_http
from tidings.channels.in_app import InAppProvider
from tidings.channels.recording import RecordingProvider
from tidings.channels.registry import ProviderPorts
from tidings.core.clock import SystemClock
from tidings.core.errors import PermanentError, TransientError, Unavailable
from tidings.core.models import IN_APP, Message
from tidings.core.ports import CheckingProvider, Provider
from tidings.inbox.service import InboxService
from tidings.store.sqlite import SqliteStore
from tidings.testing.provider_contract import CheckingProviderContract, ProviderContract
from tidings.users.service import UserService


class KeepingOutbox:
    """An outbox writer with a list for a database; refuses what no database column takes."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def __call__(self, message: Message) -> None:
        self.messages.append(message)


class TestRecording(ProviderContract):
    bad_address = "nobody"

    @pytest.fixture
    async def provider(self) -> AsyncIterator[Provider]:
        self.recording = RecordingProvider()
        yield self.recording
        await self.recording.aclose()

    async def received(self) -> list[str]:
        return [message.id for message in self.recording.messages]

    async def test_it_fails_as_scripted_and_then_works(self) -> None:
        provider = RecordingProvider()
        message = self.message()
        provider.script([TransientError("later"), None])

        with pytest.raises(TransientError, match="later"):
            await provider.send(message)
        await provider.send(message)

        assert [message] == provider.messages


class TestConsole(ProviderContract):
    @pytest.fixture
    async def provider(self) -> AsyncIterator[Provider]:
        self.outbox = KeepingOutbox()
        provider = ConsoleProvider(self.outbox)
        yield provider
        await provider.aclose()

    async def received(self) -> list[str]:
        return [message.id for message in self.outbox.messages]


class TestInApp(ProviderContract):
    """On a feed of its own, which refuses what no row can hold."""

    channel = IN_APP
    good_address = "ada"

    @pytest.fixture
    async def provider(self) -> AsyncIterator[Provider]:
        clock = SystemClock()
        store = await SqliteStore.open(None, clock=clock)
        users = UserService(store, clock)
        await users.put("ada")
        self.inbox = InboxService(store, clock=clock, users=users)
        provider = InAppProvider(self.inbox.add)
        yield provider
        await provider.aclose()
        await self.inbox.aclose()
        await store.aclose()

    async def received(self) -> list[str]:
        return [item.id for item in (await self.inbox.list("ada", limit=100)).items]

    async def test_a_message_that_is_sent_again_is_no_second_item(self, provider: Provider) -> None:
        message = self.message()

        await asyncio.gather(provider.send(message), provider.send(message))
        await provider.send(message)

        assert await self.received() == [message.id]

    async def test_a_message_of_another_channel_is_refused_for_good(
        self, provider: Provider
    ) -> None:
        with pytest.raises(PermanentError, match="in_app carries nothing by email"):
            await provider.send(replace(self.message(), channel="email"))

        assert await self.received() == []

    async def test_a_feed_that_is_down_is_tried_again_when_it_may_be_back(self) -> None:
        async def down(message: Message) -> None:
            raise Unavailable("the database is away", retry_after=7)

        with pytest.raises(TransientError, match="the database is away") as failure:
            await InAppProvider(down).send(self.message())

        assert failure.value.retry_after == 7


class TestSmtp(ProviderContract):
    @pytest.fixture
    def sink(self) -> Iterator[SmtpSink]:
        with SmtpSink() as sink:
            yield sink

    @pytest.fixture
    async def provider(self, sink: SmtpSink) -> AsyncIterator[Provider]:
        self.server = sink
        options = {"host": "127.0.0.1", "port": str(sink.port), "tls": "off", "timeout": "20"}
        nowhere = KeepingOutbox()
        ports = ProviderPorts(outbox=nowhere, feed=nowhere, email_from="Shop <news@shop.example>")
        provider = build(options, ports)
        yield provider
        await provider.aclose()

    async def received(self) -> list[str]:
        return [mail["Message-ID"].split("@")[0].lstrip("<") for mail in self.server.mails]


class TestHttp(CheckingProviderContract):
    @pytest.fixture
    async def endpoint(self) -> AsyncIterator[HttpEndpoint]:
        async with HttpEndpoint().serving() as endpoint:
            yield endpoint

    @pytest.fixture
    async def provider(self, endpoint: HttpEndpoint) -> AsyncIterator[CheckingProvider]:
        self.server = endpoint
        nowhere = KeepingOutbox()
        ports = ProviderPorts(outbox=nowhere, feed=nowhere, email_from="news@shop.example")
        options = {"url": endpoint.url, "check_url": endpoint.check_url, "timeout": "20"}
        provider = build_http(options, ports)
        assert isinstance(provider, CheckingHttpProvider)
        yield provider
        await provider.aclose()

    async def received(self) -> list[str]:
        return list(self.server.taken)
