"""Taking back: what a dead worker left fares as with a claim, also where nobody claims."""

import asyncio
from datetime import timedelta

from tidings.core.models import DeliveryState
from tidings.core.policy import OnUnknown, SendPolicy
from tidings.core.ports import Store
from tidings.core.work import Outcome, SettleStatus, Swept
from tidings.store import schema
from tidings.store.lapses import LEFT_SECONDS
from tidings.testing.clock import MovableClock
from tidings.testing.store_contract.case import StoreCase
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

#: seconds after which what a dead worker claimed is taken back
LEFT = LEASE + LEFT_SECONDS + 1


class TakeBackContract(StoreCase):
    """What `sweep` must do with what dead workers left."""

    async def test_it_is_pending_again_with_its_provider_and_in_doubt(
        self, store: Store, clock: MovableClock
    ) -> None:
        event = await add_delivery(store)
        await _leave(store, clock)

        (back,) = (await sweep(store)).taken_back

        assert (back.event, back.provider, back.lapses, back.doubt) == (event, PROVIDER, 1, True)
        stored = await row(store, schema.deliveries)
        assert (stored["state"], stored["epoch"], stored["provider"]) == ("pending", 1, PROVIDER)
        assert (stored["lapses"], stored["doubt"], stored["tries"]) == (1, True, 0)
        attempt = await row(store, schema.attempts)
        assert (attempt["epoch"], attempt["outcome"]) == (1, "unknown")
        assert attempt["error"] == "the worker died before an answer was recorded"
        assert attempt["started_at"] == stored["claimed_at"]
        assert await sweep(store) == Swept(taken_back=[], ended=[])

    async def test_it_is_claimed_next_as_if_it_had_been_taken_over_at_once(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_delivery(store)
        await _leave(store, clock)
        await sweep(store)

        again = await claim_one(store, providers=("west", PROVIDER))

        assert (again.epoch, again.lapses, again.doubt) == (2, 1, True)
        assert (again.provider, again.answered) == (PROVIDER, False)

    async def test_a_claim_has_the_first_chance(self, store: Store, clock: MovableClock) -> None:
        await add_delivery(store)
        await claim(store)
        clock.advance(seconds=LEASE + 1)

        assert (await sweep(store)).taken_back == []
        assert (await claim_one(store)).epoch == 2

    async def test_only_what_is_left_on_that_channel_is_taken_back(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_delivery(store, "eve")
        await claim(store, lease=600)
        await add_delivery(store, "ada", channel="push")
        await claim(store, channel="push")
        await add_delivery(store, "bob")
        await _leave(store, clock)

        (back,) = (await sweep(store)).taken_back

        assert back.event.user_id == "bob"

    async def test_what_is_in_the_sweepers_own_hands_is_spared(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_delivery(store)
        await add_delivery(store)
        mine, other = await claim(store)
        clock.advance(seconds=LEFT)

        swept = await store.sweep("email", limit=1, spared=[mine.id])

        assert [each.id for each in swept.taken_back] == [other.id]
        assert statuses(await store.settle([await sent(store, mine)])) == [SettleStatus.SETTLED]

    async def test_no_backlog_stands_before_what_was_taken_back(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_delivery(store, "ada")
        await claim(store)
        for user in ("bob", "eve"):
            clock.advance(seconds=1)
            await add_delivery(store, user)
        clock.advance(seconds=LEFT)
        await sweep(store)

        assert (await claim_one(store, limit=1)).event.user_id == "ada"

    async def test_a_failure_that_comes_after_it_changes_no_state_and_is_kept(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_delivery(store)
        late = await claim_one(store)
        clock.advance(seconds=LEFT)
        await sweep(store)
        outcome = await to_retry(store, late)

        settled = [await store.settle([outcome]) for _ in range(2)]

        assert [statuses(each) for each in settled] == [[SettleStatus.OVERTAKEN]] * 2
        stored = await row(store, schema.deliveries)
        assert (stored["state"], stored["doubt"], stored["tries"]) == ("pending", True, 0)
        attempt = await row(store, schema.attempts)
        assert (attempt["outcome"], attempt["fenced"]) == ("transient", True)

    async def test_a_late_worker_neither_gives_it_back_nor_holds_nor_reads_it(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_delivery(store)
        late = await claim_one(store)
        clock.advance(seconds=LEFT)
        await sweep(store)
        before = await row(store, schema.deliveries)

        settled = await store.settle(
            [Outcome(claimed=late, state=DeliveryState.PENDING, due_in=60.0)]
        )
        await store.beat([late], lease=LEASE)

        assert statuses(settled) == [SettleStatus.OVERTAKEN]
        assert list(await store.reread([late])) == [None]
        assert await row(store, schema.deliveries) == before

    async def test_what_is_to_be_sent_at_most_once_is_held(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_delivery(store, policy=SendPolicy(on_unknown=OnUnknown.HOLD))
        late = await claim_one(store)
        clock.advance(seconds=LEFT)

        swept = await sweep(store)

        await _has_ended(store, swept, "held", "unknown_outcome")
        assert (await row(store, schema.deliveries))["doubt"] is True
        assert statuses(await store.settle([await sent(store, late)])) == [SettleStatus.SETTLED]

    async def test_what_three_workers_died_with_has_failed(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_delivery(store)
        for _ in range(2):
            await _leave(store, clock)
            await sweep(store)
        await _leave(store, clock)

        swept = await sweep(store)

        await _has_ended(store, swept, "failed", "workers_died")
        attempts = await rows(store, schema.attempts)
        assert [(each["epoch"], each["outcome"]) for each in attempts] == [
            (1, "unknown"),
            (2, "unknown"),
            (3, "unknown"),
        ]

    async def test_what_was_called_off_is_cancelled(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_delivery(store)
        late = await claim_one(store)
        now = await store.now()
        off = schema.deliveries.update().values(cancelled_at=now)
        await store.run(lambda connection: connection.execute(off).rowcount)
        clock.advance(seconds=LEFT)

        swept = await sweep(store)

        await _has_ended(store, swept, "cancelled", "cancelled")
        for outcome in (await sent(store, late), await to_retry(store, late)):
            assert statuses(await store.settle([outcome])) == [SettleStatus.OVERTAKEN]
        assert (await row(store, schema.deliveries))["state"] == "cancelled"

    async def test_what_is_of_no_use_any_more_expires_at_once(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_delivery(store, expires_at=await store.now() + timedelta(seconds=5))
        await _leave(store, clock)

        swept = await sweep(store)

        assert [each.lapses for each in swept.taken_back] == [1]
        assert [(each.state, each.claimed.lapses) for each in swept.ended] == [("expired", 1)]
        stored = await row(store, schema.deliveries)
        assert (stored["state"], stored["doubt"]) == ("expired", True)
        assert (await row(store, schema.attempts))["outcome"] == "unknown"

    async def test_each_is_taken_back_once_however_many_look(
        self, store: Store, other_store: Store, clock: MovableClock
    ) -> None:
        for number in range(10):
            await add_delivery(store, f"user{number}")
        await _leave(store, clock)

        swept = await asyncio.gather(*[sweep(each) for each in (store, other_store) * 2])

        ids = [each.id for few in swept for each in few.taken_back]
        assert len(ids) == len(set(ids)) == 10
        assert {each["lapses"] for each in await rows(store, schema.deliveries)} == {1}


async def sweep(store: Store) -> Swept:
    """Sweep the e-mails."""
    return await store.sweep("email", limit=100)


async def _leave(store: Store, clock: MovableClock) -> None:
    """A worker claims what there is, and dies."""
    await claim(store)
    clock.advance(seconds=LEFT)


async def _has_ended(store: Store, swept: Swept, state: str, rule: str) -> None:
    (outcome,) = swept.ended
    stored = await row(store, schema.deliveries)
    assert (swept.taken_back, outcome.state, outcome.rule) == ([], state, rule)
    assert (stored["state"], stored["rule"], stored["reason"]) == (state, rule, outcome.reason)
    assert stored["due_at"] is None
    assert (await figures(store))[state, "welcome", "email", PROVIDER] == 1
