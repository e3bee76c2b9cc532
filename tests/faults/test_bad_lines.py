"""Lines to Redis and PostgreSQL that carry nothing, carry it late, or are left idle."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from tests.faults import crew
from tests.faults.checker import Asked, judge
from tests.faults.ends import opened, read_ends, until_settled
from tests.faults.extent import extent
from tests.faults.fleet import Fleet
from tests.faults.proxy import FaultProxy, target_of, through
from tests.faults.proxy_ways import Way
from tests.faults.rates import back_after, most_talkative, percentile, until_back
from tests.faults.registrations import register_all, registering

PACE = extent(60.0, 200.0)
#: seconds for which Redis is a black hole, nobody asks for anything, and a table is locked
DARK, IDLE, LOCKED = extent(4.0, 60.0), extent(5.0, 600.0), extent(3.0, 30.0)
#: seconds that a command to Redis may take: twice that, and all must be well again
REDIS_PATIENCE = 5.0
#: seconds more that each piece takes to the database and back
SLOW = 0.25
#: seconds a refusal may take: one in which its commit has not begun, one for a lock that it awaits
REFUSED = 2.0
GROWTH = 64 * 1024 * 1024

pytestmark = [pytest.mark.slow, pytest.mark.full, pytest.mark.timeout(extent(120, 900))]


@pytest.fixture
def to_redis(redis_url: str) -> Iterator[FaultProxy]:
    with FaultProxy(target_of(redis_url)) as proxy:
        yield proxy


@pytest.fixture
def to_postgres(postgres_url: str) -> Iterator[FaultProxy]:
    with FaultProxy(target_of(postgres_url)) as proxy:
        yield proxy


@pytest.fixture
def poll() -> Mapping[str, str]:
    """How often workers look for work unasked: as usual, unless a test says otherwise."""
    return {}


@pytest.fixture
def fleet(
    tmp_path: Path,
    postgres_url: str,
    redis_url: str,
    to_redis: FaultProxy,
    to_postgres: FaultProxy,
    poll: Mapping[str, str],
) -> Iterator[Fleet]:
    """Every process by way of the proxies."""
    settings = {
        "TIDINGS_DATABASE_URL": through(to_postgres, postgres_url),
        "TIDINGS_REDIS_URL": through(to_redis, redis_url),
        **poll,
    }
    with Fleet(tmp_path, settings) as fleet:
        crew.start(fleet, crew.crew(analytics=1))
        fleet.start_api()
        yield fleet


@pytest.mark.fault("F14")
async def test_a_redis_that_is_a_black_hole_is_left_and_found_again(
    fleet: Fleet, postgres_url: str, to_redis: FaultProxy, tell: list[str]
) -> None:
    async with registering(fleet.url, pace=PACE) as asked:
        await fleet.until_taken(round(PACE))
        to_redis.harm(up=Way(swallowing=True), down=Way(swallowing=True))
        began = time.time()
        await asyncio.sleep(DARK)
        meanwhile = sum(call.at >= began for call in fleet.provider.taken)
        to_redis.heal()
        healed = time.time()
        await until_back(fleet, healed, PACE)
        connections = to_redis.connections
        await asyncio.sleep(2 * REDIS_PATIENCE)
        assert to_redis.connections > connections, "nobody has come to Redis anew"

    async with opened(postgres_url) as store:
        await until_settled(store)
        verdict = judge(asked, fleet.provider.taken, await read_ends(store))
    back = back_after(healed, fleet.provider.taken, PACE)
    tell.append(
        f"F14 Redis a black hole for {DARK:g} s: {len(asked)} accepted, {verdict}; meanwhile "
        f"{meanwhile / DARK:.0f}/s of {PACE:g}/s, afterwards the old rate after {back:.1f} s"
    )
    assert not verdict.broken
    assert not verdict.explained
    assert back <= 2 * REDIS_PATIENCE


@pytest.mark.fault("F15")
@pytest.mark.parametrize("poll", [{"TIDINGS_POLL_SECONDS": str(IDLE + 60)}], ids=["late"])
async def test_workers_that_idle_say_nothing_and_hear_the_first_event_at_once(
    fleet: Fleet, tell: list[str]
) -> None:
    await register_all(fleet.url, ["first@example.com"])
    await fleet.until_taken(1)
    lines = most_talkative(fleet, 1.0)

    await asyncio.sleep(IDLE)  # that nothing happens meanwhile is what is tried
    said = most_talkative(fleet, 1.0) - lines
    asked_at = time.time()
    await register_all(fleet.url, ["second@example.com"])
    await fleet.until_taken(2)

    took = fleet.provider.taken[-1].at - asked_at
    tell.append(f"F15 idle for {IDLE:g} s: {said:g} warnings, then a mail in {took * 1000:.0f} ms")
    assert said == 0
    assert took <= 1.0, "a bell was lost: who polls finds it far later"


@pytest.mark.fault("F19")
async def test_while_the_tables_are_locked_every_request_is_refused_in_time(
    fleet: Fleet, postgres_url: str, tell: list[str]
) -> None:
    before = memory(fleet.pid("api"))
    async with locked(postgres_url):
        answers = await ask_for(fleet.url, LOCKED, PACE, "locked")
    growth = memory(fleet.pid("api")) - before
    asked = {each.address: each.how for each in answers}
    asked |= await register_all(fleet.url, ["afterwards@example.com"])

    async with opened(postgres_url) as store:
        await until_settled(store)
        verdict = judge(asked, fleet.provider.taken, await read_ends(store))
    told = Counter(each.how for each in answers)
    refusals = [each.took for each in answers if each.how is Asked.FAIL]
    tell.append(
        f"F19 tables locked for {LOCKED:g} s at {PACE:g}/s: {in_words(answers)}; memory grew by "
        f"{growth >> 20} MB; {verdict}"
    )
    assert not verdict.broken
    assert not told[Asked.OK], "nothing can be stored"
    assert told[Asked.FAIL] >= 0.9 * LOCKED * PACE, "a few are in the commit that meets the lock"
    assert percentile(refusals, 99) <= REFUSED
    assert max(each.took for each in answers) <= 6.0
    assert growth <= GROWTH


@pytest.mark.fault("F19")
async def test_a_slow_database_is_waited_for_and_nothing_is_lost(
    fleet: Fleet, postgres_url: str, to_postgres: FaultProxy, tell: list[str]
) -> None:
    first = await register_all(fleet.url, ["first@example.com"])
    to_postgres.harm(up=Way(latency=SLOW), down=Way(latency=SLOW))
    answers = await ask_for(fleet.url, LOCKED, PACE, "slow")
    asked = first | {each.address: each.how for each in answers}
    to_postgres.heal()

    async with opened(postgres_url) as store:
        await until_settled(store)
        verdict = judge(asked, fleet.provider.taken, await read_ends(store))
    tell.append(f"F19 {2 * SLOW * 1000:g} ms to the database: {in_words(answers)}; {verdict}")
    assert not verdict.broken
    assert sum(each.how is Asked.OK for each in answers) >= 0.5 * LOCKED * PACE
    assert max(each.took for each in answers) <= 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """How one registration was answered, and the seconds it took."""

    address: str
    how: Asked
    took: float


async def ask_for(url: str, seconds: float, pace: float, name: str) -> Sequence[Answered]:
    """So many registrations a second, each asked for once; the answers."""
    answers: list[Answered] = []

    async def ask(http: aiohttp.ClientSession, address: str) -> None:
        began = time.monotonic()
        async with http.post("/register", json={"email": address}) as answer:
            words = await answer.text()
        took = time.monotonic() - began
        how = Asked.UNKNOWN if "may be stored" in words else _AS[answer.status]
        answers.append(Answered(address=address, how=how, took=took))

    connector = aiohttp.TCPConnector(limit=0)
    began = time.monotonic()
    async with (
        aiohttp.ClientSession(url, connector=connector) as http,
        asyncio.TaskGroup() as group,
    ):
        for index in range(round(seconds * pace)):
            await asyncio.sleep(began + index / pace - time.monotonic())
            group.create_task(ask(http, f"{name}-{index}@example.com"))
    return answers


def in_words(answers: Sequence[Answered]) -> str:
    """How many were answered how, and what that took."""
    took = {how: [each.took for each in answers if each.how is how] for how in Asked}
    return "; ".join(
        f"{len(each)} {how.value}, p50 {percentile(each, 50):.2f} s, p99 "
        f"{percentile(each, 99):.2f} s, at most {max(each):.2f} s"
        for how, each in took.items()
        if len(each) > 1
    )


_AS = {202: Asked.OK, 503: Asked.FAIL, 429: Asked.FAIL}


@asynccontextmanager
async def locked(url: str) -> AsyncIterator[None]:
    """Somebody else has the tables that are written to."""
    session = await asyncpg.connect(url)
    try:
        async with session.transaction():
            await session.execute("LOCK TABLE events, idempotency, users IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await session.close()


def memory(pid: int) -> int:
    """Bytes of memory a process has."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024
