"""Claims whose answers are lost: nobody was called, so nobody is held to have died."""

import asyncio
from collections.abc import Collection, Sequence

import pytest

from tests.system.post_office import PostOffice, running, until
from tests.system.troubled_store import TroubledStore
from tidings.core.ids import Ids
from tidings.delivery.lost_claims import LostClaims
from tidings.store import schema


@pytest.fixture
def store(office: PostOffice) -> TroubledStore:
    return TroubledStore(office.store)


async def test_what_they_took_is_sent_once_however_often_the_answer_is_lost(
    office: PostOffice, store: TroubledStore
) -> None:
    await office.plan_welcomes(3)
    store.losing = frozenset({"claim"})

    async with running(office.service(store=store, beat_seconds=0.05, poll_seconds=0.02)):
        await until(lambda: store.done["claim"] >= 4)
        store.losing = frozenset()
        await until(lambda: _all_sent(office))

    deliveries = await office.rows(schema.deliveries)
    assert [(each["lapses"], each["doubt"]) for each in deliveries] == [(0, False)] * 3
    assert len(office.provider.messages) == len(await office.rows(schema.attempts)) == 3


async def test_who_is_to_stop_while_it_claims_leaves_it_to_the_others_at_once(
    office: PostOffice, store: TroubledStore
) -> None:
    await office.plan_welcomes()
    store.withheld = frozenset({"claim"})

    async with running(office.service(store=store, poll_seconds=0.02)):
        await until(lambda: store.done["claim"] >= 1)
    assert await office.states() == ["pending"]

    await office.service().work()

    assert await office.states() == ["sent"]
    assert [each["epoch"] for each in await office.rows(schema.attempts)] == [2]


class SlowToGiveBack(TroubledStore):
    """Counts how often it gives back, and is done when a test says so."""

    async def give_back(self, claims: Collection[str], *, spared: Sequence[str] = ()) -> int:
        self.asked["give_back"] += 1
        await self.released.wait()
        return await self._store.give_back(claims, spared=spared)


async def test_one_that_is_lost_while_others_are_given_back_is_given_back_next(
    office: PostOffice,
) -> None:
    store = SlowToGiveBack(office.store)
    lost = LostClaims(store)
    for number in range(2):
        lost.note(Ids().new(), until=asyncio.get_running_loop().time() + 60)
        if not number:
            giving_back = asyncio.create_task(lost.give_back(spared=()))
            await until(lambda: store.asked["give_back"] == 1)
    store.released.set()
    await giving_back

    for _ in range(2):
        await lost.give_back_new(spared=())

    assert store.asked["give_back"] == 2


async def _all_sent(office: PostOffice) -> bool:
    return set(await office.states()) == {"sent"}
