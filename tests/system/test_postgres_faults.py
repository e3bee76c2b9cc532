"""The store on PostgreSQL when the server dies, callers leave, and workers meet."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import asyncpg
import pytest
import sqlalchemy as sa

from tests.servers.postgres import PostgresServer
from tests.system.postgres_sessions import PATIENCE, SECRET, until, with_password
from tidings.core.clock import SystemClock
from tidings.core.errors import TidingsError, Unavailable
from tidings.core.ids import Ids, derived
from tidings.core.models import USER_CHANNEL, DeliveryState, Event, NotificationState
from tidings.core.work import (
    Acceptance,
    Attempt,
    Claimed,
    ClaimResult,
    DueEvent,
    EventPlan,
    Outcome,
    PlannedDelivery,
    PlannedNotification,
    Registration,
)
from tidings.store.postgres import PostgresStore
from tidings.store.postgres.connections import (
    ACCEPT_CONNECTIONS,
    HOT_CONNECTIONS,
    RUN_CONNECTIONS,
)
from tidings.testing.store_contract.given import a_request

if TYPE_CHECKING:
    Session = asyncpg.Connection[asyncpg.Record]

LEASE = 60.0
NOTHING = ClaimResult(taken=[], ended=[])
IDS = Ids()

OUR_SESSIONS = """
FROM pg_stat_activity WHERE application_name = 'tidings' AND datname = current_database()
"""
WAITING_SESSIONS = f"{OUR_SESSIONS} AND wait_event_type = 'Lock'"


@pytest.fixture
async def store(postgres_url: str) -> AsyncIterator[PostgresStore]:
    store = await PostgresStore.open(with_password(postgres_url), clock=SystemClock())
    yield store
    await store.aclose()


@pytest.fixture
async def onlooker(postgres_url: str) -> AsyncIterator["Session"]:
    """A session beside the store's."""
    session = await asyncpg.connect(postgres_url)
    yield session
    await session.close()


async def test_a_dead_server_is_unavailable_to_every_verb_and_back_by_itself(
    store: PostgresStore, postgres_server: PostgresServer
) -> None:
    (claimed,) = await one_in_hand(store)

    postgres_server.kill()
    while_dead = [await failure_of(verb) for verb in verbs(store, claimed)]
    postgres_server.start()
    await until_it_answers(store)

    assert [Unavailable] * len(while_dead) == [type(error) for error in while_dead]
    assert not [error for error in while_dead if SECRET in str(error)]
    assert [None] * len(while_dead) == [await failure_of(verb) for verb in verbs(store, claimed)]


async def test_what_was_accepted_is_there_after_a_kill(
    store: PostgresStore, postgres_server: PostgresServer
) -> None:
    await store.accept([a_registration(f"user-{n}") for n in range(100)])

    postgres_server.kill()
    postgres_server.start()
    await until_it_answers(store)

    result = await store.plan(limit=200, definitions=0, decide=one_mail)
    assert len(result.plans) == 100


@pytest.mark.parametrize("function", ["pg_cancel_backend", "pg_terminate_backend"])
async def test_a_statement_the_server_ends_is_unavailable(
    store: PostgresStore, postgres_url: str, onlooker: "Session", function: str
) -> None:
    async with locked_deliveries(postgres_url):
        claiming = asyncio.create_task(claim(store))
        await until(lambda: onlooker.fetchval(f"SELECT {function}(pid) {WAITING_SESSIONS}"))

        with pytest.raises(Unavailable):
            await claiming

    assert await claim(store) == NOTHING


@pytest.mark.parametrize("verb", ["claim", "beat"])
async def test_a_lease_begins_when_it_is_given_however_long_the_statement_waited(
    store: PostgresStore, postgres_url: str, onlooker: "Session", verb: str
) -> None:
    (claimed,) = await one_in_hand(store)
    await onlooker.execute("UPDATE deliveries SET due_at = now()")
    waited = f"SELECT count(*) = 1 {WAITING_SESSIONS} AND now() - query_start > interval '1 s'"

    async with locked_deliveries(postgres_url):
        asked = store.beat([claimed], lease=LEASE) if verb == "beat" else claim(store)
        asking = asyncio.ensure_future(asked)
        await until(lambda: onlooker.fetchval(waited))
    await asking

    query = "SELECT extract(epoch FROM due_at - clock_timestamp()) FROM deliveries"
    assert await onlooker.fetchval(query) > LEASE - 0.9


async def test_waiting_for_a_connection_ends(
    store: PostgresStore, postgres_url: str, onlooker: "Session"
) -> None:
    all_wait = f"SELECT count(*) = {HOT_CONNECTIONS} {WAITING_SESSIONS}"
    async with locked_deliveries(postgres_url):
        claims = [asyncio.create_task(claim(store)) for _ in range(HOT_CONNECTIONS)]
        await until(lambda: onlooker.fetchval(all_wait))

        with pytest.raises(Unavailable):
            await store.now()

    assert await asyncio.gather(*claims) == [NOTHING] * HOT_CONNECTIONS


async def test_callers_that_leave_take_no_connection_with_them(
    store: PostgresStore, onlooker: "Session"
) -> None:
    chance = random.Random(7)
    claimed = await one_in_hand(store)
    await store.accept([a_registration(f"user-{n}") for n in range(200)])

    left = 0
    for _ in range(200):
        verb = chance.choice(verbs(store, claimed[0]))
        task = asyncio.ensure_future(verb())
        await asyncio.sleep(chance.random() * 0.004)
        left += task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    all_idle = f"SELECT count(*) = 0 {OUR_SESSIONS} AND state <> 'idle'"
    await until(lambda: onlooker.fetchval(all_idle))
    sessions = await onlooker.fetchval(f"SELECT count(*) {OUR_SESSIONS}")
    assert sessions <= ACCEPT_CONNECTIONS + HOT_CONNECTIONS + RUN_CONNECTIONS
    assert left > 50
    await in_use_at_once(store)


