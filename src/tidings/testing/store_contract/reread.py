"""Reading again what is in hand: what changed since the claim is seen before the call."""

from dataclasses import replace
from datetime import timedelta

from tidings.core.ports import Store
from tidings.notifications.cancelling import Cancelling
from tidings.testing.clock import MovableClock
from tidings.testing.store_contract.case import StoreCase
from tidings.testing.store_contract.given import (
    LEASE,
    add_delivery,
    claim,
    claim_one,
    delete_users,
    nobody_hears,
)
from tidings.testing.store_contract.settle import sent, to_retry
from tidings.users.people import Preference
from tidings.users.service import UserService


class RereadContract(StoreCase):
    """What `reread` must do."""

    async def test_what_nobody_changed_is_as_it_was_claimed(self, store: Store) -> None:
        await add_delivery(store)
        claimed = await claim_one(store)

        assert await store.reread([claimed]) == [claimed]

    async def test_each_reading_says_what_time_it_was_by_the_clock_of_the_database(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_delivery(store)
        before = await store.now()
        claimed = await claim_one(store)
        clock.advance(hours=1)
        (again,) = await store.reread([claimed])

        assert again is not None
        assert before <= claimed.read_at < again.read_at <= await store.now()
        assert again.read_at - claimed.read_at >= timedelta(hours=1)

    async def test_an_opt_out_since_the_claim_is_seen(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_delivery(store)
        claimed = await claim_one(store)
        off = Preference(workflow="*", channel="*", enabled=False)
        await UserService(store, clock=clock).set_preferences("ada", [off])

        (again,) = await store.reread([claimed])

        assert again is not None
        assert again.recipient is not None
        assert again.recipient.preferences == {("*", "*"): False}
        assert again.recipient.consent_version > again.consent_version

    async def test_being_called_off_since_the_claim_is_seen(
        self, store: Store, clock: MovableClock
    ) -> None:
        event = await add_delivery(store)
        claimed = await claim_one(store)
        await Cancelling(store, clock=clock, tell=nobody_hears).by(event_id=event.id)

        (again,) = await store.reread([claimed])

        assert again is not None
        assert again.cancelled

    async def test_a_user_who_is_gone_since_the_claim_is_none(self, store: Store) -> None:
        await add_delivery(store)
        claimed = await claim_one(store)
        await delete_users(store)

        (again,) = await store.reread([claimed])

        assert again is not None
        assert again.recipient is None

    async def test_what_is_settled_or_another_workers_is_not_in_hand(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_delivery(store)
        first = await claim_one(store)
        await store.settle([await to_retry(store, first)])
        assert await store.reread([first]) == [None]

        clock.advance(seconds=61)
        second = await claim_one(store)
        clock.advance(seconds=LEASE + 1)
        third = await claim_one(store)
        assert await store.reread([second, third]) == [None, third]

        await store.settle([await sent(store, third)])
        assert await store.reread([third]) == [None]

    async def test_each_of_many_has_its_own_answer_in_the_order_asked(
        self, store: Store, clock: MovableClock
    ) -> None:
        events = [await add_delivery(store) for _ in range(3)]
        by_event = {each.event.id: each for each in await claim(store)}
        first, second, third = (by_event[event.id] for event in events)
        await Cancelling(store, clock=clock, tell=nobody_hears).by(event_id=second.event.id)
        await store.settle([await sent(store, third)])

        again = await store.reread([third, second, first])

        assert again == [None, replace(second, cancelled=True), first]
