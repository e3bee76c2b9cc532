"""A backup is taken while processes run, all else is lost, and the backup is restored."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
import sqlalchemy as sa

from tests.faults.checker import Asked, judge
from tests.faults.ends import read_ends
from tests.faults.fleet import Fleet, wait_until
from tests.faults.installations import Installation, OnPostgres, OnSqlite
from tests.faults.provider_script import Answer, Script
from tests.faults.registrations import register_all
from tests.servers.binaries import find_postgres_tools
from tests.servers.missing import unavailable
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer
from tidings.store.schema import deliveries, events, notifications

#: deliveries one worker has in hand, and so how many are `sending` while the sink is silent
SLOTS = 5
DELIVERED, WAITING, UNSENT, TOO_LATE = 20, 5, 20, 3
PACE = {
    "TIDINGS_SLOTS": str(SLOTS),
    "TIDINGS_LEASE_SECONDS": "3",
    "TIDINGS_BEAT_SECONDS": "1",
}

pytestmark = [pytest.mark.slow]


@pytest.fixture
def on_postgres(
    tmp_path: Path, postgres_url: str, postgres_server: PostgresServer, redis_server: RedisServer
) -> Iterator[tuple[Fleet, Installation]]:
    tools = find_postgres_tools()
    if tools is None:
        unavailable("no pg_dump beside the PostgreSQL that was found: install its client programs")
    redis_server.flush()
    settings = {"TIDINGS_DATABASE_URL": postgres_url, "TIDINGS_REDIS_URL": redis_server.url}
    with Fleet(tmp_path, settings | PACE) as fleet:
        yield fleet, OnPostgres(fleet, tools, postgres_url, postgres_server, redis_server)


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[tuple[Fleet, Installation]]:
    with Fleet(tmp_path, {"TIDINGS_DATABASE_URL": "sqlite:///tidings.db"} | PACE) as fleet:
        yield fleet, OnSqlite(fleet)


@pytest.mark.postgres
@pytest.mark.redis
async def test_what_postgres_held_at_the_dump_is_finished_after_the_restore(
    on_postgres: tuple[Fleet, Installation], tell: list[str]
) -> None:
    await lose_and_restore(*on_postgres, tell, "PostgreSQL")


async def test_what_sqlite_held_at_the_backup_is_finished_after_the_restore(
    on_sqlite: tuple[Fleet, Installation], tell: list[str]
) -> None:
    await lose_and_restore(*on_sqlite, tell, "SQLite")


async def lose_and_restore(
    fleet: Fleet, installation: Installation, tell: list[str], name: str
) -> None:
    await asyncio.to_thread(installation.start)
    kept = await accept_all(fleet)
    await asyncio.to_thread(installation.back_up)
    late = await register_all(fleet.url, people("late", TOO_LATE))
    installation.die()
    await asyncio.to_thread(installation.lose)
    await asyncio.to_thread(installation.restore)
    in_hand = await look_at_the_restored(installation)
    fleet.provider.play(Script())
    await asyncio.to_thread(installation.start)

    await fleet.until_sent(len(kept))
    await asyncio.to_thread(fleet.terminate, "api")
    store = await installation.open()
    verdict = judge(kept, fleet.provider.taken, await read_ends(store))
    await store.aclose()
    tell.append(
        f"restored on {name}: {len(kept)} accepted before the backup, "
        f"{len(in_hand)} were being sent: {verdict}"
    )
    assert verdict.unexpected <= late.keys()
    assert not verdict.broken.keys() - {"unexpected"}
    assert dict(verdict.explained) == dict.fromkeys(in_hand, 1)


async def accept_all(fleet: Fleet) -> dict[str, Asked]:
    """Some delivered, some in a delay, some in the worker's hands, the rest due; all addresses."""
    delivered = await register_all(fleet.url, people("delivered", DELIVERED))
    await fleet.until_sent(DELIVERED)
    waiting = await put_into_a_delay(fleet, people("waiting", WAITING))
    fleet.provider.play(Script(answer=Answer.SILENT))
    unsent = await register_all(fleet.url, people("unsent", UNSENT))
    await asyncio.to_thread(
        wait_until,
        lambda: len(fleet.provider.taken) == DELIVERED + SLOTS,
        "the worker has its hands full",
        fleet.log,
    )
    return delivered | waiting | unsent


async def put_into_a_delay(fleet: Fleet, addresses: list[str]) -> dict[str, Asked]:
    """An event for each whose only message is to be sent in an hour."""
    steps = [{"kind": "delay", "hours": 1}]
    steps += [{"kind": "channel", "channel": "email", "template": "welcome"}]
    async with aiohttp.ClientSession(fleet.url, raise_for_status=True) as http:
        await http.put("/v1/workflows/later", json={"on": "LATER", "steps": steps})
        for number, address in enumerate(addresses):
            await http.put(f"/v1/users/u{number}", json={"email": address})
            answer = await http.post("/v1/events", json={"type": "LATER", "user_id": f"u{number}"})
            await until_waiting(http, (await answer.json())["event_id"])
    return dict.fromkeys(addresses, Asked.OK)


async def until_waiting(http: aiohttp.ClientSession, event_id: str) -> None:
    async with asyncio.timeout(20):
        while True:
            explanation = await (await http.get(f"/v1/events/{event_id}")).json()
            if [each["state"] for each in explanation["notifications"]] == ["waiting"]:
                return
            await asyncio.sleep(0.02)


async def look_at_the_restored(installation: Installation) -> set[str]:
    """See that each kind of work is there, let the hour pass; the ids of those being sent."""
    store = await installation.open()
    counts = await store.run(count_all)
    assert counts["sending"] == SLOTS
    assert counts["sent"] == DELIVERED
    assert counts["waiting"] == WAITING
    assert counts["pending"] + counts["due"] == UNSENT - SLOTS

    ids = await store.run(take_up)
    await store.aclose()
    return ids


def count_all(connection: sa.Connection) -> dict[str, int]:
    counts = dict.fromkeys(["pending", "sending", "sent", "waiting", "due"], 0)
    for table in (deliveries, notifications, events):
        query = sa.select(table.c.state, sa.func.count()).group_by(table.c.state)
        for state, number in connection.execute(query):
            if state in counts:
                counts[state] += number
    return counts


def take_up(connection: sa.Connection) -> set[str]:
    soon = sa.select(sa.func.min(notifications.c.created_at)).scalar_subquery()
    waits = notifications.c.state == "waiting"
    connection.execute(sa.update(notifications).where(waits).values(due_at=soon))
    sending = sa.select(deliveries.c.id).where(deliveries.c.state == "sending")
    return set(connection.scalars(sending))


def people(kind: str, number: int) -> list[str]:
    return [f"{kind}-{index}@example.com" for index in range(number)]
