"""More comes than can be sent: by one lane beside the others, and by all together."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import aiohttp
import asyncpg
import pytest
import sqlalchemy as sa

from tests.faults import crew
from tests.faults.checker import Asked, judge
from tests.faults.ends import opened, read_ends, until_settled
from tests.faults.extent import extent
from tests.faults.fleet import Fleet
from tests.faults.news import add_people, tell_all
from tests.faults.provider_script import Script
from tests.faults.rates import percentile
from tests.faults.test_bad_lines import memory

#: what waits on the bulk lane, and how many critical ones come meanwhile, how many a second
FLOOD, SMALL, SMALL_PACE = extent(2_000, 1_000_000), extent(20, 200), 20.0
#: calls a second that the provider answers, events offered a second, for so many seconds
PACE, OFFER, SECONDS = extent(100, 1_000), extent(500, 5_000), extent(5.0, 60.0)
#: rows that may wait
LIMIT = extent(1_000, 20_000)
BULK = 100
#: seconds until all is well again
RECOVERY = 60.0
GROWTH = 200 * 1024 * 1024

_COPIES = """
WITH model AS (SELECT * FROM deliveries LIMIT 1),
made AS (SELECT gen_random_uuid() AS id FROM generate_series(1, $1))
INSERT INTO deliveries ({columns})
SELECT {values} FROM model, made
"""

pytestmark = [pytest.mark.slow, pytest.mark.full, pytest.mark.timeout(extent(120, 900))]


@pytest.fixture
def fleet(tmp_path: Path, postgres_url: str, redis_url: str) -> Iterator[Fleet]:
    settings = {
        "TIDINGS_DATABASE_URL": postgres_url,
        "TIDINGS_REDIS_URL": redis_url,
        "TIDINGS_EMAIL_PROVIDER": "http",
        "TIDINGS_HTTP_CONNECTIONS": "100",
        "TIDINGS_BACKLOG_LIMIT": str(max(LIMIT, 10 * FLOOD)),
    }
    with Fleet(tmp_path, settings) as fleet:
        crew.start(fleet, crew.crew(channel=2))
        yield fleet


@pytest.mark.fault("F29")
async def test_a_flood_of_bulk_messages_delays_no_critical_one(
    fleet: Fleet, postgres_url: str, tell: list[str]
) -> None:
    fleet.start_api()
    await add_people(postgres_url, 1 + 2 * SMALL)
    await tell_all(fleet.url, 1)
    await fleet.until_taken(1)
    await make_critical(fleet.url)

    idle = await delays(fleet, 1)
    fleet.provider.play(Script(pace=PACE))
    await flood(postgres_url)
    busy = await delays(fleet, 1 + SMALL)

    left = await waiting(postgres_url)
    tell.append(
        f"F29 {FLOOD} bulk messages waiting, the provider at {PACE}/s: critical ones p50 "
        f"{percentile(busy, 50):.3f} s, p99 {percentile(busy, 99):.3f} s "
        f"(idle p99 {percentile(idle, 99):.3f} s); {left} bulk messages still wait"
    )
    assert left > 0, "the flood was over before the end"
    assert percentile(busy, 99) <= max(1.0, 2 * percentile(idle, 99))


@pytest.mark.fault("F30")
async def test_five_times_too_much_is_refused_and_what_was_accepted_goes_out(
    fleet: Fleet, postgres_url: str, tell: list[str]
) -> None:
    fleet.start_api(TIDINGS_BACKLOG_LIMIT=str(LIMIT))
    await add_people(postgres_url, round(OFFER * SECONDS) + 1)
    asked = await tell_all(fleet.url, 1)
    await fleet.until_taken(1)
    fleet.provider.play(Script(pace=PACE))
    before = {name: memory(fleet.pid(name)) for name in ("api", "channel-1", "notification-1")}
    began = time.time()

    offered, most_waiting = await asyncio.gather(
        offer(fleet.url), watch_waiting(postgres_url, SECONDS)
    )
    ended = time.time()
    sent = sum(began <= call.at <= ended for call in fleet.provider.taken)
    growth = max(memory(fleet.pid(name)) - size for name, size in before.items())
    async with opened(postgres_url) as store:
        await until_settled(store, seconds=RECOVERY)
        recovered = time.time() - ended
        asked |= offered
        verdict = judge(asked, fleet.provider.taken, await read_ends(store))
    told = ", ".join(f"{count} {how.value}" for how, count in Counter(asked.values()).items())
    tell.append(
        f"F30 {OFFER}/s offered for {SECONDS:g} s to what can take {PACE}/s: {told}; "
        f"{sent / (ended - began):.0f}/s sent meanwhile, at most {most_waiting} waited (limit "
        f"{LIMIT}), memory grew by {growth >> 20} MB, all sent {recovered:.0f} s after; {verdict}"
    )
    assert not verdict.broken
    assert not verdict.unsent
    assert sent >= 0.8 * PACE * (ended - began)
    assert most_waiting <= 1.5 * LIMIT
    assert growth <= GROWTH


async def make_critical(url: str) -> None:
    step = {"kind": "channel", "channel": "email", "template": "welcome"}
    async with aiohttp.ClientSession(url) as http:
        body = {"on": "ALARM", "steps": [step], "critical": True}
        async with http.put("/v1/workflows/alarm", json=body) as answer:
            assert answer.status == 200, await answer.text()


async def delays(fleet: Fleet, first: int) -> list[float]:
    """Seconds from the request to the provider, for each of some critical messages."""
    asked_at: dict[str, float] = {}
    async with aiohttp.ClientSession(fleet.url) as http:
        for index in range(first, first + SMALL):
            body = {"type": "ALARM", "user_id": f"person-{index}"}
            asked_at[f"person-{index}@example.com"] = time.time()
            async with http.post("/v1/events", json=body) as answer:
                assert answer.status == 202, await answer.text()
            await asyncio.sleep(1 / SMALL_PACE)
    found: dict[str, float] = {}
    async with asyncio.timeout(60):
        while len(found) < SMALL:
            taken = fleet.provider.taken
            found = {call.address: call.at for call in taken if call.address in asked_at}
            await asyncio.sleep(0.1)
    return [at - asked_at[address] for address, at in found.items()]


async def flood(database: str) -> None:
    """Put so many copies of the one delivery among the bulk messages that wait."""
    now = {"id": "made.id", "state": "'pending'", "due_at": "now()", "lane": "'bulk'"}
    now |= {"epoch": "0", "tries": "0", "lapses": "0"}
    session = await asyncpg.connect(database)
    try:
        names = await session.fetch(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'deliveries'::regclass "
            "AND attnum > 0 AND NOT attisdropped"
        )
        columns = [row["attname"] for row in names]
        values = [now.get(name, f"model.{name}") for name in columns]
        statement = _COPIES.format(columns=", ".join(columns), values=", ".join(values))
        await session.execute(statement, FLOOD, timeout=600)
        await session.execute("ANALYZE deliveries")
    finally:
        await session.close()


async def waiting(database: str) -> int:
    async with opened(database) as store:
        query = sa.text("SELECT count(*) FROM deliveries WHERE state = 'pending'")
        return await store.run(lambda to: int(to.scalar(query)))


async def watch_waiting(database: str, seconds: float) -> int:
    """The most events and deliveries that waited at any time."""
    query = sa.text(
        "SELECT (SELECT count(*) FROM events WHERE state = 'due') + "
        "(SELECT count(*) FROM deliveries WHERE state IN ('pending', 'sending'))"
    )
    most, until = 0, time.monotonic() + seconds
    async with opened(database) as store:
        while time.monotonic() < until:
            most = max(most, await store.run(lambda to: int(to.scalar(query))))
            await asyncio.sleep(0.5)
    return most


async def offer(url: str) -> dict[str, Asked]:
    """So many events a second in bulk, each asked for once, whether or not others were answered."""
    asked: dict[str, Asked] = {}
    began = time.monotonic()
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        aiohttp.ClientSession(url, connector=connector) as http,
        asyncio.TaskGroup() as group,
    ):
        for start in range(1, round(OFFER * SECONDS), BULK):
            await asyncio.sleep(began + start / OFFER - time.monotonic())
            group.create_task(offer_bulk(http, range(start, start + BULK), asked))
    return asked


async def offer_bulk(http: aiohttp.ClientSession, bulk: range, asked: dict[str, Asked]) -> None:
    events = [{"type": "NEWS", "id": f"event-{n}", "user_id": f"person-{n}"} for n in bulk]
    async with http.post("/v1/events/bulk", json={"events": events}) as answer:
        told = await answer.json()
        results = told.get("results") or [{**told, "status": answer.status}] * len(bulk)
    for number, result in zip(bulk, results, strict=True):
        asked[f"person-{number}@example.com"] = how(result)


def how(result: Mapping[str, object]) -> Asked:
    """Raises where a refusal is none of the clear ones."""
    if result["status"] == 202:
        return Asked.OK
    assert result["status"] in {429, 503}, result
    return Asked.UNKNOWN if "may be stored" in str(result.get("detail")) else Asked.FAIL
