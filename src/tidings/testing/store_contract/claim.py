"""Claiming: due deliveries go into one worker's hands, and come back when it dies."""

from datetime import timedelta

import pytest

from tidings.core.models import DeliveryState, Lane, Recipient
from tidings.core.policy import OnUnknown, RetryRule, SendPolicy
from tidings.core.ports import Store
from tidings.core.work import Attempt, ClaimResult, Outcome
from tidings.store import schema
from tidings.testing.clock import MovableClock
from tidings.testing.store_contract.case import CLOCK_TOLERANCE, StoreCase
from tidings.testing.store_contract.given import (
    LEASE,
    PROVIDER,
    add_delivery,
    add_user,
    claim,
    claim_one,
    claim_result,
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
        assert stored["provider"] == PROVIDER
        assert abs(stored["claimed_at"] - clock.now()) < CLOCK_TOLERANCE
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

    async def test_only_the_lanes_asked_for_are_claimed(self, store: Store) -> None:
        for lane in (Lane.BULK, Lane.CRITICAL):
            await add_delivery(store, lane=lane)

        critical = await claim(store, lanes=(Lane.CRITICAL,))
        others = await claim(store, lanes=(Lane.NORMAL, Lane.BULK))

        assert [each.lane for each in critical] == [Lane.CRITICAL]
        assert [each.lane for each in others] == [Lane.BULK]

    async def test_what_the_planner_wants_of_the_sending_comes_with_the_claim(
        self, store: Store
    ) -> None:
        now = await store.now()
        policy = SendPolicy(on_unknown=OnUnknown.CHECK, retry=RetryRule(attempts=3, max_age=60.0))
        await add_delivery(store, "ada", policy=policy, expires_at=now + timedelta(hours=1))
        await add_delivery(store, "bob")

        ada, bob = await claim(store)

        assert (ada.policy, ada.expires_at) == (policy, now + timedelta(hours=1))
        assert (bob.policy, bob.expires_at) == (SendPolicy(), None)
        assert abs(ada.created_at - now) < CLOCK_TOLERANCE
        assert (ada.cancelled, ada.doubt, ada.provider) == (False, False, PROVIDER)

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
        await store.beat([first], lease=LEASE)
        claimed_at = (await row(store, schema.deliveries))["claimed_at"]
        clock.advance(seconds=LEASE + 1)

        await claim_one(store)

        attempt = await row(store, schema.attempts)
        assert (attempt["delivery_id"], attempt["epoch"]) == (first.id, 1)
        assert (attempt["outcome"], attempt["provider"]) == ("unknown", PROVIDER)
        assert attempt["started_at"] == claimed_at
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

        last = await claim_result(store)

        taken = [each.recipient and each.recipient.id for each in last.taken]
        assert taken == ["bob"] * together
        given_up = [(each.claimed.event.user_id, each.claimed.epoch) for each in last.ended]
        assert given_up == [("ada", 3)]
        assert [(each.state, each.rule) for each in last.ended] == [("failed", "workers_died")]
        stored = await row(store, schema.deliveries, user_id="ada")
        assert (stored["state"], stored["due_at"], stored["lapses"]) == ("failed", None, 3)
        assert (stored["reason"], stored["rule"]) == (last.ended[0].reason, "workers_died")
        epochs = [each["epoch"] for each in await rows(store, schema.attempts)]
        assert epochs == [1, 2, 3]
        assert (await figures(store))["failed", "welcome", "email", PROVIDER] == 1
        assert await claim_result(store) == ClaimResult(taken=[], ended=[])

    async def test_what_two_workers_died_with_is_taken_alone(
        self, store: Store, clock: MovableClock
    ) -> None:
        for user in ("ada", "bob", "eve"):
            await add_delivery(store, user)
        for _ in range(2):
            assert len(await claim(store)) == 3
            clock.advance(seconds=LEASE + 1)
        await add_delivery(store, "dan")

        batches = [await claim(store) for _ in range(4)]

        assert [[each.lapses for each in taken] for taken in batches] == [[2], [2], [2], [0]]
        assert len({each.id for taken in batches for each in taken}) == 4

    async def test_what_is_due_before_is_taken_without_the_one_that_is_taken_alone(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_delivery(store, "ada")
        for _ in range(2):
            await claim(store)
            clock.advance(seconds=LEASE + 1)
        for user in ("bob", "eve"):
            await add_delivery(store, user, lane=Lane.CRITICAL)

        first, second = await claim(store), await claim(store)

        assert sorted(each.event.user_id or "" for each in first) == ["bob", "eve"]
        assert [(each.event.user_id, each.lapses) for each in second] == [("ada", 2)]

    async def test_no_backlog_stands_before_what_a_dead_worker_left(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_delivery(store, "ada")
        await claim(store)
        for user in ("bob", "eve", "dan"):
            await add_delivery(store, user)
        clock.advance(seconds=LEASE + 1)

        first = await claim(store, limit=2)

        assert [each.event.user_id for each in first] == ["ada", "bob"]

    async def test_an_answered_call_makes_the_lapses_forgotten(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_delivery(store)
        for _ in range(2):
            await claim(store)
            clock.advance(seconds=LEASE + 1)
        now = await store.now()
        call = Attempt(provider=PROVIDER, outcome="transient", started_at=now, finished_at=now)

        await store.settle(
            [
                Outcome(claimed=each, state=DeliveryState.PENDING, attempt=call)
                for each in await claim(store)
            ]
        )

        assert [(each.lapses, each.tries) for each in await claim(store)] == [(0, 1)]

    async def test_a_call_without_an_answer_leaves_the_lapses(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_delivery(store)
        await claim(store)
        clock.advance(seconds=LEASE + 1)
        given_back = Outcome(claimed=await claim_one(store), state=DeliveryState.PENDING)

        await store.settle([given_back])

        assert [each.lapses for each in await claim(store)] == [1]

    async def test_what_is_to_be_sent_at_most_once_is_held_when_its_worker_dies(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_delivery(store, "ada", policy=SendPolicy(on_unknown=OnUnknown.HOLD))
        await add_delivery(store, "bob")
        await claim(store)
        clock.advance(seconds=LEASE + 1)

        result = await claim_result(store)

        assert [each.event.user_id for each in result.taken] == ["bob"]
        (held,) = result.ended
        assert (held.claimed.event.user_id, held.state) == ("ada", "held")
        stored = await row(store, schema.deliveries, user_id="ada")
        assert (stored["state"], stored["due_at"], stored["epoch"]) == ("held", None, 1)
        assert (stored["reason"], stored["rule"]) == (held.reason, "unknown_outcome")
        assert stored["doubt"] is True
        attempt = await row(store, schema.attempts, delivery_id=held.claimed.id)
        assert (attempt["epoch"], attempt["outcome"]) == (1, "unknown")
        assert (await figures(store))["held", "welcome", "email", PROVIDER] == 1
