"""Redis loses what it had acknowledged: by a power cut, or because a replica takes its place."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import crew
from tests.faults.checker import judge
from tests.faults.ends import opened, read_ends, until_settled
from tests.faults.extent import extent
from tests.faults.fleet import Fleet
from tests.faults.redis_power import DurableRedis, flushed, open_durable_redis
from tests.faults.registrations import registering
from tests.faults.replicas import Pair

PACE = extent(60.0, 200.0)
CUTS, FAILOVERS = extent(2, 20), extent(1, 5)
#: seconds of load before each
WARM = 1.5

pytestmark = [pytest.mark.slow, pytest.mark.full, pytest.mark.timeout(extent(120, 600))]


@pytest.fixture
def durable() -> Iterator[DurableRedis]:
    server = open_durable_redis()
    yield server
    server.close()


@pytest.mark.fault("F8")
async def test_what_redis_loses_in_a_power_cut_is_sent_all_the_same(
    tmp_path: Path, postgres_url: str, durable: DurableRedis, tell: list[str]
) -> None:
    lost: list[int] = []
    settings = {"TIDINGS_DATABASE_URL": postgres_url, "TIDINGS_REDIS_URL": durable.url}
    with Fleet(tmp_path, settings) as fleet:
        crew.start(fleet, crew.crew())
        fleet.start_api()
        async with registering(fleet.url, pace=PACE) as asked:
            for _ in range(CUTS):
                await asyncio.to_thread(durable.watch)
                await asyncio.sleep(WARM)
                lost.append(await asyncio.to_thread(durable.cut_power))
                await asyncio.to_thread(durable.start)

        async with opened(postgres_url) as store:
            await until_settled(store)
            verdict = judge(asked, fleet.provider.taken, await read_ends(store))
    tell.append(
        f"F8 {CUTS} power cuts of Redis (everysec): {sum(lost)} acknowledged bytes lost, "
        f"{len(asked)} accepted, {verdict}"
    )
    assert sum(lost) > 0
    assert not verdict.broken
    assert not verdict.explained


def test_a_flush_counts_what_was_written_before_it_began() -> None:
    trace = [
        "7 write(8</x.incr.aof>, ..., 100) = 100",
        "9 fdatasync(8</x.incr.aof> <unfinished ...>",
        "7 write(8</x.incr.aof>, ..., 50) = 50",
        "9 <... fdatasync resumed>) = 0",
        "7 write(8</x.incr.aof>, ..., 25) = 25",
        "9 fdatasync(8</x.incr.aof> <unfinished ...>",
    ]

    assert flushed(trace) == 100
    assert flushed([*trace, "9 <... fdatasync resumed>) = 0"]) == 175


@pytest.mark.fault("F9")
async def test_what_a_replica_never_heard_is_sent_all_the_same(
    tmp_path: Path, postgres_url: str, tell: list[str]
) -> None:
    lost = 0
    with Pair() as pair:
        settings = {"TIDINGS_DATABASE_URL": postgres_url, "TIDINGS_REDIS_URL": pair.url}
        with Fleet(tmp_path, settings) as fleet:
            crew.start(fleet, crew.crew())
            fleet.start_api()
            async with registering(fleet.url, pace=PACE) as asked:
                for _ in range(FAILOVERS):
                    await asyncio.sleep(WARM)
                    pair.cut_replica_off()
                    await asyncio.sleep(WARM)
                    lost += await asyncio.to_thread(pair.fail_over)

            async with opened(postgres_url) as store:
                await until_settled(store)
                verdict = judge(asked, fleet.provider.taken, await read_ends(store))
    tell.append(
        f"F9 {FAILOVERS} failovers to a replica that was cut off: {lost} acknowledged bytes of "
        f"the replication stream lost, {len(asked)} accepted, {verdict}"
    )
    assert lost > 0
    assert not verdict.broken
    assert not verdict.explained
