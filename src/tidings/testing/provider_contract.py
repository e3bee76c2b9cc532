"""What every provider must do: subclass `ProviderContract`, give it a provider, run pytest."""

import asyncio
from contextlib import suppress

import pytest

from tidings.core.errors import DeliveryError
from tidings.core.ids import Ids
from tidings.core.models import Content, Message, Receipt
from tidings.core.ports import CheckingProvider, Provider

_ids = Ids()


class ProviderContract:
    """The suite. A subclass overrides the fixture `provider` and, where needed, the rest."""

    #: the channel the provider serves
    channel = "email"
    #: one it delivers to, and one that nobody could deliver to
    good_address = "ada@example.com"
    bad_address = "no address\r\nat all"

    @pytest.fixture
    def provider(self) -> Provider:
        """The provider under test; a fixture that yields it may close it afterwards."""
        raise NotImplementedError("override the fixture `provider`")

    async def received(self) -> list[str] | None:
        """The ids of the messages that arrived, if the subclass can tell; None if not."""
        return None

    def message(
        self, *, address: str | None = None, content: Content | None = None, name: str | None = None
    ) -> Message:
        """A message with an id of its own."""
        return Message(
            id=_ids.new(),
            channel=self.channel,
            address=self.good_address if address is None else address,
            content=content or Content(subject="Hello", text="Hi", html="<p>Hi</p>"),
            recipient_name=name,
        )

    async def test_a_message_is_taken_and_answered_by_a_receipt(self, provider: Provider) -> None:
        """The plain case."""
        message = self.message(name="Ada Lovelace")

        receipt = await provider.send(message)

        assert isinstance(receipt, Receipt)
        assert await self.received() in (None, [message.id])

    async def test_text_alone_is_enough(self, provider: Provider) -> None:
        """Neither subject nor HTML is required."""
        message = self.message(content=Content(text="Hi"))

        assert isinstance(await provider.send(message), Receipt)

    async def test_any_script_is_carried(self, provider: Provider) -> None:
        """Names and words are not English by law."""
        content = Content(subject="Zażółć gęślą jaźń", text="مرحبا عمر", html="<p>こんにちは</p>")

        assert isinstance(await provider.send(self.message(content=content, name="山田")), Receipt)

    async def test_it_says_how_many_sends_it_carries_at_once(self, provider: Provider) -> None:
        """A worker takes no more than that in hand."""
        assert provider.concurrency >= 1

    async def test_many_messages_go_out_at_once(self, provider: Provider) -> None:
        """Sends overlap; each has its own receipt."""
        messages = [self.message() for _ in range(50)]

        receipts = await asyncio.gather(*[provider.send(message) for message in messages])

        assert all(isinstance(receipt, Receipt) for receipt in receipts)
        received = await self.received()
        assert received is None or {message.id for message in messages} == set(received)

    async def test_a_bad_address_is_a_delivery_error(self, provider: Provider) -> None:
        """The class of the error decides what happens next, so it must be one of ours."""
        with pytest.raises(DeliveryError):
            await provider.send(self.message(address=self.bad_address))

    @pytest.mark.parametrize(
        "content",
        [
            Content(text=""),
            Content(text="\x00\x1b[31m", subject="\r\nBcc: eve@example.com", html="\x00"),
            Content(text="\ud800", subject="\udfff", html="\ud800"),
            Content(text="x" * 1_000_000, subject="y" * 10_000),
            Content(text=".\r\n.\r\nQUIT\r\n", html="</html>" * 1000),
        ],
        ids=["empty", "control characters", "lone surrogates", "huge", "dots"],
    )
    async def test_no_content_makes_a_foreign_exception_leak(
        self, provider: Provider, content: Content
    ) -> None:
        """A receipt or a DeliveryError, nothing else; and the next message still goes out."""
        with suppress(DeliveryError):
            assert isinstance(await provider.send(self.message(content=content)), Receipt)

        assert isinstance(await provider.send(self.message()), Receipt)

    async def test_a_send_broken_off_leaves_the_provider_usable(self, provider: Provider) -> None:
        """Cancelled at any point, a send takes no other with it."""
        for steps in range(12):
            task = asyncio.create_task(provider.send(self.message()))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])

        assert isinstance(await provider.send(self.message()), Receipt)

    async def test_closing_twice_is_fine(self, provider: Provider) -> None:
        """Whoever cleans up need not know who else did."""
        await provider.send(self.message())

        await provider.aclose()
        await provider.aclose()

    async def test_closing_unused_is_fine(self, provider: Provider) -> None:
        """A provider connects when it is first needed, and need not have been."""
        await provider.aclose()


class CheckingProviderContract(ProviderContract):
    """What a provider with `find` must do besides."""

    @pytest.fixture
    def provider(self) -> CheckingProvider:
        """The provider under test."""
        raise NotImplementedError("override the fixture `provider`")

    async def test_a_message_that_was_taken_is_found(self, provider: CheckingProvider) -> None:
        """With the receipt it was answered by."""
        message = self.message()

        receipt = await provider.send(message)

        assert await provider.find(message) == receipt

    async def test_a_message_that_was_never_sent_is_not_found(
        self, provider: CheckingProvider
    ) -> None:
        """Nor does its being looked for make it one that was sent."""
        message = self.message()
        await provider.send(self.message())

        assert await provider.find(message) is None
        assert await provider.find(message) is None

    async def test_it_is_known_for_one_that_can_be_asked(self, provider: CheckingProvider) -> None:
        """The engine asks those only."""
        assert isinstance(provider, CheckingProvider)
