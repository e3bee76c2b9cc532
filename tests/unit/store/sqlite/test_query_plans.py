"""How SQLite goes about the hot verbs while 100,000 rows wait."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import sqlalchemy as sa

from tidings.core.clock import SystemClock
from tidings.core.models import DeliveryState
from tidings.core.work import IdempotencyRecord, Outcome, Registration
from tidings.inbox.items import FeedItem, Status
from tidings.inbox.rows import count, find_page
from tidings.store.schema.types import from_microseconds
from tidings.store.sqlite import SqliteStore
from tidings.testing.store_contract.given import accept, an_event, claim, plan
from tidings.testing.store_contract.resume import resume

Verb = Callable[[SqliteStore], Awaitable[object]]

_BACKLOG = """
WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 100000)
"""
_LANE = "CASE n % 10 WHEN 0 THEN 'critical' WHEN 1 THEN 'bulk' ELSE 'normal' END"
_EVENTS = f"""
INSERT INTO events (id, source, source_id, bus_channel, type, user_id, data, time, lane, state,
                    due_at, tries, accepted_at)
{_BACKLOG} SELECT 'e' || n, 's', 'e' || n, 'c', 't', 'u' || n, '{{}}', 0, {_LANE}, 'due', n, 0, 0
FROM numbers
"""
_NOTIFICATIONS = f"""
INSERT INTO notifications (id, event_id, workflow, workflow_version, user_id, lane, once, state,
                           step, due_at, decisions, created_at)
{_BACKLOG} SELECT 'n' || n, 'e' || n, 'w', 'v', 'u' || n, {_LANE}, 0, 'waiting', 0, n, '[]', 0
FROM numbers
"""
_DELIVERIES = f"""
INSERT INTO deliveries (id, notification_id, event_id, user_id, workflow, step, channel, lane,
                        address, template, template_version, consent_version, state, due_at,
                        provider, claimed_at, created_at, updated_at)
{_BACKLOG} SELECT 'd' || n, 'n' || n, 'e' || n, 'u' || n, 'w', 0, 'email', {_LANE},
       'a', 't', 'v', 0, CASE n % 2 WHEN 0 THEN 'pending' ELSE 'sending' END, n, 'smtp', 0, 0, 0
FROM numbers
"""
_FEED = f"""
INSERT INTO feed (id, user_id, workflow, body, created_at, seen_at, read_at)
{_BACKLOG} SELECT 'f' || n, 'ann', 'w', 'b', n, n, n FROM numbers
"""
_BACKLOGS = (_EVENTS, _NOTIFICATIONS, _DELIVERIES)

#: a batch turned into rows, decisions put together, and tables of one row
_HARMLESS = re.compile(r"SCAN (json_each|item|\(subquery-\d+\)|installation)(\s|$)")


@pytest.fixture
async def store() -> AsyncIterator[SqliteStore]:
    """A store with 100,000 of everything due."""
    store = await SqliteStore.open(None, clock=SystemClock())

    def fill(connection: sa.Connection) -> None:
        for statement in _BACKLOGS:
            connection.exec_driver_sql(statement)

    await store.run(fill)
    yield store
    await store.aclose()


async def steps(store: SqliteStore, verb: Verb) -> list[str]:
    """Every step of the query plans of what a verb did, as SQLite would do it again."""
    done: list[str] = []

    def watch(connection: sa.Connection) -> None:
        raw = connection.connection.driver_connection
        assert raw is not None
        raw.set_trace_callback(done.append)

    def explain(connection: sa.Connection) -> list[str]:
        raw = connection.connection.driver_connection
        assert raw is not None
        raw.set_trace_callback(None)
        statements = [text for text in done if re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE)", text)]
        assert statements
        return [
            step[3] for text in statements for step in raw.execute(f"EXPLAIN QUERY PLAN {text}")
        ]

    await store.run(watch)
    await verb(store)
    return await store.run(explain)


def scans(found: list[str]) -> list[str]:
    """The steps that walk a whole table or index."""
    return [step for step in found if step.startswith("SCAN") and not _HARMLESS.match(step)]


async def settle_ten(store: SqliteStore) -> None:
    claimed = await claim(store, limit=10)
    await store.beat(claimed, lease=10)
    await store.settle([Outcome(claimed=each, state=DeliveryState.SENT) for each in claimed])


async def register(store: SqliteStore) -> None:
    await accept(
        store,
        an_event(store, user_id="u_ada"),
        registration=Registration(user_id="u_ada", channel="email", address="ada@example.com"),
        idempotency=IdempotencyRecord(key="k", fingerprint="f"),
    )


@pytest.mark.parametrize(
    ("verb", "index"),
    [
        (
            lambda store: claim(store, limit=10),
            "deliveries_due (channel=? AND lane=? AND due_at<?)",
        ),
        (
            lambda store: claim(store, limit=10),
            "deliveries_sending (channel=? AND lane=? AND due_at<?)",
        ),
        (lambda store: plan(store, limit=10), "events_due (lane=? AND due_at<?)"),
        (lambda store: resume(store, limit=10), "notifications_due (lane=? AND due_at<?)"),
    ],
)
async def test_what_is_due_is_found_by_its_partial_index(
    store: SqliteStore, verb: Verb, index: str
) -> None:
    found = await steps(store, verb)

    assert any(step.endswith(f"USING INDEX {index}") for step in found)
    assert scans(found) == []
    assert not any("TEMP B-TREE" in step for step in found if "due" in step)


@pytest.mark.parametrize("verb", [settle_ten, register])
async def test_what_is_named_by_id_is_found_by_its_key(store: SqliteStore, verb: Verb) -> None:
    assert scans(await steps(store, verb)) == []


@pytest.mark.parametrize(
    ("status", "index"),
    [
        (None, "feed_user"),
        (Status.ALL, "feed_user"),
        (Status.UNREAD, "feed_unread"),
        (Status.UNSEEN, "feed_unread"),
    ],
)
async def test_a_page_of_a_long_feed_is_read_in_its_order(
    store: SqliteStore, status: Status | None, index: str
) -> None:
    await store.run(lambda connection: connection.exec_driver_sql(_FEED) is None)
    last = FeedItem(
        id="f500", workflow="w", title=None, body="b", created_at=from_microseconds(500)
    )

    async def page(store: SqliteStore) -> None:
        await store.run(lambda to: find_page(to, "ann", status=status, limit=20, before=last))

    found = await steps(store, page)

    assert [index in step and "created_at" in step for step in found] == [True]


async def test_what_is_unread_is_counted_without_a_look_at_the_rest(store: SqliteStore) -> None:
    async def counted(store: SqliteStore) -> None:
        await store.run(lambda connection: count(connection, "ann"))

    assert await steps(store, counted) == ["SEARCH feed USING INDEX feed_unread (user_id=?)"]


async def test_a_scan_would_be_noticed(store: SqliteStore) -> None:
    async def by_address(store: SqliteStore) -> None:
        await store.run(
            lambda to: to.exec_driver_sql("SELECT id FROM deliveries WHERE address = 'a'").all()
        )

    assert scans(await steps(store, by_address)) == ["SCAN deliveries"]
