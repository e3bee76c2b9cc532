"""Confirming: what was sent is delivered from then on, and counts once, whoever says it again."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tidings.core.delivery_news import Told
from tidings.core.errors import InvalidInput
from tidings.core.models import DeliveryState, Event
from tidings.core.ports import Store
from tidings.core.rules import Rule
from tidings.core.work import Claimed
from tidings.delivery.confirming import MOST_IDS, Confirmed, Confirming
from tidings.notifications.cancelling import Cancelling
from tidings.store import schema
from tidings.store.dead_letter_rows import Kind
from tidings.store.replays import replay
from tidings.testing.clock import MovableClock
from tidings.testing.store_contract.case import CLOCK_TOLERANCE, StoreCase
from tidings.testing.store_contract.given import (
    PROVIDER,
    accept,
    add_delivery,
    add_user,
    an_event,
    claim,
    claim_one,
    figures,
    nobody_hears,
    plan,
    row,
    rows,
)
from tidings.testing.store_contract.settle import attempt, sent, settle_at_last

#: how often what may cross is let cross
_ROUNDS = 20
DELIVERED = ("delivered", "welcome", "email", PROVIDER)


async def send_one(store: Store, provider_id: str = "v-1") -> Event:
    """An e-mail that its vendor took under this id."""
    event = await add_delivery(store)
    await store.settle([await sent(store, await claim_one(store), provider_id=provider_id)])
    return event


async def send_many(store: Store, count: int) -> Sequence[str]:
    """So many e-mails that their vendor took; the ids it gave them."""
    await add_user(store, "ada", "ada@example.com")
    for _ in range(count):
        await accept(store, an_event(store, user_id="ada"))
    await plan(store)
    claimed = await claim(store)
    await store.settle([await sent(store, each, provider_id=f"v-{each.id}") for each in claimed])
    return [f"v-{each.id}" for each in claimed]


def known(*ids: str) -> Confirmed:
    """All of them are delivered."""
    return Confirmed(delivered=ids, unknown=())


def unknown(*ids: str) -> Confirmed:
    """None of them is."""
    return Confirmed(delivered=(), unknown=ids)


class ConfirmingContract(StoreCase):
    """What a confirmation must do on every store."""

    @pytest.fixture
    def told(self) -> list[Told]:
        """What was told of deliveries."""
        return []

    @pytest.fixture
    def confirming(self, store: Store, told: list[Told]) -> Confirming:
        """What is under test."""
        return Confirming(store, tell=told.extend)

    @pytest.fixture
    def other_confirming(self, other_store: Store, told: list[Told]) -> Confirming:
        """The same in another process."""
        return Confirming(other_store, tell=told.extend)

    async def test_what_was_sent_is_delivered_from_now_on(
        self, store: Store, clock: MovableClock, confirming: Confirming
    ) -> None:
        await send_one(store)
        clock.advance(hours=1)

        assert await confirming.by(PROVIDER, ["v-1"]) == known("v-1")

        stored = await row(store, schema.deliveries)
        assert (stored["state"], stored["reason"]) == ("delivered", None)
        assert abs(stored["updated_at"] - await store.now()) < CLOCK_TOLERANCE

    async def test_it_is_counted_and_told_once_however_often_it_is_confirmed(
        self, store: Store, confirming: Confirming, told: list[Told]
    ) -> None:
        event = await send_one(store)

        for _ in range(3):
            assert await confirming.by(PROVIDER, ["v-1", "v-1"]) == known("v-1")

        assert await figures(store) == {
            ("planned", "welcome", "", ""): 1,
            ("sent", "welcome", "email", PROVIDER): 1,
            DELIVERED: 1,
        }
        assert told == [
            {
                "delivery_id": (await row(store, schema.deliveries))["id"],
                "event_id": event.id,
                "user_id": "ada",
                "workflow": "welcome",
                "channel": "email",
                "state": "delivered",
                "reason": None,
            }
        ]

    async def test_a_repeat_keeps_nothing_longer(
        self, store: Store, clock: MovableClock, confirming: Confirming
    ) -> None:
        await send_one(store)
        await confirming.by(PROVIDER, ["v-1"])
        first = await row(store, schema.deliveries)
        clock.advance(days=1)

        await confirming.by(PROVIDER, ["v-1"])

        assert await row(store, schema.deliveries) == first

    async def test_what_comes_before_it_is_on_record_is_unknown_and_can_be_asked_again(
        self, store: Store, confirming: Confirming
    ) -> None:
        await add_delivery(store)
        claimed = await claim_one(store)

        early = await confirming.by(PROVIDER, ["v-1"])
        await store.settle([await sent(store, claimed, provider_id="v-1")])

        assert early == unknown("v-1")
        assert await confirming.by(PROVIDER, early.unknown) == known("v-1")

    async def test_another_providers_id_is_unknown(
        self, store: Store, confirming: Confirming
    ) -> None:
        await send_one(store)

        assert await confirming.by("other", ["v-1"]) == unknown("v-1")
        assert (await row(store, schema.deliveries))["state"] == "sent"

    async def test_each_of_many_has_its_answer_in_the_order_asked(
        self, store: Store, confirming: Confirming
    ) -> None:
        first, second, third = await send_many(store, 3)

        confirmed = await confirming.by(PROVIDER, [third, "b", first, "a", third])

        assert confirmed == Confirmed(delivered=(third, first), unknown=("b", "a"))
        states = {each["provider_id"]: each for each in await rows(store, schema.deliveries)}
        assert states[second]["state"] == "sent"

    async def test_as_many_as_may_be_are_taken_at_once(self, confirming: Confirming) -> None:
        ids = [f"v-{number}" for number in range(MOST_IDS)]

        assert await confirming.by(PROVIDER, ids) == unknown(*ids)
        for wrong in ([*ids, "v"], [], "v-1", [""], ["two\nlines"], ["x" * 501], ["\0"]):
            with pytest.raises(InvalidInput):
                await confirming.by(PROVIDER, wrong)
        with pytest.raises(InvalidInput):
            await confirming.by("", ["v-1"])

    async def test_whoever_confirms_at_once_confirms_once(
        self,
        store: Store,
        confirming: Confirming,
        other_confirming: Confirming,
        told: list[Told],
    ) -> None:
        ids = await send_many(store, 100)

        for start in range(0, 100, 100 // _ROUNDS):
            some = ids[start : start + 100 // _ROUNDS]
            answers = await asyncio.gather(
                *[each.by(PROVIDER, some) for each in (confirming, other_confirming) * 2],
                confirming.by(PROVIDER, some[::-1]),
            )
            assert not any(answer.unknown for answer in answers)

        assert (await figures(store))[DELIVERED] == 100
        assert len({each["delivery_id"] for each in told}) == len(told) == 100

    async def test_it_stays_delivered_though_it_is_called_off_meanwhile(
        self, store: Store, other_store: Store, clock: MovableClock, confirming: Confirming
    ) -> None:
        cancelling = Cancelling(other_store, clock=clock, tell=nobody_hears)
        for number in range(_ROUNDS):
            event = await add_delivery(store)
            claimed = await claim_one(store)
            name = f"v-{number}"

            _, confirmed, cancelled = await asyncio.gather(
                settle_at_last(store, await sent(store, claimed, provider_id=name)),
                confirming.by(PROVIDER, [name]),
                cancelling.by(event_id=event.id),
            )

            assert cancelled.deliveries == 0
            again = await confirming.by(PROVIDER, [name])
            assert (confirmed in (known(name), unknown(name)), again) == (True, known(name))

        states = [each["state"] for each in await rows(store, schema.deliveries)]
        assert states == ["delivered"] * _ROUNDS
        assert (await figures(store))[DELIVERED] == _ROUNDS

    async def test_what_is_delivered_is_never_replayed(
        self, store: Store, other_store: Store, confirming: Confirming
    ) -> None:
        for number in range(_ROUNDS):
            claimed = await self._hold_one(store)
            name = f"v-{number}"

            _, _, replayed = await asyncio.gather(
                settle_at_last(store, await sent(store, claimed, provider_id=name)),
                confirming.by(PROVIDER, [name]),
                self._replay(other_store, claimed),
            )

            confirmed = await confirming.by(PROVIDER, [name])
            state = (await row(store, schema.deliveries, id=claimed.id))["state"]
            assert (bool(replayed), confirmed, state) in [
                (False, known(name), "delivered"),
                (True, unknown(name), "pending"),
            ]
            await store.settle([await sent(store, each) for each in await claim(store)])

    async def _hold_one(self, store: Store) -> Claimed:
        """One whose call had no answer, until it comes after all."""
        await add_delivery(store)
        claimed = await claim_one(store)
        silent = await attempt(store, "unknown", error="no answer", finished_at=None)
        held = replace(
            await sent(store, claimed),
            state=DeliveryState.HELD,
            rule=Rule.UNKNOWN_OUTCOME,
            attempt=silent,
        )
        await store.settle([held])
        return claimed

    async def _replay(self, store: Store, claimed: Claimed) -> int:
        now = await store.now()
        return await store.run(
            lambda to: replay(to, Kind.DELIVERY, [claimed.id], by="a", now=now, in_doubt=True)
        )
