"""What was called off while a call was under way: the call counts, and there is no other."""

import pytest

from tidings.core.models import DeliveryState
from tidings.core.policy import PERHAPS_ARRIVED, OnUnknown, SendPolicy
from tidings.core.ports import Store
from tidings.core.work import Claimed, Outcome, SettleStatus
from tidings.store import schema
from tidings.store.settling import CALLED_OFF
from tidings.testing.clock import MovableClock
from tidings.testing.store_contract.case import StoreCase
from tidings.testing.store_contract.given import (
    LEASE,
    PROVIDER,
    add_delivery,
    claim,
    claim_one,
    claim_result,
    figures,
    row,
)
from tidings.testing.store_contract.settle import attempt, sent, statuses, to_retry


class CalledOffContract(StoreCase):
    """What `settle` must do with what was called off while a call was under way."""

    async def test_it_gets_no_other_try(self, store: Store) -> None:
        await add_delivery(store)
        claimed = await claim_one(store)
        await self._call_off(store)

        (settled,) = await store.settle([await to_retry(store, claimed)])

        stored = await row(store, schema.deliveries)
        assert (stored["state"], stored["due_at"], stored["rule"]) == (
            "cancelled",
            None,
            "cancelled",
        )
        assert (settled.status, settled.outcome.state) == (SettleStatus.SETTLED, "cancelled")
        assert stored["reason"] == settled.outcome.reason
        assert (await row(store, schema.attempts))["outcome"] == "transient"
        assert (await figures(store))["cancelled", "welcome", "email", "smtp"] == 1

    @pytest.mark.parametrize(
        ("before", "outcome", "reason"),
        [
            (None, None, "It was called off before it was sent."),
            ("transient", None, "It was called off before it was sent."),
            ("unknown", None, f"It was called off, but {PERHAPS_ARRIVED.replace('An', 'an')}"),
            ("unknown", "absent", "It was called off before it was sent."),
            (None, "transient", CALLED_OFF),
            (None, "unknown", f"{CALLED_OFF} {PERHAPS_ARRIVED}"),
            ("unknown", "transient", f"{CALLED_OFF} {PERHAPS_ARRIVED}"),
        ],
    )
    async def test_its_reason_says_whether_a_call_was_under_way_and_may_have_arrived(
        self,
        store: Store,
        clock: MovableClock,
        before: str | None,
        outcome: str | None,
        reason: str,
    ) -> None:
        claimed = await _claim_after(store, clock, before)
        await self._call_off(store)
        given_back = Outcome(claimed=claimed, state=DeliveryState.PENDING)
        end = given_back if outcome is None else await to_retry(store, claimed, outcome)

        (settled,) = await store.settle([end])

        assert settled.outcome.reason == reason
        assert (await row(store, schema.deliveries))["reason"] == reason

    @pytest.mark.parametrize(
        ("before", "outcome", "reason"),
        [
            (None, "unknown", f"{CALLED_OFF} {PERHAPS_ARRIVED}"),
            ("unknown", None, f"It was called off, but {PERHAPS_ARRIVED.replace('An', 'an')}"),
        ],
    )
    async def test_nobody_is_asked_to_decide_what_may_not_be_sent_again(
        self,
        store: Store,
        clock: MovableClock,
        before: str | None,
        outcome: str | None,
        reason: str,
    ) -> None:
        claimed = await _claim_after(store, clock, before)
        await self._call_off(store)
        called = None if outcome is None else await attempt(store, outcome)
        held = Outcome(
            claimed=claimed, state=DeliveryState.HELD, rule="unknown_outcome", attempt=called
        )

        settled = [await store.settle([held]) for _ in range(2)]

        assert [statuses(each) for each in settled] == [
            [SettleStatus.SETTLED],
            [SettleStatus.ALREADY],
        ]
        stored = await row(store, schema.deliveries)
        assert (stored["state"], stored["rule"]) == ("cancelled", "cancelled")
        assert stored["reason"] == settled[0][0].outcome.reason == reason
        assert stored["doubt"] is True
        counted = await figures(store)
        assert [key[0] for key in counted if key[0] in ("held", "cancelled")] == ["cancelled"]

    async def test_what_was_taken_all_the_same_is_sent(self, store: Store) -> None:
        await add_delivery(store)
        claimed = await claim_one(store)
        await self._call_off(store)

        (settled,) = await store.settle([await sent(store, claimed)])

        assert settled.outcome.state == "sent"
        assert (await row(store, schema.deliveries))["state"] == "sent"

    async def test_settling_it_again_changes_nothing(self, store: Store) -> None:
        await add_delivery(store)
        outcome = await to_retry(store, await claim_one(store))
        await self._call_off(store)

        await store.settle([outcome])
        again = await store.settle([outcome])

        assert statuses(again) == [SettleStatus.ALREADY]

    @pytest.mark.parametrize("wish", OnUnknown)
    async def test_what_a_dead_worker_had_in_hand_then_is_cancelled(
        self, store: Store, clock: MovableClock, wish: OnUnknown
    ) -> None:
        await add_delivery(store, policy=SendPolicy(on_unknown=wish))
        await claim(store)
        await self._call_off(store)
        clock.advance(seconds=LEASE + 1)

        result = await claim_result(store)

        (ended,) = result.ended
        stored = await row(store, schema.deliveries)
        assert (result.taken, ended.state, ended.rule) == ([], "cancelled", "cancelled")
        assert (stored["state"], stored["reason"]) == ("cancelled", ended.reason)
        assert ended.reason == f"{CALLED_OFF} {PERHAPS_ARRIVED}"
        assert (await row(store, schema.attempts))["outcome"] == "unknown"
        assert (await figures(store))["cancelled", "welcome", "email", PROVIDER] == 1

    async def _call_off(self, store: Store) -> None:
        statement = schema.deliveries.update().values(cancelled_at=await store.now())
        await store.run(lambda connection: connection.execute(statement).rowcount)


async def _claim_after(store: Store, clock: MovableClock, before: str | None) -> Claimed:
    """A delivery in hand, the call before which ended so, if there was one."""
    await add_delivery(store)
    if before is not None:
        await store.settle([await to_retry(store, await claim_one(store), before)])
        clock.advance(minutes=2)
    return await claim_one(store)
