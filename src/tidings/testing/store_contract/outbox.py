"""The dev outbox, which any store must be able to hold."""

import pytest

from tidings.core.errors import InvalidInput, NotFound
from tidings.core.ids import Ids
from tidings.core.models import Content, Message
from tidings.core.ports import Store
from tidings.store.outbox import Outbox
from tidings.testing.clock import MovableClock
from tidings.testing.store_contract.case import CLOCK_TOLERANCE, StoreCase

_ids = Ids()


def a_message(address: str, subject: str | None = "Hello", text: str = "Words") -> Message:
    """An e-mail on its way out."""
    content = Content(text=text, subject=subject, html="<p>Words</p>")
    return Message(
        id=_ids.new(),
        channel="email",
        address=address,
        content=content,
        recipient_name="Ada Łódź",
    )


class OutboxContract(StoreCase):
    """What the outbox must do on every store."""

    @pytest.fixture
    def outbox(self, store: Store, clock: MovableClock) -> Outbox:
        """The outbox of a fresh database."""
        return Outbox(store, clock=clock, ids=_ids)

    async def test_a_message_is_found_as_it_was_taken(
        self, outbox: Outbox, clock: MovableClock
    ) -> None:
        message = a_message("ada@example.com")

        await outbox(message)

        (kept,) = await outbox.recent()
        assert (kept.message_id, kept.channel, kept.address) == (
            message.id,
            "email",
            "ada@example.com",
        )
        assert (kept.recipient_name, kept.content) == ("Ada Łódź", message.content)
        assert abs(kept.created_at - clock.now()) < CLOCK_TOLERANCE
        assert await outbox.get(kept.id) == kept

    async def test_a_repeat_shows(self, outbox: Outbox) -> None:
        message = a_message("ada@example.com")

        await outbox(message)
        await outbox(message)

        assert [each.message_id for each in await outbox.recent()] == [message.id] * 2

    async def test_the_newest_comes_first_page_after_page(self, outbox: Outbox) -> None:
        for number in range(7):
            await outbox(a_message(f"{number}@example.com"))

        first = await outbox.recent(limit=4)
        second = await outbox.recent(limit=4, before=first[-1].id)

        assert [each.address[0] for each in [*first, *second]] == list("6543210")

    @pytest.mark.parametrize(
        ("search", "found"),
        [
            ("ADA@", 1),
            ("Łódź", 2),
            ("parcel", 1),
            ("50%", 1),
            ("5_%", 0),
            ("zebra", 0),
            ("a\0b", 0),
        ],
    )
    async def test_it_is_searched_in_addresses_names_and_words(
        self, outbox: Outbox, search: str, found: int
    ) -> None:
        await outbox(a_message("ada@example.com", subject="Your PARCEL"))
        await outbox(a_message("bob@example.com", subject=None, text="now 50% off"))

        assert len(await outbox.recent(search=search)) == found

    @pytest.mark.parametrize("wrong", ["no-id", "", "00000000-0000-7000-8000-000000000000"])
    async def test_what_is_not_there_is_not_found(self, outbox: Outbox, wrong: str) -> None:
        with pytest.raises(NotFound):
            await outbox.get(wrong)

    async def test_a_page_before_nonsense_is_refused(self, outbox: Outbox) -> None:
        with pytest.raises(InvalidInput) as caught:
            await outbox.recent(before="no-id")

        assert caught.value.field == "before"
