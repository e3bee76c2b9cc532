"""Expiring: what is of no use any more ends, also where nobody claims."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from tidings.core.ports import Store
from tidings.core.work import Outcome, SettleStatus
from tidings.store import schema
from tidings.testing.clock import MovableClock
from tidings.testing.store_contract.case import CLOCK_TOLERANCE, StoreCase
from tidings.testing.store_contract.given import (
    LEASE,
    PROVIDER,
    add_delivery,
    claim,
    claim_one,
    figures,
    row,
    rows,
)
from tidings.testing.store_contract.settle import sent, statuses, to_retry


class ExpireContract(StoreCase):
    """What `sweep` must do with what is of no use any more."""

    async def test_it_ends_in_words_and_counts_with_no_call(
        self, store: Store, clock: MovableClock
    ) -> None:
        expires_at = await _perishable(store)
        clock.advance(seconds=60)

        (outcome,) = await expire(store)

        stored = await row(store, schema.deliveries)
        assert (stored["state"], stored["rule"], stored["due_at"]) == ("expired", "expired", None)
        assert stored["reason"] == f"It was of use until {expires_at:%Y-%m-%d %H:%M:%S} UTC only."
        assert abs(stored["updated_at"] - clock.now()) < CLOCK_TOLERANCE
        assert (outcome.state, outcome.rule, outcome.reason) == (
            stored["state"],
            stored["rule"],
            stored["reason"],
        )
        assert (outcome.attempt, outcome.claimed.provider) == (None, "")
        assert await rows(store, schema.attempts) == []
        assert (await figures(store))["expired", "welcome", "email", ""] == 1
        assert await expire(store) == []

    async def test_it_comes_with_its_event_and_its_user(
        self, store: Store, clock: MovableClock
    ) -> None:
        now = await store.now()
        event = await add_delivery(store, "ada", expires_at=now + timedelta(seconds=60))
        clock.advance(seconds=60)

        (outcome,) = await expire(store)

        assert (outcome.claimed.event, outcome.claimed.workflow) == (event, "welcome")
        assert outcome.claimed.recipient is not None
        assert outcome.claimed.recipient.id == "ada"

    async def test_what_waits_for_another_try_expires_too_and_keeps_its_attempt(
        self, store: Store, clock: MovableClock
    ) -> None:
        await _perishable(store)
        await store.settle([await to_retry(store, await claim_one(store))])
        clock.advance(seconds=60)

        (outcome,) = await expire(store)

        assert outcome.claimed.provider == PROVIDER
        assert len(await rows(store, schema.attempts)) == 1
        assert (await figures(store))["expired", "welcome", "email", ""] == 1
        assert await claim(store) == []

    async def test_what_expires_and_may_have_been_sent_says_so(
        self, store: Store, clock: MovableClock
    ) -> None:
        expires_at = await _perishable(store)
        await store.settle([await to_retry(store, await claim_one(store), "unknown")])
        clock.advance(seconds=60)

        (outcome,) = await expire(store)

        stored = await row(store, schema.deliveries)
        until = f"It was of use until {expires_at:%Y-%m-%d %H:%M:%S} UTC only."
        assert stored["reason"] == f"{until} An earlier call of it may have arrived."
        assert outcome.reason == stored["reason"]

    async def test_only_what_is_out_of_date_on_that_channel_expires(
        self, store: Store, clock: MovableClock
    ) -> None:
        now = await store.now()
        await add_delivery(store, "ada")
        await add_delivery(store, "ben", expires_at=now + timedelta(seconds=120))
        await add_delivery(store, "eve", expires_at=now, channel="push")
        clock.advance(seconds=60)

        assert await expire(store) == []
        assert len(await claim(store)) == 2

    async def test_what_is_in_hand_is_its_workers_to_end(
        self, store: Store, clock: MovableClock
    ) -> None:
        await _perishable(store)
        claimed = await claim_one(store, lease=600)
        clock.advance(seconds=60)

        assert await expire(store) == []
        assert statuses(await store.settle([await sent(store, claimed)])) == [SettleStatus.SETTLED]

    async def test_a_late_answer_does_not_raise_it_again(
        self, store: Store, clock: MovableClock
    ) -> None:
        await _perishable(store)
        claimed = await claim_one(store)
        await store.settle([await to_retry(store, claimed)])
        clock.advance(seconds=60 + LEASE)
        await expire(store)

        late = await store.settle([await sent(store, claimed)])

        assert statuses(late) == [SettleStatus.OVERTAKEN]
        assert (await row(store, schema.deliveries))["state"] == "expired"

    async def test_no_more_at_once_than_was_asked_for_the_oldest_first(
        self, store: Store, clock: MovableClock
    ) -> None:
        now = await store.now()
        for seconds in (30, 10, 20):
            await add_delivery(store, f"user{seconds}", expires_at=now + timedelta(seconds=seconds))
        clock.advance(seconds=60)

        ended = [await expire(store, limit=2) for _ in range(3)]

        users = [{each.claimed.event.user_id for each in few} for few in ended]
        assert users == [{"user10", "user20"}, {"user30"}, set()]

    async def test_each_ends_once_however_many_look(
        self, store: Store, clock: MovableClock
    ) -> None:
        for _ in range(10):
            await _perishable(store)
        clock.advance(seconds=60)

        found = await asyncio.gather(*[expire(store) for _ in range(4)])

        ids = [outcome.claimed.id for few in found for outcome in few]
        assert len(ids) == len(set(ids)) == 10
        assert (await figures(store))["expired", "welcome", "email", ""] == 10


async def expire(store: Store, *, limit: int = 100) -> Sequence[Outcome]:
    """Sweep; what came to its end."""
    return (await store.sweep("email", limit=limit)).ended


async def _perishable(store: Store) -> datetime:
    """A due delivery that is of use for a minute; until when."""
    expires_at = await store.now() + timedelta(seconds=60)
    await add_delivery(store, expires_at=expires_at)
    return expires_at
