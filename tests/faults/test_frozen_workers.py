"""A worker stands still for longer than its lease, and comes back with results nobody waits for."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.faults import crew
from tests.faults.checker import judge
from tests.faults.ends import opened, read_ends, until_settled
from tests.faults.extent import extent
from tests.faults.fleet import Fleet, until
from tests.faults.provider_script import Answer, Script
from tests.faults.registrations import addresses, register_all
from tidings.store.schema import attempts, deliveries

NUMBER = extent(30, 500)
#: a worker's slots, one of which is for critical messages alone; deliveries the frozen one has
SLOTS, IN_HAND = 10, 9
#: seconds it stands still
FROZEN = extent(4.0, 60.0)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.fault("F13"),
    pytest.mark.timeout(extent(120, 300)),
]


@pytest.fixture
def fleet(tmp_path: Path, postgres_url: str, redis_url: str) -> Iterator[Fleet]:
    settings = {"TIDINGS_DATABASE_URL": postgres_url, "TIDINGS_REDIS_URL": redis_url, **crew.PACE}
    settings["TIDINGS_SLOTS"] = str(SLOTS)
    with Fleet(tmp_path, settings) as fleet:
        fleet.start_api()
        yield fleet


async def test_the_results_of_a_worker_that_stood_still_change_nothing(
    fleet: Fleet, postgres_url: str, tell: list[str]
) -> None:
    crew.start(fleet, crew.crew())
    fleet.provider.play(Script(answer=Answer.SILENT))
    asked = await register_all(fleet.url, addresses(NUMBER))
    await fleet.until_taken(IN_HAND)

    fleet.freeze("channel-1")
    frozen_at = time.monotonic()
    fleet.provider.play(Script())
    fleet.start("channel-2", *crew.CHANNEL)
    await until(lambda: len(reached(fleet)) == NUMBER, "everybody is reached", fleet.log)
    async with opened(postgres_url) as store:
        await until_settled(store)
        ended = await store.run(states)
        await asyncio.sleep(frozen_at + FROZEN - time.monotonic())
        fleet.thaw("channel-1")
        async with asyncio.timeout(20):
            while await store.run(fenced) < IN_HAND:
                await asyncio.sleep(0.05)
        again = await register_all(fleet.url, ["latecomer@example.com"])
        await fleet.until_taken(NUMBER + IN_HAND + 1)
        await until_settled(store)

        verdict = judge(asked | again, fleet.provider.taken, await read_ends(store))
        late, changed = await store.run(fenced), ended.items() - (await store.run(states)).items()
    tell.append(
        f"F13 a worker frozen for {FROZEN:g} s with {IN_HAND} in hand: {len(asked)} accepted, "
        f"{verdict}; {late} late results kept, {len(changed)} of them changed anything"
    )
    assert late == IN_HAND
    assert not changed
    assert not verdict.broken
    assert verdict.explained.total() == IN_HAND


def reached(fleet: Fleet) -> set[str]:
    return {call.address for call in fleet.provider.taken}


def states(connection: sa.Connection) -> dict[str, tuple[str, int, object]]:
    """Each delivery's state, epoch and when it was written."""
    rows = sa.select(
        deliveries.c.id, deliveries.c.state, deliveries.c.epoch, deliveries.c.updated_at
    )
    return {id_: (state, epoch, at) for id_, state, epoch, at in connection.execute(rows)}


def fenced(connection: sa.Connection) -> int:
    """Attempts whose result came too late."""
    outcomes = Counter(connection.scalars(sa.select(attempts.c.outcome).where(attempts.c.fenced)))
    return outcomes.total()
