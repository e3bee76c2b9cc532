"""The shipped suite on every provider there is."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.servers.smtp import SmtpSink
from tidings.channels.console import ConsoleProvider
from tidings.channels.email.smtp import build
from tidings.channels.recording import RecordingProvider
from tidings.channels.registry import ProviderPorts
from tidings.core.errors import TransientError
from tidings.core.models import Message
from tidings.core.ports import Provider
from tidings.testing.provider_contract import ProviderContract


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


class TestSmtp(ProviderContract):
    @pytest.fixture
    def sink(self) -> Iterator[SmtpSink]:
        with SmtpSink() as sink:
            yield sink

    @pytest.fixture
    async def provider(self, sink: SmtpSink) -> AsyncIterator[Provider]:
        self.server = sink
        options = {"host": "127.0.0.1", "port": str(sink.port), "tls": "off", "timeout": "20"}
        ports = ProviderPorts(outbox=KeepingOutbox(), email_from="Shop <news@shop.example>")
        provider = build(options, ports)
        yield provider
        await provider.aclose()

    async def received(self) -> list[str]:
        return [mail["Message-ID"].split("@")[0].lstrip("<") for mail in self.server.mails]
