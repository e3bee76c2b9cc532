"""The main job under faults: every registration reaches its address, whatever is killed.

`TIDINGS_TEST_REGISTRATIONS` sets how many: `make faults` takes the published 10,000.
"""

import asyncio
import json
import os
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.faults.fleet import Fleet, wait_until
from tests.faults.registrations import Verdict, addresses, judge, register_all
from tests.faults.smtp_sink import read_ledger
from tests.servers.redis import RedisServer
from tidings.core.clock import SystemClock
from tidings.core.ports import Store
from tidings.store.postgres import PostgresStore
from tidings.store.schema import attempts, deliveries, events
from tidings.store.sqlite import SqliteStore

NUMBER = int(os.environ.get("TIDINGS_TEST_REGISTRATIONS", "2000"))
SLOTS = 50
WORKERS = {
    "notification-1": ("tidings.notification_worker",),
    "notification-2": ("tidings.notification_worker",),
    "channel-1": ("tidings.channel_worker", "email"),
    "channel-2": ("tidings.channel_worker", "email"),
    "analytics": ("tidings.analytics_worker",),
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]


@pytest.fixture
def fleet(tmp_path: Path, postgres_url: str, redis_url: str) -> Iterator[Fleet]:
    """API and workers as separate processes on PostgreSQL and Redis."""
    settings = {
        "TIDINGS_DATABASE_URL": postgres_url,
        "TIDINGS_REDIS_URL": redis_url,
        "TIDINGS_SLOTS": str(SLOTS),
    }
    with Fleet(tmp_path, settings) as fleet:
        fleet.start_api()
        yield fleet


async def test_all_workers_are_killed_and_every_address_is_reached(
    fleet: Fleet, postgres_url: str, tell: list[str]
) -> None:
    start_workers(fleet)

    accepted = await disturb(fleet, lambda: restart_workers(fleet))

    store = await PostgresStore.open(postgres_url, clock=SystemClock())
    await until_settled(store)
    verdict = judge(accepted, read_ledger(fleet.ledger))
    tell.append(in_words("all workers killed", accepted, verdict))
    assert len(accepted) == NUMBER
    assert_nothing_lost(verdict)
    assert verdict.repeated.total() <= SLOTS * 2
    assert set(verdict.repeated) <= await unanswered(store)
    await store.aclose()


async def test_redis_is_flushed_and_every_address_is_reached_once(
    fleet: Fleet, postgres_url: str, redis_server: RedisServer, tell: list[str]
) -> None:
    start_workers(fleet)

    accepted = await disturb(fleet, redis_server.flush)

    store = await PostgresStore.open(postgres_url, clock=SystemClock())
    await until_settled(store)
    verdict = judge(accepted, read_ledger(fleet.ledger))
    tell.append(in_words("Redis flushed", accepted, verdict))
    assert len(accepted) == NUMBER
    assert_nothing_lost(verdict)
    assert not verdict.repeated
    await store.aclose()


async def test_the_one_process_on_sqlite_is_killed_and_every_address_is_reached(
    tmp_path: Path, tell: list[str]
) -> None:
    database = tmp_path / "tidings.db"
    settings = {"TIDINGS_DATABASE_URL": f"sqlite:///{database}", "TIDINGS_SLOTS": str(SLOTS)}
    with Fleet(tmp_path, settings) as fleet:
        fleet.start_api("tidings.notification_system")

        accepted = await disturb(fleet, lambda: restart_system(fleet))
        await until_quiet(fleet)

    store = await SqliteStore.open(database, clock=SystemClock())
    assert await unfinished(store) == 0
    verdict = judge(accepted, read_ledger(fleet.ledger))
    tell.append(in_words("the one process on SQLite killed", accepted, verdict))
    assert len(accepted) == NUMBER
    assert_nothing_lost(verdict)
    assert verdict.repeated.total() <= SLOTS
    assert set(verdict.repeated) <= await unanswered(store)
    await store.aclose()


def start_workers(fleet: Fleet) -> None:
    for name, command in WORKERS.items():
        fleet.start(name, *command)


def restart_workers(fleet: Fleet) -> None:
    fleet.kill(*WORKERS)
    start_workers(fleet)


def restart_system(fleet: Fleet) -> None:
    fleet.kill("api")
    fleet.start_api("tidings.notification_system")


async def disturb(fleet: Fleet, fault: Callable[[], None]) -> list[str]:
    """Register everybody; the fault strikes once, when 30 to 70 % have arrived."""
    registering = asyncio.create_task(register_all(fleet.url, addresses(NUMBER)))
    await asyncio.to_thread(
        wait_until, lambda: arrived(fleet) >= NUMBER * 0.4, "40 %", fleet.log, seconds=120
    )
    struck_at = arrived(fleet)
    await asyncio.to_thread(fault)
    assert 0.3 * NUMBER <= struck_at <= 0.7 * NUMBER, f"struck at {struck_at} of {NUMBER}"
    return await registering


def arrived(fleet: Fleet) -> int:
    return fleet.ledger.read_bytes().count(b"\n") if fleet.ledger.exists() else 0


async def until_settled(store: Store) -> None:
    """Wait until no event and no delivery is unfinished."""
    async with asyncio.timeout(120):
        while await unfinished(store):
            await asyncio.sleep(0.1)


async def until_quiet(fleet: Fleet) -> None:
    """Wait until every delivery is settled, those of the killed process too, and end the rest."""
    await asyncio.to_thread(
        wait_until, lambda: settled(fleet) >= NUMBER, "all is settled", fleet.log, seconds=120
    )
    assert await asyncio.to_thread(fleet.terminate, "api") <= 10


def settled(fleet: Fleet) -> int:
    """How many deliveries ended as sent, by the API."""
    with urllib.request.urlopen(f"{fleet.url}/v1/analytics/summary", timeout=10) as answer:
        return int(json.load(answer)["totals"]["sent"])


async def unfinished(store: Store) -> int:
    """Events still to be planned, deliveries still to be sent."""

    def count(connection: sa.Connection) -> int:
        open_events = sa.select(sa.func.count()).where(events.c.state == "due")
        open_deliveries = sa.select(sa.func.count()).where(
            deliveries.c.state.in_(["pending", "sending"])
        )
        return sum(connection.scalars(query).one() for query in (open_events, open_deliveries))

    return await store.run(count)


async def unanswered(store: Store) -> set[str]:
    """Message ids of the deliveries that have an attempt without an answer."""
    query = sa.select(attempts.c.delivery_id).where(attempts.c.outcome == "unknown")
    ids = await store.run(lambda connection: connection.scalars(query).all())
    return {f"<{one}@localhost>" for one in ids}


def assert_nothing_lost(verdict: Verdict) -> None:
    assert not verdict.lost
    assert not verdict.unexpected


def in_words(fault: str, accepted: list[str], verdict: Verdict) -> str:
    return (
        f"{fault}: {len(accepted)} accepted, {len(verdict.lost)} lost, "
        f"{len(verdict.unexpected)} unexpected, {verdict.repeated.total()} repeated"
    )
