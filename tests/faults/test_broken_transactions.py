"""Planning is broken off at its COMMIT, or held there: what is not committed is never sent."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.faults import crew
from tests.faults.checker import judge
from tests.faults.ends import opened, read_ends, until_settled
from tests.faults.extent import extent
from tests.faults.fleet import Fleet
from tests.faults.proxy import FaultProxy, target_of, through
from tests.faults.proxy_ways import Cut, Way
from tests.faults.registrations import addresses, register_all
from tidings.core.errors import Unavailable
from tidings.core.ports import Store
from tidings.settings import load_settings
from tidings.store.schema import deliveries
from tidings.system import System
from tidings.wiring import open_system

#: planning transactions that are broken off
ABORTS, NUMBER = extent(20, 500), 50
#: seconds that each statement takes on its way to the database
HELD = 0.4

pytestmark = [
    pytest.mark.slow,
    pytest.mark.full,
    pytest.mark.fault("F5"),
    pytest.mark.timeout(extent(120, 600)),
]


@pytest.fixture
def fleet(tmp_path: Path, postgres_url: str, redis_url: str) -> Iterator[Fleet]:
    """It accepts and sends; whoever plans is in the test's own process."""
    settings = {"TIDINGS_DATABASE_URL": postgres_url, "TIDINGS_REDIS_URL": redis_url}
    with Fleet(tmp_path, settings) as fleet:
        fleet.start_api()
        fleet.start("channel", *crew.CHANNEL)
        yield fleet


@asynccontextmanager
async def planning_through(proxy: FaultProxy, database: str, redis: str) -> AsyncIterator[System]:
    settings = load_settings(database_url=through(proxy, database), redis_url=redis)
    async with open_system(settings, publish=True) as system:
        await system.notifications.plan_due()
        yield system


async def test_nothing_is_sent_of_a_plan_that_was_not_committed(
    fleet: Fleet, postgres_url: str, redis_url: str, tell: list[str]
) -> None:
    with FaultProxy(target_of(postgres_url)) as proxy:
        async with planning_through(proxy, postgres_url, redis_url) as system:
            asked = await register_all(fleet.url, addresses(NUMBER))
            proxy.harm(up=Way(cut=Cut(at=b"COMMIT", passing=False, times=ABORTS)))
            while proxy.cuts < ABORTS:
                with suppress(Unavailable):
                    await system.notifications.plan_due()
            async with opened(postgres_url) as store:
                planned, sent = await store.run(count), len(fleet.provider.taken)

                proxy.harm(up=Way(latency=HELD))
                planning = asyncio.create_task(system.notifications.plan_due())
                began, visible_after = time.time(), await last_moment_without(store)
                await planning
                proxy.heal()
                await until_settled(store)
                verdict = judge(asked, fleet.provider.taken, await read_ends(store))
    first = min(call.at for call in fleet.provider.taken)
    tell.append(
        f"F5 {ABORTS} plans broken off at COMMIT: {planned} deliveries, {sent} sent; "
        f"one held for {visible_after - began:.1f} s: first sent {first - visible_after:.2f} s "
        f"after that; {verdict}"
    )
    assert planned == sent == 0
    assert visible_after - began > HELD
    assert first >= visible_after
    assert not verdict.broken
    assert not verdict.explained


async def last_moment_without(store: Store) -> float:
    """The last time at which no delivery was to be seen, in seconds since 1970."""
    async with asyncio.timeout(30):
        asked_at = time.time()
        while not await store.run(count):
            asked_at = time.time()
            await asyncio.sleep(0.005)
    return asked_at


def count(connection: sa.Connection) -> int:
    """How many deliveries there are."""
    return connection.scalars(sa.select(sa.func.count()).select_from(deliveries)).one()
