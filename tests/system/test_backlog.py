"""The gauges of what is due: right on both databases, cheap on a large one, silent without one."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from tests.system.test_postgres_plans import GROW, WAITING, walk
from tests.system.troubled_store import TroubledStore
from tidings.core.clock import SystemClock
from tidings.core.metrics import Metrics
from tidings.core.ports import Store
from tidings.store.backlog import MOST, PINNED, Backlog, Due, backlog_query, waiting_query
from tidings.store.postgres import PostgresStore
from tidings.store.schema import deliveries, events

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def by_place(found: list[Due]) -> dict[tuple[str, str, str], tuple[int, datetime | None]]:
    return {(due.kind, due.channel, due.lane): (due.count, due.oldest) for due in found}


async def add_work(store: Store, *due_at: datetime) -> None:
    """A due event and a pending delivery for each time, and a delivery that is done."""

    def add(connection: sa.Connection) -> None:
        for number, moment in enumerate(due_at):
            connection.execute(sa.insert(events), an_event(number, moment))
            connection.execute(sa.insert(deliveries), a_delivery(number, moment, "pending"))
        connection.execute(sa.insert(deliveries), a_delivery(len(due_at), NOON, "sent"))

    await store.run(add)


async def test_what_is_due_is_counted_by_kind_channel_and_lane(store: Store) -> None:
    await add_work(store, NOON, NOON + timedelta(hours=1), NOON + timedelta(hours=3))

    found = await Backlog(store, metrics=Metrics(), channels=["email"]).read(
        NOON + timedelta(hours=2)
    )

    places = by_place(list(found))
    assert len(places) == 9
    assert places["events", "", "normal"] == (2, NOON)
    assert places["deliveries", "email", "normal"] == (2, NOON)
    assert places["deliveries", "email", "critical"] == (0, None)


async def test_what_waits_in_all_is_counted_up_to_a_bound_due_or_not(store: Store) -> None:
    await add_work(store, NOON, NOON + timedelta(days=9_000))
    backlog = Backlog(store, metrics=Metrics(), channels=["email"])

    assert await backlog.waiting(100) == 4
    assert await backlog.waiting(3) == 3


async def test_the_gauges_tell_how_many_and_for_how_long(store: Store) -> None:
    now = await store.now()
    await add_work(store, now - timedelta(seconds=90), now - timedelta(seconds=30))
    metrics = Metrics()

    await Backlog(store, metrics=metrics, channels=["email"]).look()

    labels = {"kind": "deliveries", "channel": "email", "lane": "normal"}
    age = metrics.registry.get_sample_value("tidings_oldest_due_seconds", labels)
    assert metrics.registry.get_sample_value("tidings_due", labels) == 2
    assert age is not None
    assert 90 <= age < 120
    assert metrics.registry.get_sample_value("tidings_database_up") == 1


async def test_without_a_database_the_gauges_say_that_and_nothing_old(store: Store) -> None:
    troubled, metrics = TroubledStore(store), Metrics()
    backlog = Backlog(troubled, metrics=metrics, channels=["email"], fresh=0)
    await backlog.look()
    troubled.down = frozenset({"now"})

    await backlog.look()

    labels = {"kind": "events", "channel": "", "lane": "normal"}
    assert metrics.registry.get_sample_value("tidings_due", labels) is None
    assert metrics.registry.get_sample_value("tidings_database_up") == 0


async def test_a_scrape_soon_after_another_asks_nothing(store: Store) -> None:
    troubled = TroubledStore(store)
    backlog = Backlog(troubled, metrics=Metrics(), channels=["email"])

    for _ in range(3):
        await backlog.look()

    assert troubled.asked["now"] == 1


async def test_a_hundred_thousand_rows_waiting_are_read_from_the_indexes_alone(
    postgres_url: str,
) -> None:
    store = await PostgresStore.open(postgres_url, clock=SystemClock())
    await store.run(grow)
    fresh = await store.run(explain), await store.run(explain_waiting)
    await store.run(lambda connection: connection.exec_driver_sql("ANALYZE"))
    counted = await store.run(explain), await store.run(explain_waiting)
    await store.aclose()

    for due, waiting in (fresh, counted):
        assert list(scans(due)) + list(scans(waiting)) == []
        assert {"events_due", "notifications_due", "deliveries_due"} <= indexes(due)
        assert indexes(waiting) == {"events_due", "deliveries_due"}


def test_the_checker_sees_a_scan() -> None:
    scan = {"Node Type": "Append", "Plans": [{"Node Type": "Seq Scan", "Relation Name": "events"}]}

    assert list(scans(scan)) == ["events"]


def grow(connection: sa.Connection) -> None:
    for statement in GROW.split(";\n"):
        if statement.strip():
            connection.exec_driver_sql(statement)


def explain(connection: sa.Connection) -> Mapping[str, Any]:
    """The plan of the statement as `read` runs it, and that it counts them all."""
    for statement in PINNED:
        connection.execute(sa.text(statement))
    query = backlog_query(["email"])
    now = datetime.now(UTC) + timedelta(minutes=1)
    assert max(row[3] for row in connection.execute(query, {"now": now})) == min(WAITING, MOST)
    return plan_of(connection, query.params(now=now))


def explain_waiting(connection: sa.Connection) -> Mapping[str, Any]:
    """The plan of what counts everything that waits."""
    for statement in PINNED:
        connection.execute(sa.text(statement))
    return plan_of(connection, waiting_query(WAITING))


def plan_of(connection: sa.Connection, query: sa.CompoundSelect[Any]) -> Mapping[str, Any]:
    compiled = query.compile(connection, compile_kwargs={"literal_binds": True})
    found: Any = connection.scalar(sa.text(f"EXPLAIN (ANALYZE, FORMAT JSON) {compiled}"))
    [plan] = json.loads(found) if isinstance(found, str) else found
    return dict(plan["Plan"])


def scans(plan: Mapping[str, Any]) -> Iterator[str]:
    for node in walk(plan):
        if node["Node Type"] in {"Seq Scan", "Bitmap Heap Scan"}:
            yield node["Relation Name"]


def indexes(plan: Mapping[str, Any]) -> set[str]:
    return {node["Index Name"] for node in walk(plan) if "Index Name" in node}


def an_event(number: int, due_at: datetime) -> dict[str, object]:
    return {
        "id": f"00000000-0000-7000-8000-{number:012d}",
        "source": "test",
        "source_id": str(number),
        "bus_channel": "USER_CHANNEL",
        "type": "TEST",
        "data": {},
        "time": due_at,
        "lane": "normal",
        "state": "due",
        "due_at": due_at,
        "accepted_at": due_at,
    }


def a_delivery(number: int, due_at: datetime, state: str) -> dict[str, object]:
    key = f"00000000-0000-7000-8000-{number:012d}"
    return {
        "id": key,
        "notification_id": key,
        "event_id": key,
        "user_id": "u1",
        "workflow": "welcome",
        "step": 0,
        "channel": "email",
        "lane": "normal",
        "address": "ada@example.com",
        "template": "welcome",
        "template_version": "t1",
        "consent_version": 0,
        "state": state,
        "due_at": due_at,
        "created_at": due_at,
        "updated_at": due_at,
    }
