"""Claiming: due deliveries go into one worker's hands, and come back when it dies."""

import pytest

from tidings.core.models import DeliveryState, Lane, Recipient
from tidings.core.ports import Store
from tidings.core.work import Outcome
from tidings.store import schema
from tidings.testing.clock import MovableClock
from tidings.testing.store_contract.case import CLOCK_TOLERANCE, StoreCase
from tidings.testing.store_contract.given import (
    LEASE,
    add_delivery,
    add_user,
    claim,
    claim_one,
    delete_users,
    figures,
    row,
    rows,
)


class ClaimContract(StoreCase):
    """What `claim` and `beat` must do."""

    async def test_a_due_delivery_comes_with_its_event_and_its_user_of_this_moment(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_user(
            store,
            "ada",
            "ada@example.com",
            name="Ada",
            consent_version=3,
            preferences=[("welcome", "email", False)],
        )
        event = await add_delivery(store, "ada", locale="pl", consent_version=2)

        claimed = await claim_one(store)

        stored = await row(store, schema.deliveries)
        assert (claimed.id, claimed.notification_id) == (stored["id"], stored["notification_id"])
        assert (claimed.epoch, claimed.tries, claimed.event) == (1, 0, event)
        assert (claimed.workflow, claimed.step, claimed.channel) == ("welcome", 0, "email")
        assert (claimed.lane, claimed.address) == (Lane.NORMAL, "ada@example.com")
        assert (claimed.template, claimed.template_version) == ("welcome", "v1")
        assert (claimed.locale, claimed.consent_version) == ("pl", 2)
        assert claimed.recipient == Recipient(
            id="ada",
            name="Ada",
            consent_version=3,
            addresses={"email": ("ada@example.com",)},
            preferences={("welcome", "email"): False},
        )
        assert (stored["state"], stored["epoch"]) == ("sending", 1)
        lease_left = (stored["due_at"] - clock.now()).total_seconds()
        assert abs(lease_left - LEASE) < CLOCK_TOLERANCE.total_seconds()

    async def test_a_user_who_is_gone_is_none(self, store: Store) -> None:
        await add_delivery(store, "ada")
        await delete_users(store)

        claimed = await claim_one(store)

        assert claimed.recipient is None

    async def test_what_is_in_hand_is_not_claimed_again(self, store: Store) -> None:
        await add_delivery(store)

        first, second = await claim(store), await claim(store)

        assert (len(first), len(second)) == (1, 0)

    async def test_only_the_channel_asked_for_is_claimed(self, store: Store) -> None:
        await add_delivery(store, channel="sms")

        emails, messages = await claim(store, channel="email"), await claim(store, channel="sms")

        assert (len(emails), len(messages)) == (0, 1)

    async def test_what_is_due_later_is_left(self, store: Store, clock: MovableClock) -> None:
        later = await store.now()
        clock.advance(minutes=-5)
        await add_delivery(store, due_at=later)

        early = await claim(store)
        clock.advance(minutes=5)
        late = await claim(store)

        assert (len(early), len(late)) == (0, 1)

    async def test_lanes_are_claimed_in_order_and_no_more_than_asked(self, store: Store) -> None:
        for lane in (Lane.BULK, Lane.BULK, Lane.NORMAL, Lane.CRITICAL):
            await add_delivery(store, lane=lane)

        first, second = await claim(store, limit=3), await claim(store, limit=3)

        assert [each.lane for each in first] == [Lane.CRITICAL, Lane.NORMAL, Lane.BULK]
        assert [each.lane for each in second] == [Lane.BULK]

    async def test_a_beat_holds_what_is_in_hand(self, store: Store, clock: MovableClock) -> None:
        await add_delivery(store)
        claimed = await claim(store)
        clock.advance(seconds=LEASE - 1)

        await store.beat(claimed, lease=LEASE)
        clock.advance(seconds=LEASE - 1)
        held = await claim(store)
        clock.advance(seconds=2)
        lapsed = await claim(store)

        assert (len(held), len(lapsed)) == (0, 1)

    async def test_a_beat_for_what_another_has_claimed_holds_nothing(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_delivery(store)
        late = await claim(store)
        clock.advance(seconds=LEASE + 1)
        await claim(store)

        await store.beat(late, lease=1000)
        clock.advance(seconds=LEASE + 1)

        assert [each.epoch for each in await claim(store)] == [3]

    async def test_a_beat_for_what_is_settled_changes_nothing(self, store: Store) -> None:
        await add_delivery(store)
        claimed = await claim_one(store)
        await store.settle([Outcome(claimed=claimed, state=DeliveryState.SENT)])

        await store.beat([claimed], lease=LEASE)
        await store.beat([], lease=LEASE)

        stored = await row(store, schema.deliveries)
        assert (stored["state"], stored["due_at"]) == ("sent", None)


class LapseContract(StoreCase):
    """What `claim` must do with deliveries in dead workers' hands."""

    async def test_a_dead_workers_delivery_is_claimed_again_under_a_new_epoch(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_delivery(store)
        first = await claim_one(store)
        clock.advance(seconds=LEASE + 1)

        again = await claim_one(store)

        assert (again.id, again.epoch, again.tries) == (first.id, 2, 0)
        assert (await row(store, schema.deliveries))["lapses"] == 1

    async def test_the_dead_workers_call_is_on_record_as_unknown(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_delivery(store)
        first = await claim_one(store)
        clock.advance(seconds=LEASE + 1)

        await claim_one(store)

        attempt = await row(store, schema.attempts)
        assert (attempt["delivery_id"], attempt["epoch"]) == (first.id, 1)
        assert (attempt["outcome"], attempt["provider"]) == ("unknown", "unknown")
        assert attempt["error"] == "the worker died before an answer was recorded"
        assert attempt["fenced"] is False

    @pytest.mark.parametrize("together", [False, True])
    async def test_after_three_dead_workers_it_failed_with_a_reason(
        self, store: Store, clock: MovableClock, together: bool
    ) -> None:
        await add_delivery(store)
        for _ in range(3):
            assert len(await claim(store)) == 1
            clock.advance(seconds=LEASE + 1)
        if together:
            await add_delivery(store, "bob")

        last = await claim(store)

        assert [each.recipient and each.recipient.id for each in last] == ["bob"] * together
        stored = await row(store, schema.deliveries, user_id="ada")
        assert (stored["state"], stored["due_at"], stored["lapses"]) == ("failed", None, 3)
        assert stored["reason"]
        epochs = [each["epoch"] for each in await rows(store, schema.attempts)]
        assert epochs == [1, 2, 3]
        assert (await figures(store))["failed", "welcome", "email", ""] == 1
        assert list(await claim(store)) == []