async def test_no_row_is_planned_or_claimed_by_two(postgres_url: str, onlooker: "Session") -> None:
    async with AsyncExitStack() as closing:
        stores = [await opened(postgres_url, closing) for _ in range(4)]
        await stores[0].accept([a_registration(f"user-{n}") for n in range(5_000)])

        planned = await drained(stores, planned_batch)
        claimed = await drained(stores, claimed_batch)

    assert Counter(planned.values()) == {1: 5_000}
    assert Counter(claimed.values()) == {1: 5_000}
    query = "SELECT epoch, count(*) FROM deliveries GROUP BY epoch"
    assert [tuple(row) for row in await onlooker.fetch(query)] == [(1, 5_000)]


async def drained(
    stores: Sequence[PostgresStore], take: Callable[[PostgresStore], Awaitable[list[str]]]
) -> Counter[str]:
    """What all stores took together, each taking until nothing is left."""
    taken: Counter[str] = Counter()

    async def drain(store: PostgresStore) -> None:
        while batch := await take(store):
            taken.update(batch)

    await asyncio.gather(*(drain(store) for store in stores))
    return taken


async def planned_batch(store: PostgresStore) -> list[str]:
    result = await store.plan(limit=97, definitions=0, decide=one_mail)
    return [plan.event.id for plan in result.plans]


async def claimed_batch(store: PostgresStore) -> list[str]:
    return [each.id for each in (await claim(store, limit=97)).taken]


async def opened(url: str, closing: AsyncExitStack) -> PostgresStore:
    store = await PostgresStore.open(url, clock=SystemClock())
    closing.push_async_callback(store.aclose)
    return store


async def claim(store: PostgresStore, *, channel: str = "email", limit: int = 10) -> ClaimResult:
    return await store.claim(a_request(channel=channel, limit=limit, lease=LEASE))


async def one_in_hand(store: PostgresStore) -> Sequence[Claimed]:
    await store.accept([a_registration("ada")])
    await store.plan(limit=10, definitions=0, decide=one_mail)
    return (await claim(store)).taken


def verbs(store: PostgresStore, claimed: Claimed) -> list[Callable[[], Awaitable[object]]]:
    return [
        lambda: store.accept([a_registration("bob")]),
        lambda: store.plan(limit=10, definitions=0, decide=one_mail),
        lambda: store.resume(limit=10, definitions=0, decide=lambda due: pytest.fail(due.id)),
        lambda: claim(store, channel="sms"),
        lambda: store.beat([claimed], lease=60),
        lambda: store.settle([given_back(claimed)]),
        store.fold,
        store.now,
        lambda: store.run(lambda connection: connection.scalar(sa.text("SELECT 1"))),
    ]


async def failure_of(verb: Callable[[], Awaitable[object]]) -> TidingsError | None:
    try:
        await asyncio.wait_for(verb(), PATIENCE)
    except TidingsError as error:
        return error
    return None


async def until_it_answers(store: PostgresStore) -> None:
    async def answers() -> bool:
        return [await failure_of(verb) for verb in (store.now, store.fold)] == [None, None]

    await until(answers)


@asynccontextmanager
async def locked_deliveries(url: str) -> AsyncIterator[None]:
    """Nobody else reads deliveries meanwhile."""
    session = await asyncpg.connect(url)
    try:
        async with session.transaction():
            await session.execute("LOCK TABLE deliveries")
            yield
    finally:
        await session.close()


async def in_use_at_once(store: PostgresStore) -> None:
    """Fails unless every connection of the pool can be had."""

    def sleep(connection: sa.Connection) -> None:
        connection.execute(sa.text("SELECT pg_sleep(0.2)"))

    await asyncio.gather(
        *(store.now() for _ in range(HOT_CONNECTIONS)),
        *(store.run(sleep) for _ in range(RUN_CONNECTIONS)),
    )


def a_registration(user_id: str) -> Acceptance:
    event = Event(id=IDS.new(), type="TEST", source="test", time=datetime.now(UTC), user_id=user_id)
    registration = Registration(user_id=user_id, channel="email", address=f"{user_id}@example.com")
    return Acceptance(event=event, bus_channel=USER_CHANNEL, registration=registration)


def one_mail(due: DueEvent) -> EventPlan:
    notification_id = derived(due.event.key, "welcome")
    delivery = PlannedDelivery(
        id=derived(notification_id, "email"),
        step=0,
        channel="email",
        address="ada@example.com",
        template="welcome",
        template_version="t1",
        locale=None,
        consent_version=0,
        due_at=due.now,
    )
    notification = PlannedNotification(
        id=notification_id,
        user_id=due.event.user_id or "",
        workflow="welcome",
        workflow_version="w1",
        lane=due.lane,
        once=False,
        state=NotificationState.PLANNED,
        step=1,
        due_at=None,
        decisions=(),
        deliveries=(delivery,),
    )
    return EventPlan(event=due.event, notifications=(notification,))


def given_back(claimed: Claimed) -> Outcome:
    now = datetime.now(UTC)
    attempt = Attempt(provider="smtp", outcome="transient", started_at=now, finished_at=now)
    return Outcome(claimed=claimed, state=DeliveryState.PENDING, due_in=60, attempt=attempt)
