"""Giving back: what claims took whose answers were lost is due again, as if they had never been."""

from tidings.core.ids import Ids
from tidings.core.ports import Store
from tidings.store import schema
from tidings.testing.clock import MovableClock
from tidings.testing.store_contract.case import StoreCase
from tidings.testing.store_contract.given import (
    LEASE,
    add_delivery,
    claim,
    claim_one,
    row,
    rows,
)
from tidings.testing.store_contract.settle import sent

LOST, OTHER = Ids().new(), Ids().new()


class GiveBackContract(StoreCase):
    """What `give_back` must do with what nobody knows to have."""

    async def test_it_is_no_death_and_leaves_no_doubt(self, store: Store) -> None:
        await add_delivery(store)
        await claim(store, id=LOST)

        assert await store.give_back([LOST]) == 1

        assert (await row(store, schema.deliveries))["state"] == "pending"
        assert await rows(store, schema.attempts) == []
        again = await claim_one(store)
        assert (again.epoch, again.tries, again.lapses, again.doubt) == (2, 0, 0, False)

    async def test_a_doubt_there_was_before_stays(self, store: Store, clock: MovableClock) -> None:
        await add_delivery(store)
        await claim(store)
        clock.advance(seconds=LEASE + 1)
        await claim(store, id=LOST)

        assert await store.give_back([LOST]) == 1

        again = await claim_one(store)
        assert (again.epoch, again.lapses, again.doubt) == (3, 1, True)

    async def test_what_others_claimed_stays_theirs(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_delivery(store)
        await claim(store, id=OTHER)
        await add_delivery(store)
        await claim(store, id=LOST)
        clock.advance(seconds=LEASE + 1)
        taken_over = await claim_one(store, id=OTHER, limit=1)

        assert await store.give_back([LOST]) == 1

        states = {each["claim_id"]: each["state"] for each in await rows(store, schema.deliveries)}
        assert states == {OTHER: "sending", LOST: "pending"}
        assert taken_over.epoch == 2

    async def test_what_is_in_hand_or_over_or_waits_stays_as_it_is(self, store: Store) -> None:
        await add_delivery(store)
        await store.settle([await sent(store, await claim_one(store, id=LOST))])
        await add_delivery(store)
        in_hand = await claim_one(store, id=LOST)
        await add_delivery(store)

        assert await store.give_back([LOST], spared=[in_hand.id]) == 0
        assert await store.give_back([]) == 0

        left = sorted(each["state"] for each in await rows(store, schema.deliveries))
        assert left == ["pending", "sending", "sent"]
