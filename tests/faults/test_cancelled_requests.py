"""Callers hang up in the middle of their requests, while the database is far away."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.faults import crew
from tests.faults.checker import Asked, judge
from tests.faults.ends import opened, read_ends, until_settled
from tests.faults.extent import extent
from tests.faults.fleet import Fleet
from tests.faults.proxy import FaultProxy, target_of, through
from tests.faults.proxy_ways import Way
from tests.faults.registrations import register_all
from tests.faults.sessions import sessions, until_idle

#: requests, and callers that ask at once
NUMBER, AT_ONCE, SEED = extent(400, 10_000), 40, 16
#: seconds each way to the database takes
SLOW = Way(latency=extent(0.01, 0.05), jitter=extent(0.01, 0.05))
#: the share of the callers that hang up, at a moment of so many seconds
HASTE, MOST_PATIENCE = 0.6, 12 * SLOW.latency

pytestmark = [
    pytest.mark.slow,
    pytest.mark.full,
    pytest.mark.fault("F16"),
    pytest.mark.timeout(extent(120, 900)),
]


@pytest.fixture
def proxy(migrated_postgres_url: str) -> Iterator[FaultProxy]:
    with FaultProxy(target_of(migrated_postgres_url)) as proxy:
        yield proxy


async def test_cancelled_requests_leave_no_transaction_open_and_lose_nothing(
    tmp_path: Path,
    proxy: FaultProxy,
    migrated_postgres_url: str,
    redis_url: str,
    tell: list[str],
) -> None:
    url = through(proxy, migrated_postgres_url)
    settings = {"TIDINGS_DATABASE_URL": url, "TIDINGS_REDIS_URL": redis_url}
    with Fleet(tmp_path, settings) as fleet:
        crew.start(fleet, crew.crew())
        fleet.start_api()
        await register_all(fleet.url, ["first@example.com"])
        proxy.harm(up=SLOW, down=SLOW)

        asked, outcomes = await ask_and_leave(fleet.url, NUMBER)

        proxy.heal()
        async with opened(migrated_postgres_url) as store:
            await until_settled(store)
            verdict = judge(asked, fleet.provider.taken, await read_ends(store))
        await asyncio.to_thread(fleet.kill, "channel-1", "notification-1")
        await until_idle(migrated_postgres_url)
        busy = await sessions(migrated_postgres_url, "state LIKE 'idle in transaction%'")
    tell.append(
        f"F16 requests over HTTP, seed {SEED}: {in_words(outcomes)}; {verdict}; {busy} open "
        "transactions"
    )
    assert outcomes["cancelled"] > NUMBER / 4
    assert outcomes["202"] > NUMBER / 8
    assert busy == 0
    assert not verdict.broken


async def ask_and_leave(url: str, number: int) -> tuple[dict[str, Asked], Counter[str]]:
    """Register so many, and hang up on many of them before the answer."""
    chance, numbers = random.Random(SEED), iter(range(number))
    asked, outcomes = {"first@example.com": Asked.OK}, Counter[str]()

    async def ask_on(http: aiohttp.ClientSession) -> None:
        for each in numbers:
            address = f"person-{each}@example.com"
            seconds = chance.uniform(0, MOST_PATIENCE) if chance.random() < HASTE else 60.0
            asked[address] = Asked.UNKNOWN
            try:
                async with asyncio.timeout(seconds):
                    async with http.post("/register", json={"email": address}) as answer:
                        outcomes[str(answer.status)] += 1
                        if answer.status == 202:
                            asked[address] = Asked.OK
            except (TimeoutError, aiohttp.ClientError):
                outcomes["cancelled"] += 1

    async with aiohttp.ClientSession(url) as http:
        await asyncio.gather(*(ask_on(http) for _ in range(AT_ONCE)))
    return asked, outcomes


def in_words(outcomes: Counter[str]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(outcomes.items()))
