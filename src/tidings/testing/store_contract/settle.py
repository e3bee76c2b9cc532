"""Settling: every outcome is written once, under the epoch it was claimed with."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from tidings.core.models import DeliveryState
from tidings.core.ports import Store
from tidings.core.work import Attempt, Claimed, Outcome, Settled, SettleStatus
from tidings.store import schema
from tidings.store.settling import TAKEN
from tidings.testing.clock import MovableClock
from tidings.testing.store_contract.case import StoreCase
from tidings.testing.store_contract.given import (
    LEASE,
    add_delivery,
    claim,
    claim_one,
    figures,
    row,
    rows,
)


async def attempt(store: Store, outcome: str = "sent", **changes: Any) -> Attempt:
    """One provider call that just ended."""
    finished = await store.now()
    values: dict[str, Any] = {
        "provider": "smtp",
        "outcome": outcome,
        "started_at": finished - timedelta(seconds=1),
        "finished_at": finished,
    }
    return Attempt(**(values | changes))


async def sent(store: Store, claimed: Claimed, **changes: Any) -> Outcome:
    """The provider took it."""
    return Outcome(
        claimed=claimed, state=DeliveryState.SENT, attempt=await attempt(store, **changes)
    )


async def to_retry(store: Store, claimed: Claimed, outcome: str = "transient") -> Outcome:
    """The call failed, and is to be repeated in a minute."""
    return Outcome(
        claimed=claimed,
        state=DeliveryState.PENDING,
        reason="the server is busy",
        due_in=60,
        attempt=await attempt(store, outcome, error="421 busy"),
    )


async def settle_at_last(store: Store, outcome: Outcome) -> Settled:
    """Settle it, again and again while somebody has its row locked."""
    while True:
        (settled,) = await store.settle([outcome])
        if settled.status is not SettleStatus.BUSY:
            return settled
        await asyncio.sleep(0)


def statuses(settled: Sequence[Settled]) -> list[SettleStatus]:
    """What became of each."""
    return [each.status for each in settled]


class SettleContract(StoreCase):
    """What `settle` must do."""

    async def test_a_sent_delivery_is_at_its_end_with_its_attempt(self, store: Store) -> None:
        await add_delivery(store)
        claimed = await claim_one(store)
        outcome = await sent(store, claimed, provider_id="<m1@example.com>")

        (settled,) = await store.settle([outcome])

        assert (settled.outcome, settled.status) == (outcome, SettleStatus.SETTLED)
        stored = await row(store, schema.deliveries)
        assert (stored["state"], stored["reason"], stored["due_at"]) == ("sent", None, None)
        assert (stored["provider"], stored["provider_id"]) == ("smtp", "<m1@example.com>")
        kept = await row(store, schema.attempts)
        assert (kept["delivery_id"], kept["epoch"], kept["outcome"]) == (claimed.id, 1, "sent")
        assert (kept["provider_id"], kept["fenced"]) == ("<m1@example.com>", False)
        assert outcome.attempt is not None
        assert kept["started_at"] == outcome.attempt.started_at
        assert kept["finished_at"] == outcome.attempt.finished_at

    @pytest.mark.parametrize("state", ["failed", "suppressed", "expired", "cancelled", "held"])
    async def test_every_end_keeps_its_reason(self, store: Store, state: str) -> None:
        await add_delivery(store)
        claimed = await claim_one(store)

        await store.settle(
            [
                Outcome(
                    claimed=claimed,
                    state=DeliveryState(state),
                    reason="the user opted out",
                    rule="preference",
                )
            ]
        )

        stored = await row(store, schema.deliveries)
        assert (stored["state"], stored["due_at"]) == (state, None)
        assert (stored["reason"], stored["rule"]) == ("the user opted out", "preference")
        assert stored["tries"] == 0
        assert await rows(store, schema.attempts) == []
        assert await figures(store) == {
            ("planned", "welcome", "", ""): 1,
            (state, "welcome", "email", ""): 1,
        }

    @pytest.mark.parametrize("outcome", ["transient", "unknown"])
    async def test_a_retry_is_due_when_it_says_and_counts_the_try(
        self, store: Store, clock: MovableClock, outcome: str
    ) -> None:
        await add_delivery(store)
        await store.settle([await to_retry(store, await claim_one(store), outcome)])

        early = await claim(store)
        clock.advance(seconds=61)
        again = await claim_one(store)

        assert list(early) == []
        assert (again.epoch, again.tries) == (2, 1)
        stored = await row(store, schema.deliveries)
        assert (stored["reason"], stored["provider"]) == ("the server is busy", "smtp")
        assert (await row(store, schema.attempts))["error"] == "421 busy"
        assert (await figures(store))["retried", "welcome", "email", "smtp"] == 1

    async def test_a_question_is_on_record_and_is_no_try(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_delivery(store)
        await claim(store)
        clock.advance(seconds=LEASE + 1)
        claimed = await claim_one(store)

        absent = await attempt(store, "absent", error="smtp said no")
        await store.settle([Outcome(claimed=claimed, state=DeliveryState.PENDING, attempt=absent)])

        again = await claim_one(store)
        assert (again.epoch, again.tries, again.lapses, again.doubt) == (3, 0, 1, False)
        assert [each["outcome"] for each in await rows(store, schema.attempts)] == [
            "unknown",
            "absent",
        ]
        assert await figures(store) == {("planned", "welcome", "", ""): 1}

    async def test_what_is_given_back_is_due_and_no_try(self, store: Store) -> None:
        await add_delivery(store)
        claimed = await claim_one(store)

        await store.settle([Outcome(claimed=claimed, state=DeliveryState.PENDING)])

        again = await claim_one(store)
        assert (again.epoch, again.tries) == (2, 0)
        assert await rows(store, schema.attempts) == []
        assert await figures(store) == {("planned", "welcome", "", ""): 1}

    async def test_answers_come_in_the_order_given_and_rows_get_their_own(
        self, store: Store
    ) -> None:
        for number in range(50):
            await add_delivery(store, f"user{number}")
        claimed = sorted(await claim(store), key=lambda each: each.id, reverse=True)
        outcomes = [await sent(store, each, provider_id=each.id) for each in claimed]

        settled = await store.settle(outcomes)

        assert [each.outcome for each in settled] == outcomes
        assert {each.status for each in settled} == {SettleStatus.SETTLED}
        stored = await rows(store, schema.deliveries)
        assert all(each["provider_id"] == each["id"] for each in stored)
        assert (await figures(store))["sent", "welcome", "email", "smtp"] == 50

    async def test_nothing_to_settle_is_no_trouble(self, store: Store) -> None:
        assert list(await store.settle([])) == []


class FenceContract(StoreCase):
    """What `settle` must do with outcomes that come too late."""

    async def test_a_late_outcome_changes_no_state_and_is_kept_as_an_attempt(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_delivery(store)
        late = await claim_one(store)
        clock.advance(seconds=LEASE + 1)
        in_time = await claim_one(store)

        settled = await store.settle([await sent(store, late, provider_id="late")])

        assert statuses(settled) == [SettleStatus.OVERTAKEN]
        assert settled[0].fenced
        stored = await row(store, schema.deliveries)
        assert (stored["state"], stored["epoch"]) == ("sending", in_time.epoch)
        kept = await row(store, schema.attempts)
        assert (kept["epoch"], kept["outcome"], kept["fenced"]) == (1, "sent", True)
        assert (kept["provider"], kept["provider_id"], kept["error"]) == ("smtp", "late", None)
        assert (await figures(store)).get(("sent", "welcome", "email", "smtp")) is None

    async def test_the_later_claims_outcome_still_counts(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_delivery(store)
        late = await claim_one(store)
        clock.advance(seconds=LEASE + 1)
        in_time = await claim_one(store)

        settled = await store.settle([await sent(store, late), await sent(store, in_time)])

        assert statuses(settled) == [SettleStatus.OVERTAKEN, SettleStatus.SETTLED]
        assert (await row(store, schema.deliveries))["state"] == "sent"
        kept = [(each["epoch"], each["fenced"]) for each in await rows(store, schema.attempts)]
        assert kept == [(1, True), (2, False)]

    async def test_settling_twice_counts_once(self, store: Store) -> None:
        await add_delivery(store)
        claimed = await claim_one(store)
        await store.settle([await sent(store, claimed, provider_id="first")])

        again = await store.settle([await sent(store, claimed, outcome="unknown")])

        assert statuses(again) == [SettleStatus.OVERTAKEN]
        kept = await row(store, schema.attempts)
        assert (kept["outcome"], kept["provider_id"], kept["fenced"]) == ("sent", "first", False)
        assert (await figures(store))["sent", "welcome", "email", "smtp"] == 1

    @pytest.mark.parametrize("end", [sent, to_retry])
    async def test_what_is_settled_again_because_its_answer_was_lost_was_settled_already(
        self, store: Store, end: Callable[[Store, Claimed], Awaitable[Outcome]]
    ) -> None:
        await add_delivery(store)
        outcome = await end(store, await claim_one(store))
        await store.settle([outcome])
        before = await row(store, schema.deliveries)

        again = await store.settle([outcome, outcome])

        assert statuses(again) == [SettleStatus.ALREADY] * 2
        assert not again[0].fenced
        assert await row(store, schema.deliveries) == before
        assert (await row(store, schema.attempts))["fenced"] is False

    async def test_what_was_settled_and_claimed_again_was_settled_already(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_delivery(store)
        outcome = await to_retry(store, await claim_one(store))
        await store.settle([outcome])
        clock.advance(seconds=61)
        await claim_one(store)
        before = await row(store, schema.deliveries)

        again = await store.settle([outcome])

        assert statuses(again) == [SettleStatus.ALREADY]
        assert await row(store, schema.deliveries) == before
        assert len(await rows(store, schema.attempts)) == 1

    async def test_an_end_without_a_call_is_known_again_too(self, store: Store) -> None:
        await add_delivery(store)
        outcome = Outcome(claimed=await claim_one(store), state=DeliveryState.SUPPRESSED)
        await store.settle([outcome])

        again = await store.settle([outcome])

        assert statuses(again) == [SettleStatus.ALREADY]

    async def test_what_was_given_up_meanwhile_is_overtaken(
        self, store: Store, clock: MovableClock
    ) -> None:
        late = await self._given_up(store, clock)
        retry = await to_retry(store, late)

        settled = [await store.settle([retry]) for _ in range(2)]

        assert [statuses(each) for each in settled] == [[SettleStatus.OVERTAKEN]] * 2
        assert (await row(store, schema.deliveries))["state"] == "failed"

    async def test_what_was_given_up_meanwhile_and_had_been_taken_is_sent(
        self, store: Store, clock: MovableClock
    ) -> None:
        taken = await sent(store, await self._given_up(store, clock))

        settled = [await store.settle([taken]) for _ in range(2)]

        assert [statuses(each) for each in settled] == [
            [SettleStatus.SETTLED],
            [SettleStatus.ALREADY],
        ]
        stored = await row(store, schema.deliveries)
        assert (stored["state"], stored["reason"], stored["rule"]) == ("sent", TAKEN, "taken")
        assert (await rows(store, schema.attempts))[-1]["outcome"] == "sent"

    async def _given_up(self, store: Store, clock: MovableClock) -> Claimed:
        """What the third worker had in hand, which was taken for dead."""
        await add_delivery(store)
        for _ in range(3):
            late = await claim_one(store)
            clock.advance(seconds=LEASE + 1)
        await claim(store)
        return late

    async def test_a_repeated_outcome_counts_once(self, store: Store) -> None:
        await add_delivery(store)
        outcome = await sent(store, await claim_one(store))

        settled = await store.settle([outcome, outcome])

        assert statuses(settled) == [SettleStatus.SETTLED, SettleStatus.ALREADY]
        assert (await figures(store))["sent", "welcome", "email", "smtp"] == 1

    async def test_of_two_outcomes_in_one_batch_the_first_counts(self, store: Store) -> None:
        await add_delivery(store)
        claimed = await claim_one(store)

        settled = await store.settle([await sent(store, claimed), await to_retry(store, claimed)])

        assert statuses(settled) == [SettleStatus.SETTLED, SettleStatus.OVERTAKEN]
        assert (await row(store, schema.deliveries))["state"] == "sent"
        assert (await row(store, schema.attempts))["outcome"] == "sent"

    async def test_a_delivery_that_is_gone_is_fenced(self, store: Store) -> None:
        await add_delivery(store)
        claimed = await claim_one(store)
        await store.run(lambda to: to.execute(schema.deliveries.delete()).rowcount)

        settled = await store.settle([Outcome(claimed=claimed, state=DeliveryState.SENT)])

        assert statuses(settled) == [SettleStatus.OVERTAKEN]
        assert settled[0].fenced


class FoldContract(StoreCase):
    """What `fold` must do."""

    async def test_deltas_are_folded_once_and_add_up(self, store: Store) -> None:
        for user in ("ada", "bob"):
            await add_delivery(store, user)
            claimed = await claim_one(store)
            await store.settle([await sent(store, claimed)])
        first = await figures(store)
        await add_delivery(store, "eve")

        folded, again = await store.fold(), await store.fold()

        assert first == {
            ("planned", "welcome", "", ""): 2,
            ("sent", "welcome", "email", "smtp"): 2,
        }
        assert (folded, again) == (1, 0)
        assert sum((await figures(store)).values()) == 5
        assert await rows(store, schema.figure_deltas) == []
