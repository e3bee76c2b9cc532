"""What `tidings doctor` says of real servers, each with a fault planted."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
import redis.asyncio

from tests.servers.ports import free_port
from tests.servers.postgres import GivenPostgres, PostgresServer
from tests.servers.redis import GivenRedis, RedisServer
from tests.system.findings import by_check, faults
from tests.system.postgres_sessions import SECRET, until, with_password
from tidings.core.checkup import Finding, Level
from tidings.event_bus import checkup as redis_checkup
from tidings.store.postgres import checkup as postgres_checkup
from tidings.testing.clock import MovableClock

GROUPS = {"USER_CHANNEL": ("notification", "analytics")}


@pytest.fixture
async def bus(redis_url: str, redis_server: RedisServer) -> AsyncIterator[redis.asyncio.Redis]:
    """A client of the Redis that is looked at, whose settings are put back."""
    if isinstance(redis_server, GivenRedis):
        pytest.skip("a server that is not ours keeps its settings")
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        yield client
        for name, value in (("maxmemory-policy", "noeviction"), ("maxmemory", "0")):
            await client.config_set(name, value)
        await client.config_set("appendonly", "no")


async def look_at_redis(url: str, **options: Any) -> dict[str, Finding]:
    clock = options.pop("clock", MovableClock())
    return by_check(await redis_checkup.check_up(url, groups=GROUPS, clock=clock, **options))


async def test_a_migrated_database_has_the_current_schema(migrated_postgres_url: str) -> None:
    findings = await postgres_checkup.check_up(migrated_postgres_url, clock=MovableClock())

    assert by_check(findings)["database schema"].found.startswith("0")
    assert faults(findings) == {}


async def test_a_newer_schema_that_serves_this_program_is_an_upgrade_under_way(
    migrated_postgres_url: str,
) -> None:
    session = await asyncpg.connect(migrated_postgres_url)
    await session.execute("UPDATE alembic_version SET version_num = '9999'")
    served = await postgres_checkup.check_up(migrated_postgres_url, clock=MovableClock())
    await session.execute("UPDATE installation SET suits = '9998'")
    unserved = await postgres_checkup.check_up(migrated_postgres_url, clock=MovableClock())
    await session.close()

    assert faults(served) == {"database schema": Level.WARNING}
    assert faults(unserved) == {"database schema": Level.FAILURE}


async def test_looking_at_a_fresh_database_makes_nothing_in_it(postgres_url: str) -> None:
    await postgres_checkup.check_up(postgres_url, clock=MovableClock())

    session = await asyncpg.connect(postgres_url)
    tables = await session.fetchval(
        "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
    )
    await session.close()
    assert tables == 0


async def test_a_postgres_that_is_down_is_a_failure_without_its_password(
    postgres_url: str, postgres_server: PostgresServer
) -> None:
    postgres_server.kill()

    findings = await postgres_checkup.check_up(with_password(postgres_url), clock=MovableClock())

    assert faults(findings) == {"database": Level.FAILURE}
    assert SECRET not in str(findings)


@pytest.mark.parametrize(
    "url", [f"postgresql://tidings:{SECRET}/#@h/t", f"postgresql://h:{SECRET}/t"]
)
async def test_an_address_that_is_none_is_a_failure_and_never_quoted(url: str) -> None:
    findings = await postgres_checkup.check_up(url, clock=MovableClock())

    assert faults(findings) == {"database": Level.FAILURE}
    assert SECRET not in str(findings)


async def test_a_database_that_is_missing_is_told_by_its_code(postgres_url: str) -> None:
    url = urlunsplit(urlsplit(postgres_url)._replace(path="/no_such_database"))

    [finding] = await postgres_checkup.check_up(url, clock=MovableClock())

    assert "3D000" in finding.found
    assert "create them" in finding.remedy


@pytest.mark.parametrize(
    ("setting", "level"), [("fsync", Level.FAILURE), ("full_page_writes", Level.WARNING)]
)
async def test_a_server_that_loses_data_in_a_crash_is_told(
    postgres_url: str, postgres_server: PostgresServer, setting: str, level: Level
) -> None:
    if isinstance(postgres_server, GivenPostgres):
        pytest.skip("a server that is not ours keeps its settings")
    session = await asyncpg.connect(postgres_url)
    await set_at_server(session, setting, "off")
    try:
        findings = await postgres_checkup.check_up(postgres_url, clock=MovableClock())
    finally:
        await set_at_server(session, setting, "on")
        await session.close()

    assert faults(findings) == {setting: level}


async def test_a_database_that_confirms_too_early_by_default_is_told(postgres_url: str) -> None:
    session = await asyncpg.connect(postgres_url)
    name = urlsplit(postgres_url).path.removeprefix("/")
    await session.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    await session.close()

    findings = await postgres_checkup.check_up(postgres_url, clock=MovableClock())

    assert faults(findings) == {"synchronous_commit": Level.WARNING}


async def test_a_transaction_that_stays_open_is_told(postgres_url: str) -> None:
    session = await asyncpg.connect(postgres_url)
    async with session.transaction():
        await session.execute("SELECT 1")
        findings = await postgres_checkup.check_up(
            postgres_url, clock=MovableClock(), long_transaction=0
        )
    await session.close()

    assert faults(findings) == {"long transactions": Level.WARNING}


@pytest.mark.parametrize(
    ("seconds", "level"), [(0.0, Level.OK), (5.0, Level.WARNING), (60.0, Level.FAILURE)]
)
async def test_a_clock_apart_from_the_servers_is_told(
    postgres_url: str, redis_url: str, seconds: float, level: Level
) -> None:
    clock = MovableClock()
    clock.advance(seconds=seconds)

    database = by_check(await postgres_checkup.check_up(postgres_url, clock=clock))
    bus = await look_at_redis(redis_url, clock=clock)

    assert database["PostgreSQL clock"].level is level
    assert bus["Redis clock"].level is level


async def test_a_redis_that_is_down_is_a_failure_without_its_password() -> None:
    findings = await look_at_redis(f"redis://:{SECRET}@127.0.0.1:{free_port()}/0")

    assert faults(list(findings.values())) == {"Redis": Level.FAILURE}
    assert SECRET not in str(findings)


async def test_an_address_of_no_redis_is_a_failure_and_never_quoted() -> None:
    findings = await look_at_redis(f"redis://host:{SECRET}/0")

    assert faults(list(findings.values())) == {"Redis": Level.FAILURE}
    assert SECRET not in str(findings)


@pytest.mark.parametrize(
    ("policy", "level"),
    [("allkeys-lru", Level.FAILURE), ("volatile-lru", Level.WARNING), ("noeviction", Level.OK)],
)
async def test_a_redis_that_evicts_is_told(
    bus: redis.asyncio.Redis, redis_url: str, policy: str, level: Level
) -> None:
    await bus.config_set("maxmemory-policy", policy)

    assert (await look_at_redis(redis_url))["maxmemory-policy"].level is level


async def test_a_redis_that_forgets_at_a_restart_is_told(
    bus: redis.asyncio.Redis, redis_url: str
) -> None:
    forgetful = (await look_at_redis(redis_url))["appendonly"]
    await bus.config_set("appendonly", "yes")
    careful = (await look_at_redis(redis_url))["appendonly"]

    assert (forgetful.level, careful.level) == (Level.WARNING, Level.OK)


async def test_a_redis_that_is_nearly_full_is_told(
    bus: redis.asyncio.Redis, redis_url: str
) -> None:
    used = (await bus.info("memory"))["used_memory"]
    await bus.config_set("maxmemory", int(used * 1.1))

    assert (await look_at_redis(redis_url))["Redis memory"].level is Level.WARNING


async def test_a_group_that_is_missing_is_told(bus: redis.asyncio.Redis, redis_url: str) -> None:
    await bus.xgroup_create("USER_CHANNEL", "notification", "0", mkstream=True)

    finding = (await look_at_redis(redis_url))["bus channel USER_CHANNEL"]

    assert finding.level is Level.WARNING
    assert "analytics" in finding.found
    assert "notification" not in finding.found


async def test_entries_that_grow_old_in_hand_are_told(
    bus: redis.asyncio.Redis, redis_url: str
) -> None:
    for group in GROUPS["USER_CHANNEL"]:
        await bus.xgroup_create("USER_CHANNEL", group, "0", mkstream=True)
    await bus.xadd("USER_CHANNEL", {"event": "{}"}, id="1-0")
    await bus.xreadgroup("analytics", "m", {"USER_CHANNEL": ">"})

    old = (await look_at_redis(redis_url))["bus channel USER_CHANNEL"]
    await bus.xack("USER_CHANNEL", "analytics", "1-0")
    done = (await look_at_redis(redis_url))["bus channel USER_CHANNEL"]

    assert (old.level, done.level) == (Level.WARNING, Level.OK)
    assert "analytics" in old.found


async def set_at_server(session: Any, name: str, value: str) -> None:
    await session.execute(f"ALTER SYSTEM SET {name} = {value}")
    await session.execute("SELECT pg_reload_conf()")

    async def is_set() -> bool:
        return bool(await session.fetchval(f"SHOW {name}") == value)

    await until(is_set)
