"""Tasks are cancelled in the middle of their questions: no later question gets a wrong answer."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager

import asyncpg
import pytest
import sqlalchemy as sa

from tests.faults.extent import extent
from tests.faults.proxy import FaultProxy, target_of, through
from tests.faults.proxy_ways import Way
from tests.faults.sessions import sessions, until_idle
from tidings.core.clock import SystemClock
from tidings.core.errors import Unavailable
from tidings.core.ids import Ids
from tidings.core.metrics import Metrics
from tidings.core.ports import Store
from tidings.event_bus import RedisEventBus
from tidings.event_bus.link import Link
from tidings.store.postgres import PostgresStore
from tidings.store.postgres.connections import HOT_CONNECTIONS, RUN_CONNECTIONS, hot_pool
from tidings.testing.store_contract.given import an_acceptance, an_event

#: questions asked, and tasks that ask at once
NUMBER, AT_ONCE, SEED = extent(400, 10_000), 40, 16
#: seconds each way takes
SLOW = Way(latency=extent(0.01, 0.05), jitter=extent(0.01, 0.05))
#: the share of the questions that are cancelled, at a moment of so many seconds
HASTE, MOST_PATIENCE = 0.6, 6 * SLOW.latency

Question = Callable[[int], Awaitable[object]]
"""Takes a number and gives it back."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.fault("F16"),
    pytest.mark.timeout(extent(120, 900)),
]


@pytest.fixture
def postgres(migrated_postgres_url: str) -> Iterator[tuple[FaultProxy, str]]:
    with FaultProxy(target_of(migrated_postgres_url)) as proxy:
        yield proxy, through(proxy, migrated_postgres_url)


@pytest.fixture
def redis(redis_url: str) -> Iterator[tuple[FaultProxy, str]]:
    with FaultProxy(target_of(redis_url)) as proxy:
        yield proxy, through(proxy, redis_url)


async def test_cancelled_questions_to_postgres_spoil_no_other(
    postgres: tuple[FaultProxy, str], migrated_postgres_url: str, tell: list[str]
) -> None:
    proxy, url = postgres
    async with asked_through(url) as (questions, store):
        proxy.harm(up=SLOW, down=SLOW)

        outcomes = await storm(questions, NUMBER)

        proxy.heal()
        after = await storm(questions, AT_ONCE, cancelling=False)
        await until_idle(migrated_postgres_url)
        open_ = await sessions(migrated_postgres_url)
        await store.now()
    tell.append(f"F16 PostgreSQL, seed {SEED}: {in_words(outcomes)}; {open_} sessions, none busy")
    assert outcomes["wrong"] == 0
    assert outcomes["cancelled"] > NUMBER / 4
    assert outcomes["right"] > NUMBER / 8
    assert after == Counter(right=AT_ONCE)
    assert open_ <= 3 * HOT_CONNECTIONS + RUN_CONNECTIONS


async def test_cancelled_questions_to_redis_spoil_no_other(
    redis: tuple[FaultProxy, str], tell: list[str]
) -> None:
    proxy, url = redis
    link = Link(url, patience=5.0)
    bus = RedisEventBus(url, metrics=Metrics(), clock=SystemClock())
    questions = [echoed(link), piped(link), published(bus)]
    proxy.harm(up=SLOW, down=SLOW)

    outcomes = await storm(questions, NUMBER)

    proxy.heal()
    after = await storm(questions, AT_ONCE, cancelling=False)
    await bus.aclose()
    await link.aclose()
    tell.append(f"F16 Redis, seed {SEED}: {in_words(outcomes)}")
    assert outcomes["wrong"] == 0
    assert outcomes["cancelled"] > NUMBER / 4
    assert outcomes["right"] > NUMBER / 8
    assert after == Counter(right=AT_ONCE)


async def test_the_storm_finds_a_connection_that_is_used_on_after_a_cancellation(
    redis: tuple[FaultProxy, str],
) -> None:
    proxy, _ = redis
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    proxy.harm(down=SLOW)

    async def careless(number: int) -> object:
        writer.write(b"*2\r\n$4\r\nECHO\r\n$6\r\n%06d\r\n" % number)
        await reader.readexactly(len("$6\r\n"))
        return int((await reader.readexactly(len("000000\r\n"))).strip())

    outcomes = await storm([careless], 100, at_once=1)

    writer.close()
    assert outcomes["wrong"] > 0


@asynccontextmanager
async def asked_through(url: str) -> AsyncIterator[tuple[Sequence[Question], Store]]:
    """Questions to the pools and verbs of a store."""
    store = await PostgresStore.open(url, clock=SystemClock())
    pool = await hot_pool(url)

    async def pooled(number: int) -> object:
        async with pool.acquire(timeout=5) as connection:
            return await connection.fetchval("SELECT $1::integer", number)

    async def in_transaction(number: int) -> object:
        async with pool.acquire(timeout=5) as connection, connection.transaction():
            return await connection.fetchval("SELECT $1::integer", number)

    async def ran(number: int) -> object:
        return await store.run(lambda to: to.scalar(sa.select(sa.literal(number))))

    try:
        yield [pooled, in_transaction, ran, accepted(store)], store
    finally:
        pool.terminate()
        await store.aclose()


def accepted(store: Store) -> Question:
    """An event's own id must come back."""
    ids = Ids()

    async def ask(number: int) -> object:
        event = an_event(store, id=ids.new())
        (answer,) = await store.accept([an_acceptance(event)])
        return number if answer.event_id == event.id else answer.event_id

    return ask


def echoed(link: Link) -> Question:
    async def ask(number: int) -> object:
        return int(await link.command("ECHO", number))

    return ask


def piped(link: Link) -> Question:
    async def ask(number: int) -> object:
        first, second = await link.pipeline([("ECHO", number), ("ECHO", number + 1)], atomic=True)
        return int(first) if int(second) == number + 1 else second

    return ask


def published(bus: RedisEventBus) -> Question:
    async def ask(number: int) -> object:
        await bus.ping()
        return number

    return ask


async def storm(
    questions: Sequence[Question], number: int, *, at_once: int = AT_ONCE, cancelling: bool = True
) -> Counter[str]:
    """Ask so many questions, cancel many of them at any moment, and count what came back."""
    chance, numbers, outcomes = random.Random(SEED), iter(range(number)), Counter[str]()

    async def ask_on() -> None:
        for each in numbers:
            asking = asyncio.ensure_future(chance.choice(questions)(each))
            if cancelling and chance.random() < HASTE:
                await asyncio.wait({asking}, timeout=chance.uniform(0, MOST_PATIENCE))
                asking.cancel()
            outcomes[await outcome(asking, each)] += 1

    await asyncio.gather(*(ask_on() for _ in range(at_once)))
    return outcomes


async def outcome(asking: "asyncio.Future[object]", number: int) -> str:
    try:
        answer = await asking
    except asyncio.CancelledError:
        return "cancelled"
    except (Unavailable, TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return "refused"
    return "right" if answer == number else "wrong"


def in_words(outcomes: Counter[str]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(outcomes.items()))
