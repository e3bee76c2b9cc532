"""A yes that comes late: what a provider took is not called again, whoever has it by then."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from tidings.core.ids import Ids
from tidings.core.models import DeliveryState
from tidings.core.policy import USUAL, OnUnknown, SendPolicy
from tidings.core.ports import Store
from tidings.core.work import Claimed, Outcome, Settled, SettleStatus
from tidings.store import schema
from tidings.store.dead_letter_rows import Kind
from tidings.store.replays import replay
from tidings.store.settling import TAKEN
from tidings.testing.clock import MovableClock
from tidings.testing.store_contract.case import StoreCase
from tidings.testing.store_contract.given import (
    LEASE,
    add_delivery,
    claim,
    claim_one,
    claim_result,
    figures,
    row,
    rows,
)
from tidings.testing.store_contract.settle import (
    attempt,
    sent,
    settle_at_last,
    statuses,
    to_retry,
)
from tidings.testing.store_contract.take_back import LEFT, sweep

#: who took it, and under which id
YES = {"provider": "east", "provider_id": "<late@example.com>"}
_MUCH_LATER = 1_000


class LateYesContract(StoreCase):
    """What a yes must do that comes when a later claim, or nobody, has the delivery."""

    @pytest.mark.parametrize("word", ["sent", "found"])
    async def test_what_was_taken_back_is_sent(
        self, store: Store, clock: MovableClock, word: str
    ) -> None:
        await add_delivery(store)
        late = await claim_one(store)
        clock.advance(seconds=LEFT)
        await sweep(store)
        yes = await sent(store, late, outcome=word, **YES)

        settled = [await store.settle([yes]) for _ in range(2)]

        assert [statuses(each) for each in settled] == [
            [SettleStatus.SETTLED],
            [SettleStatus.ALREADY],
        ]
        await _is_sent_for_good(store, clock, settled[0][0])
        (kept,) = await rows(store, schema.attempts)
        assert (kept["outcome"], kept["fenced"]) == (word, False)

    @pytest.mark.parametrize("end", ["transient", "unknown", "absent"])
    async def test_what_waits_for_its_next_call_is_sent(
        self, store: Store, clock: MovableClock, end: str
    ) -> None:
        late, in_time = await _two_hands(store, clock)
        await store.settle([await to_retry(store, in_time, end)])

        (settled,) = await store.settle([await sent(store, late, **YES)])

        await _is_sent_for_good(store, clock, settled)
        kept = [(each["outcome"], each["fenced"]) for each in await rows(store, schema.attempts)]
        assert kept == [("sent", False), (end, False)]

    async def test_what_was_replayed_in_doubt_is_sent(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_delivery(store)
        for _ in range(3):
            late = await claim_one(store)
            clock.advance(seconds=LEFT)
            await sweep(store)
        await _replay(store, late)

        (settled,) = await store.settle([await sent(store, late, **YES)])

        await _is_sent_for_good(store, clock, settled)

    async def test_what_a_later_call_left_held_is_sent(
        self, store: Store, clock: MovableClock
    ) -> None:
        late, in_time = await _two_hands(store, clock, SendPolicy(on_unknown=OnUnknown.CHECK))
        unknown = replace(
            await to_retry(store, in_time, "unknown"),
            state=DeliveryState.HELD,
            rule="unknown_outcome",
        )
        await store.settle([unknown])

        (settled,) = await store.settle([await sent(store, late, **YES)])

        await _is_sent_for_good(store, clock, settled)

    @pytest.mark.parametrize("state", ["suppressed", "expired", "cancelled", "failed"])
    async def test_what_came_to_another_end_stays_so(
        self, store: Store, clock: MovableClock, state: str
    ) -> None:
        late, in_time = await _two_hands(store, clock)
        await store.settle([Outcome(claimed=in_time, state=DeliveryState(state), rule="some")])

        (settled,) = await store.settle([await sent(store, late, **YES)])

        assert settled.status is SettleStatus.OVERTAKEN
        stored = await row(store, schema.deliveries)
        assert (stored["state"], stored["rule"]) == (state, "some")

    async def test_while_another_has_it_in_hand_it_is_noted_and_not_read_again(
        self, store: Store, clock: MovableClock
    ) -> None:
        late, in_time = await _two_hands(store, clock)

        (settled,) = await store.settle([await sent(store, late, **YES)])

        assert settled.status is SettleStatus.OVERTAKEN
        stored = await row(store, schema.deliveries)
        assert (stored["state"], stored["epoch"], stored["rule"]) == ("sending", 2, "taken")
        assert (await row(store, schema.attempts))["fenced"] is True
        assert list(await store.reread([in_time])) == [None]

    @pytest.mark.parametrize("state", ["pending", "failed", "held", "expired", "suppressed"])
    @pytest.mark.parametrize("word", ["transient", "unknown", None])
    async def test_the_call_then_under_way_is_the_last_however_it_ends(
        self, store: Store, clock: MovableClock, state: str, word: str | None
    ) -> None:
        late, in_time = await _two_hands(store, clock)
        await store.settle([await sent(store, late, **YES)])
        called = None if word is None else await attempt(store, word, provider="west")
        end = Outcome(
            claimed=in_time, state=DeliveryState(state), reason="no", due_in=60, attempt=called
        )

        (settled,) = await store.settle([end])

        assert (settled.outcome.claimed, settled.outcome.attempt) == (in_time, called)
        await _is_sent_for_good(store, clock, settled)

    async def test_called_off_meanwhile_it_is_sent_all_the_same(
        self, store: Store, clock: MovableClock
    ) -> None:
        late, in_time = await _two_hands(store, clock)
        await store.settle([await sent(store, late, **YES)])
        off = schema.deliveries.update().values(cancelled_at=await store.now())
        await store.run(lambda connection: connection.execute(off).rowcount)

        (settled,) = await store.settle([await to_retry(store, in_time)])

        await _is_sent_for_good(store, clock, settled)

    async def test_a_later_yes_counts_as_what_it_is(
        self, store: Store, clock: MovableClock
    ) -> None:
        late, in_time = await _two_hands(store, clock)
        await store.settle([await sent(store, late, **YES)])

        await store.settle([await sent(store, in_time, provider_id="<second@example.com>")])

        stored = await row(store, schema.deliveries)
        assert (stored["state"], stored["reason"], stored["rule"]) == ("sent", None, None)
        assert (stored["provider"], stored["provider_id"]) == ("smtp", "<second@example.com>")
        assert (await figures(store))["sent", "welcome", "email", "smtp"] == 1

    async def test_both_answers_may_come_at_once(self, store: Store, clock: MovableClock) -> None:
        late, in_time = await _two_hands(store, clock)
        both = [await to_retry(store, in_time), await sent(store, late, **YES)]

        settled = await store.settle(both)

        assert statuses(settled) == [SettleStatus.SETTLED, SettleStatus.OVERTAKEN]
        await _is_sent_for_good(store, clock, settled[0])

    async def test_whoever_settles_first_it_is_not_called_again(
        self, store: Store, other_store: Store, clock: MovableClock
    ) -> None:
        for number in range(10):
            await add_delivery(store, f"user{number}")
        late = await claim(store)
        clock.advance(seconds=LEASE + 1)
        in_time = await claim(store)
        retries = [settle_at_last(store, await to_retry(store, each)) for each in in_time]
        yeses = [settle_at_last(other_store, await sent(store, each, **YES)) for each in late]

        await asyncio.gather(*retries, *yeses)

        assert {each["state"] for each in await rows(store, schema.deliveries)} == {"sent"}
        assert (await figures(store))["sent", "welcome", "email", "east"] == 10

    @pytest.mark.parametrize(
        "ends", [lambda store: claim_result(store), lambda store: sweep(store)]
    )
    async def test_it_is_sent_when_the_worker_dies_that_has_it(
        self, store: Store, clock: MovableClock, ends: Callable[[Store], Awaitable[Any]]
    ) -> None:
        late, _ = await _two_hands(store, clock)
        await store.settle([await sent(store, late, **YES)])
        clock.advance(seconds=LEFT)

        (ended,) = (await ends(store)).ended

        await _is_sent_for_good(store, clock, Settled(outcome=ended, status=SettleStatus.SETTLED))
        assert [each["outcome"] for each in await rows(store, schema.attempts)] == [
            "sent",
            "unknown",
        ]

    async def test_it_is_sent_when_the_claim_was_lost_that_took_it(
        self, store: Store, clock: MovableClock
    ) -> None:
        lost = Ids().new()
        late, _ = await _two_hands(store, clock, id=lost)
        await store.settle([await sent(store, late, **YES)])
        await store.give_back([lost])

        (ended,) = (await claim_result(store)).ended

        await _is_sent_for_good(store, clock, Settled(outcome=ended, status=SettleStatus.SETTLED))


async def _two_hands(
    store: Store,
    clock: MovableClock,
    policy: SendPolicy = USUAL,
    **request: Any,
) -> tuple[Claimed, Claimed]:
    """One that a worker stood still with for too long, and as another has it in hand since."""
    await add_delivery(store, policy=policy)
    late = await claim_one(store)
    clock.advance(seconds=LEASE + 1)
    return late, await claim_one(store, **request)


async def _replay(store: Store, claimed: Claimed) -> None:
    now = await store.now()

    def work(connection: sa.Connection) -> int:
        return replay(connection, Kind.DELIVERY, [claimed.id], by="a test", now=now, in_doubt=True)

    assert await store.run(work) == 1


async def _is_sent_for_good(store: Store, clock: MovableClock, settled: Settled) -> None:
    """By the one who said yes, counted once, told as such, and nobody takes it again."""
    assert settled.status is SettleStatus.SETTLED
    told = settled.outcome
    assert (told.state, told.reason, told.rule, told.due_in) == ("sent", TAKEN, "taken", 0.0)
    stored = await row(store, schema.deliveries)
    assert (stored["state"], stored["due_at"]) == ("sent", None)
    assert (stored["reason"], stored["rule"]) == (TAKEN, "taken")
    assert {name: stored[name] for name in YES} == YES
    counted = await figures(store)
    assert counted["sent", "welcome", "email", "east"] == 1
    clock.advance(seconds=_MUCH_LATER)
    result = await claim_result(store)
    assert (list(result.taken), list(result.ended)) == ([], [])
