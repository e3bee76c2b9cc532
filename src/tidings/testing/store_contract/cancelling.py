"""Calling off: whatever was not called yet is not called any more, whoever has it in hand."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest
import sqlalchemy as sa

from tidings.core.delivery_news import Told
from tidings.core.errors import InvalidInput, NotFound, Unavailable
from tidings.core.ids import derived
from tidings.core.models import DeliveryState, Lane
from tidings.core.ports import Store
from tidings.core.work import Claimed, DueNotification, PlannedNotification
from tidings.notifications.cancel_rows import Cancelled
from tidings.notifications.cancelling import Cancelling
from tidings.store import definitions, schema
from tidings.testing.clock import MovableClock
from tidings.testing.store_contract.case import StoreCase
from tidings.testing.store_contract.given import (
    accept,
    add_delivery,
    add_event,
    add_user,
    an_acceptance,
    an_event,
    claim,
    claim_one,
    figures,
    nobody_hears,
    plan,
    row,
    rows,
    waiting,
)
from tidings.testing.store_contract.settle import sent, to_retry

#: how often what may cross is let cross
_ROUNDS = 20


class _Meanwhile:
    """A store where something happens after each of the first five transactions."""

    def __init__(self, store: Store, happen: Callable[[], Awaitable[None]]) -> None:
        self._store = store
        self._happen = happen
        self._left = 5

    @classmethod
    def of(cls, store: Store, happen: Callable[[], Awaitable[None]]) -> Store:
        """As who works on it takes it."""
        return cast("Store", cls(store, happen))

    async def run(self, work: Callable[[sa.Connection], Any]) -> Any:
        result = await self._store.run(work)
        if self._left:
            self._left -= 1
            await self._happen()
        return result


async def _break_off() -> None:
    raise Unavailable("the database went away")


class CancellingContract(StoreCase):
    """What calling off must do on every store."""

    @pytest.fixture
    def told(self) -> list[Told]:
        """What was told of deliveries."""
        return []

    @pytest.fixture
    def cancelling(self, store: Store, clock: MovableClock, told: list[Told]) -> Cancelling:
        """What is under test."""
        return Cancelling(store, clock=clock, tell=told.extend)

    async def test_an_event_that_is_due_is_never_planned(
        self, store: Store, cancelling: Cancelling
    ) -> None:
        await add_user(store, "ada")
        event = an_event(store, user_id="ada")
        await accept(store, event)

        cancelled = await cancelling.by(event_id=event.id)

        assert cancelled == Cancelled(events=1)
        assert (await plan(store)).plans == []
        stored = await row(store, schema.events)
        assert (stored["state"], stored["due_at"]) == ("cancelled", None)
        assert stored["reason"] == "It was called off before it was sent."

    async def test_a_wait_ends_with_the_decision(
        self, store: Store, clock: MovableClock, cancelling: Cancelling
    ) -> None:
        await add_user(store, "ada")
        event = an_event(store, user_id="ada")
        await accept(store, event)
        await plan(store, waiting(60))

        cancelled = await cancelling.by(event_id=event.id)

        assert cancelled == Cancelled(notifications=1)
        clock.advance(seconds=61)
        assert await self._resumed(store) == []
        stored = await row(store, schema.notifications)
        assert (stored["state"], stored["due_at"]) == ("cancelled", None)
        assert [each["rule"] for each in stored["decisions"]] == ["workflow", "cancelled"]
        assert (await figures(store))["cancelled", "welcome", "", ""] == 1

    async def test_what_was_to_be_sent_is_not(self, store: Store, cancelling: Cancelling) -> None:
        event = await add_delivery(store)

        cancelled = await cancelling.by(event_id=event.id)

        assert cancelled == Cancelled(deliveries=1)
        assert list(await claim(store)) == []
        stored = await row(store, schema.deliveries)
        assert (stored["state"], stored["due_at"]) == ("cancelled", None)
        assert (stored["rule"], stored["reason"]) == (
            "cancelled",
            "It was called off before it was sent.",
        )
        assert (await figures(store))["cancelled", "welcome", "email", ""] == 1

    async def test_of_many_deliveries_those_that_ended_are_told_once(
        self, store: Store, cancelling: Cancelling, told: list[Told]
    ) -> None:
        await add_user(store, "ada", "ada@example.com")
        ids = [f"parcel-{number}" for number in range(5)]
        events = [an_event(store, user_id="ada", id=each) for each in ids]
        await store.accept([an_acceptance(each, cancel_key="order-1") for each in events])
        await plan(store)
        in_hand = {each.event.id for each in await claim(store, limit=2)}

        for _ in range(2):
            await cancelling.by(cancel_key="order-1")

        assert sorted(each["event_id"] for each in told) == sorted(set(ids) - in_hand)
        kept = {each["id"]: each for each in await rows(store, schema.deliveries)}
        for each in told:
            row = kept[each["delivery_id"]]
            assert {name: each[name] for name in ("user_id", "workflow", "channel")} == {
                name: row[name] for name in ("user_id", "workflow", "channel")
            }
            assert (each["state"], each["reason"]) == (row["state"], row["reason"])
            assert row["state"] == "cancelled"

    async def test_what_may_have_been_sent_says_so(
        self, store: Store, cancelling: Cancelling, told: list[Told]
    ) -> None:
        event = await add_delivery(store)
        await store.settle([await to_retry(store, await claim_one(store), "unknown")])

        await cancelling.by(event_id=event.id)

        stored = await row(store, schema.deliveries)
        assert (stored["state"], stored["reason"]) == (
            "cancelled",
            "It was called off, but an earlier call of it may have arrived.",
        )
        assert [each["reason"] for each in told] == [stored["reason"]]

    async def test_what_is_being_sent_is_counted_and_gets_no_other_try(
        self, store: Store, cancelling: Cancelling
    ) -> None:
        event = await add_delivery(store)
        claimed = await claim_one(store)

        cancelled = await cancelling.by(event_id=event.id)

        assert cancelled == Cancelled(under_way=1)
        await store.settle([await to_retry(store, claimed)])
        assert (await row(store, schema.deliveries))["state"] == "cancelled"

    async def test_what_has_ended_stays_as_it_ended(
        self, store: Store, cancelling: Cancelling
    ) -> None:
        event = await add_delivery(store)
        await store.settle([await sent(store, await claim_one(store))])

        assert await cancelling.by(event_id=event.id) == Cancelled()
        assert (await row(store, schema.deliveries))["state"] == "sent"

    async def test_what_failed_can_not_be_brought_back(
        self, store: Store, cancelling: Cancelling
    ) -> None:
        event = await add_delivery(store)
        outcome = await to_retry(store, await claim_one(store))
        await store.settle([replace(outcome, state=DeliveryState.HELD)])
        unplanned = await add_event(store, "ada")
        await self._end_unplanned(store, unplanned.key)

        gone = [await cancelling.by(event_id=each.id) for each in (event, unplanned, event)]

        assert gone == [Cancelled(dead=1), Cancelled(events=1), Cancelled()]
        held = await row(store, schema.deliveries)
        assert (held["state"], held["cancelled_at"] is not None) == ("held", True)
        assert (await row(store, schema.events, id=unplanned.key))["state"] == "cancelled"

    async def test_a_notification_is_called_off_alone(
        self, store: Store, cancelling: Cancelling
    ) -> None:
        first, _ = await add_delivery(store), await add_delivery(store)

        await cancelling.by(notification_id=derived(first.key, "welcome", "ada"))

        deliveries = await rows(store, schema.deliveries)
        assert sorted(each["state"] for each in deliveries) == ["cancelled", "pending"]

    async def test_a_key_calls_off_all_that_came_under_it_and_nothing_else(
        self, store: Store, cancelling: Cancelling
    ) -> None:
        await add_user(store, "ada")
        keys = [*["order-1"] * 250, "order-2", None]
        await store.accept(
            [an_acceptance(an_event(store, user_id="ada"), cancel_key=key) for key in keys]
        )

        cancelled = await cancelling.by(cancel_key="order-1")
        again = await cancelling.by(cancel_key="order-1")
        unknown = await cancelling.by(cancel_key="order-3")

        assert cancelled == Cancelled(events=250)
        assert again == unknown == Cancelled()
        left = await rows(store, schema.events, state="due")
        assert {each["cancel_key"] for each in left} == {"order-2", None}

    async def test_what_comes_under_a_key_meanwhile_is_no_part_and_does_not_keep_it_going(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_user(store, "ada")
        await self._come(store, 250)
        busy = Cancelling(
            _Meanwhile.of(store, lambda: self._come(store, 200)), clock=clock, tell=nobody_hears
        )

        cancelled = await busy.by(cancel_key="order-1")

        assert cancelled == Cancelled(events=250)
        assert len(await rows(store, schema.events, state="due")) == 400

    async def test_ids_of_a_senders_own_choice_do_not_move_where_it_ends(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_user(store, "ada")
        await self._come_either_way(store)
        meanwhile = _Meanwhile.of(store, lambda: self._come_either_way(store))
        busy = Cancelling(meanwhile, clock=clock, tell=nobody_hears)

        cancelled = await busy.by(cancel_key="order-1")

        assert cancelled == Cancelled(events=250)
        assert len(await rows(store, schema.events, state="due")) == 500

    async def test_a_key_that_was_broken_off_is_called_off_so_far_and_may_be_again(
        self, store: Store, clock: MovableClock, cancelling: Cancelling
    ) -> None:
        await add_user(store, "ada")
        await self._come(store, 250)
        broken = Cancelling(_Meanwhile.of(store, _break_off), clock=clock, tell=nobody_hears)

        with pytest.raises(Unavailable):
            await broken.by(cancel_key="order-1")
        so_far = await rows(store, schema.events, state="cancelled")
        again = await cancelling.by(cancel_key="order-1")

        assert (len(so_far), again) == (200, Cancelled(events=50))

    async def _come_either_way(self, store: Store) -> None:
        await self._come(store, 220)
        await self._come(store, 30, own=True)

    async def _come(self, store: Store, count: int, *, own: bool = False) -> None:
        events = [an_event(store, user_id="ada") for _ in range(count)]
        if own:
            events = [replace(each, id=f"parcel-{each.id}") for each in events]
        await store.accept([an_acceptance(each, cancel_key="order-1") for each in events])

    async def test_what_there_is_not_can_not_be_called_off(self, cancelling: Cancelling) -> None:
        with pytest.raises(NotFound):
            await cancelling.by(event_id="unheard-of")
        with pytest.raises(NotFound):
            await cancelling.by(notification_id="019aaf3e-6a00-8000-8000-000000000001")
        with pytest.raises(NotFound):
            await cancelling.by(notification_id="no uuid")

    async def test_it_must_be_named_in_one_way(self, cancelling: Cancelling) -> None:
        with pytest.raises(InvalidInput):
            await cancelling.by()
        with pytest.raises(InvalidInput):
            await cancelling.by(cancel_key="k", event_id="e")

    async def test_whoever_plans_and_sends_meanwhile_calls_nothing_afterwards(
        self, store: Store, other_store: Store, clock: MovableClock, cancelling: Cancelling
    ) -> None:
        await add_user(store, "ada", "ada@example.com")
        for number in range(_ROUNDS):
            key = f"order-{number}"
            await store.accept(
                [
                    an_acceptance(an_event(store, user_id="ada"), cancel_key=key, lane=lane)
                    for lane in Lane
                ]
            )

            _, cancelled, taken = await asyncio.gather(
                plan(other_store), cancelling.by(cancel_key=key), claim(other_store)
            )

            await self._require_called_off(store, cancelled, taken)
            await store.settle([await sent(store, each) for each in taken])

    async def _require_called_off(
        self, store: Store, cancelled: Cancelled, taken: Sequence[Claimed]
    ) -> None:
        assert list((await plan(store)).plans) == []
        assert list(await claim(store)) == []
        sending = await rows(store, schema.deliveries, state="sending")
        assert {each["id"] for each in sending} <= {each.id for each in taken}
        assert cancelled.events + cancelled.deliveries + cancelled.under_way == 3
        assert cancelled.under_way == len(sending)

    async def _end_unplanned(self, store: Store, key: str) -> None:
        failed = schema.events.update().where(schema.events.c.id == key)
        statement = failed.values(state="failed", due_at=None)
        await store.run(lambda to: to.execute(statement).close())

    async def _resumed(self, store: Store) -> list[PlannedNotification]:
        def decide(_due: DueNotification) -> PlannedNotification:
            raise AssertionError("nothing is due")

        stamp = await store.run(definitions.read)
        return list((await store.resume(limit=10, definitions=stamp, decide=decide)).resumed)
