"""Redis and PostgreSQL are killed, emptied, filled up and stopped under load, again and again."""

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from tests.faults import crew
from tests.faults.checker import judge
from tests.faults.ends import opened, read_ends, until_settled
from tests.faults.extent import extent
from tests.faults.fleet import Fleet
from tests.faults.rates import back_after, most_talkative, until_back
from tests.faults.registrations import registering
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer

#: registrations a second
PACE = extent(60.0, 200.0)
SEED = 6
#: seconds after a strike within which the old rate is reached again
BACK = 10.0
#: lines a process may write in a second
TALK = 10.0
#: seconds for which Redis is away as a whole
AWAY = extent(3.0, 60.0)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(extent(120, 1_200))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    redis: RedisServer
    postgres: PostgresServer


@pytest.fixture
def servers(redis_server: RedisServer, postgres_server: PostgresServer) -> Iterator[Servers]:
    yield Servers(redis=redis_server, postgres=postgres_server)
    postgres_server.start()
    redis_server.restart()


@pytest.fixture
def fleet(tmp_path: Path, postgres_url: str, redis_url: str) -> Iterator[Fleet]:
    settings = {"TIDINGS_DATABASE_URL": postgres_url, "TIDINGS_REDIS_URL": redis_url}
    with Fleet(tmp_path, settings) as fleet:
        crew.start(fleet, crew.crew())
        fleet.start_api()
        yield fleet


def kill_redis(servers: Servers) -> None:
    """It forgets everything, and another comes up in its place."""
    servers.redis.kill()
    servers.redis.start()


def flush_redis(servers: Servers) -> None:
    servers.redis.flush()


def evict(servers: Servers) -> None:
    """For a moment Redis has no room, and throws out what it likes."""
    with redis.Redis.from_url(servers.redis.url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("maxmemory", "1mb")
        time.sleep(0.5)
        client.config_set("maxmemory", "0")


def fill_up(servers: Servers) -> None:
    """For a moment Redis takes nothing new."""
    with redis.Redis.from_url(servers.redis.url) as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "1mb")
        time.sleep(1.0)
        client.config_set("maxmemory", "0")


def kill_postgres(servers: Servers) -> None:
    servers.postgres.kill()
    servers.postgres.start()


#: between two of these there is more time, or nothing could happen between them
PAUSES: Mapping[Callable[[Servers], None], float] = {kill_postgres: extent(1.0, 4.0)}

fault, full = pytest.mark.fault, pytest.mark.full


@pytest.mark.parametrize(
    ("strike", "times"),
    [
        pytest.param(kill_redis, extent(2, 50), marks=fault("F6")),
        pytest.param(flush_redis, extent(3, 20), marks=fault("F7")),
        pytest.param(evict, 20, marks=[fault("F7"), full]),
        pytest.param(fill_up, 10, marks=[fault("F10"), full]),
        pytest.param(kill_postgres, extent(2, 30), marks=fault("F17")),
    ],
)
async def test_a_server_fails_again_and_again_and_every_address_is_reached_once(
    fleet: Fleet,
    postgres_url: str,
    servers: Servers,
    tell: list[str],
    strike: Callable[[Servers], None],
    times: int,
) -> None:
    chance, strikes = random.Random(SEED), []
    began = time.time()
    async with registering(fleet.url, pace=PACE) as asked:
        await fleet.until_taken(round(PACE))
        for _ in range(times):
            await asyncio.to_thread(strike, servers)
            strikes.append(time.time())
            await asyncio.sleep(chance.uniform(0.3, 1.0) * PAUSES.get(strike, 1.0))
        await until_back(fleet, strikes[-1], PACE)

    async with opened(postgres_url) as store:
        await until_settled(store, seconds=extent(120, 600))
        verdict = judge(asked, fleet.provider.taken, await read_ends(store))
    back = back_after(strikes[-1], fleet.provider.taken, PACE)
    talk = most_talkative(fleet, time.time() - began)
    tell.append(
        f"{strike.__name__} × {times} at {PACE:g}/s, seed {SEED}: {len(asked)} accepted, "
        f"{verdict}; "
        f"the old rate after {back:.1f} s, at most {talk:.1f} log lines a second"
    )
    assert not verdict.broken
    assert not verdict.unsent
    assert not verdict.explained
    assert back <= BACK
    assert talk <= TALK


@fault("F6", "F7")
async def test_redis_is_away_for_long_and_delivery_goes_on_at_the_pace_of_the_poll(
    fleet: Fleet, postgres_url: str, servers: Servers, tell: list[str]
) -> None:
    async with registering(fleet.url, pace=PACE) as asked:
        await fleet.until_taken(round(PACE))
        servers.redis.stop()
        began = time.time()
        await asyncio.sleep(AWAY)
        ended = time.time()
        meanwhile = [call for call in fleet.provider.taken if began <= call.at <= ended]
        servers.redis.start()
        await until_back(fleet, ended, PACE)

    async with opened(postgres_url) as store:
        await until_settled(store, seconds=extent(120, 600))
        verdict = judge(asked, fleet.provider.taken, await read_ends(store))
    tell.append(
        f"F6 F7 Redis away for {AWAY:g} s, then an empty one: {len(asked)} accepted, {verdict}; "
        f"meanwhile {len(meanwhile) / (ended - began):.0f}/s of {PACE:g}/s"
    )
    assert not verdict.broken
    assert not verdict.explained
    assert len(meanwhile) >= PACE * (ended - began - 2.0) * 0.8
