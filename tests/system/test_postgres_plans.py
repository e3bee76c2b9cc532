"""How PostgreSQL runs the hot statements with 100,000 rows waiting, whenever it planned them."""

import hashlib
import json
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tidings.core.clock import SystemClock
from tidings.store.postgres import PostgresStore
from tidings.store.postgres.accept import KNOWN, WRITE
from tidings.store.postgres.claim import CLAIM
from tidings.store.postgres.connections import hot_pool
from tidings.store.postgres.expire import EXPIRE
from tidings.store.postgres.give_back import GIVE_BACK
from tidings.store.postgres.plan import DUE as DUE_EVENTS
from tidings.store.postgres.plan import FINISH as FINISH_PLANNING
from tidings.store.postgres.plan import PUT_OFF as PUT_OFF_EVENTS
from tidings.store.postgres.planned import ADD_NOTIFICATIONS, KNOWN_NOTIFICATIONS
from tidings.store.postgres.reread import REREAD
from tidings.store.postgres.resume import DUE as DUE_NOTIFICATIONS
from tidings.store.postgres.resume import FINISH as FINISH_RESUMING
from tidings.store.postgres.resume import PUT_OFF as PUT_OFF_NOTIFICATIONS
from tidings.store.postgres.settle import BEAT, SETTLE, STANDING
from tidings.store.postgres.sweep import TAKE_BACK

if TYPE_CHECKING:
    from tidings.store.postgres.connections import Connection

WAITING = 100_000
BATCH = 100

#: more rows than a statement may look at, and more pages than it may touch, for each of its batch
ROWS_EACH = 5
PAGES_EACH = 100

GROW = f"""
INSERT INTO users (id, consent_version, created_at, updated_at)
SELECT 'u' || n, 0, now(), now() FROM generate_series(1, 1000) AS n;
INSERT INTO addresses (user_id, channel, address, status, created_at)
SELECT 'u' || n, 'email', n || '@example.com', 'active', now() FROM generate_series(1, 1000) AS n;
INSERT INTO events (id, source, source_id, bus_channel, type, user_id, data, time, lane, state,
                    due_at, tries, accepted_at)
SELECT md5('e' || n)::uuid, 'test', n, 'USER_CHANNEL', 'TEST', 'u' || n % 1000 + 1, '{{}}', now(),
       'normal', 'due', now() - make_interval(secs => n % 5000), 0, now()
FROM generate_series(1, {WAITING}) AS n;
INSERT INTO notifications (id, event_id, workflow, workflow_version, user_id, lane, once, state,
                           step, due_at, decisions, created_at)
SELECT md5('n' || n)::uuid, md5('e' || n)::uuid, 'welcome', 'w1', 'u' || n % 1000 + 1, 'normal',
       false, 'waiting', 0, now() - make_interval(secs => n % 5000), '[]', now()
FROM generate_series(1, {WAITING}) AS n;
INSERT INTO deliveries (id, notification_id, event_id, user_id, workflow, step, channel, lane,
                        address, template, template_version, consent_version, state, epoch, tries,
                        lapses, due_at, provider, claimed_at, expires_at, created_at, updated_at)
SELECT md5('d' || n)::uuid, md5('n' || n)::uuid, md5('e' || n)::uuid, 'u' || n % 1000 + 1,
       'welcome', 0, 'email', 'normal', 'ada@example.com', 'welcome', 't1', 0,
       CASE WHEN n <= {BATCH} THEN 'sending' ELSE 'pending' END, 1, 0, 0,
       now() - make_interval(secs => n % 5000), 'smtp', now(),
       CASE WHEN n % 2 = 0 THEN now() + make_interval(secs => n - 50000) END, now(), now()
FROM generate_series(1, {WAITING}) AS n;
"""

#: the backlog as bulk, with one critical row of each kind behind it
GROW_BULK = f"""
{GROW.replace("'normal'", "'bulk'")}
UPDATE events SET lane = 'critical', due_at = now() WHERE source_id = '{WAITING}';
UPDATE notifications SET lane = 'critical', due_at = now() WHERE id = md5('n{WAITING}')::uuid;
UPDATE deliveries SET lane = 'critical', due_at = now() WHERE id = md5('d{WAITING}')::uuid;
"""
GROW_LATER = GROW.replace("now() - make_interval(secs => n % 5000)", "now() + interval '1 day'")

_NO_SHIFT, _LEASE = "'0'::interval", "'10 s'::interval"
_CLAIM_ID = uuid.UUID(int=1)
_SMTP = "'{smtp}'::text[]"
_LANES = "'{critical,normal,bulk}'::text[]"


def each(value: str, kind: str) -> str:
    return f"array_fill({value}::{kind}, ARRAY[{BATCH}])"


def ids(prefix: str) -> str:
    """The first ids that GROW makes with this prefix."""
    digests = (hashlib.md5(f"{prefix}{n}".encode()).hexdigest() for n in range(1, BATCH + 1))
    return f"'{{{','.join(str(uuid.UUID(digest)) for digest in digests)}}}'::uuid[]"


def text_ids(prefix: str) -> str:
    return f"{ids(prefix)}::text[]"


def first_users() -> str:
    return f"'{{{','.join(f'u{n}' for n in range(1, BATCH + 1))}}}'::text[]"


NEW_DELIVERIES = [
    ids("new"),
    ids("n"),
    ids("e"),
    each("'u1'", "text"),
    each("'welcome'", "text"),
    each("0", "smallint"),
    *[each("'x'", "text")] * 6,
    each("0", "integer"),
    each("now()", "timestamptz"),
    each("NULL", "text"),
    each("NULL", "timestamptz"),
]
FIGURES = [each("'welcome'", "text"), each("'planned'", "text"), each("1", "integer")]
PUT_OFF = [each("1", "smallint"), each("'broken'", "text"), each("60", "float8")]

#: name → statement, its arguments, and the index that must lead to its rows
STATEMENTS: dict[str, tuple[str, list[str], str | None]] = {
    "claim": (
        CLAIM,
        [_NO_SHIFT, "'email'", str(BATCH), _LEASE, _SMTP, _LANES, _SMTP, f"'{_CLAIM_ID}'"],
        "deliveries_due",
    ),
    "give_back": (
        GIVE_BACK,
        [_NO_SHIFT, f"'{{{_CLAIM_ID}}}'::uuid[]", "'{}'::uuid[]"],
        "deliveries_sending",
    ),
    "expire": (EXPIRE, [_NO_SHIFT, "'email'", str(BATCH)], "deliveries_expiry"),
    "take_back": (
        TAKE_BACK,
        [_NO_SHIFT, "'email'", str(BATCH), "'{}'::uuid[]"],
        "deliveries_sending",
    ),
    "due_events": (DUE_EVENTS, [_NO_SHIFT, str(BATCH)], "events_due"),
    "due_notifications": (DUE_NOTIFICATIONS, [_NO_SHIFT, str(BATCH)], "notifications_due"),
    "reread": (REREAD, [_NO_SHIFT, ids("d"), each("1", "integer")], "deliveries_pkey"),
    "beat": (
        BEAT,
        [_NO_SHIFT, _LEASE, ids("d"), each("1", "integer")],
        "deliveries_pkey",
    ),
    "settle": (
        SETTLE,
        [
            _NO_SHIFT,
            ids("d"),
            each("1", "integer"),
            each("'sent'", "text"),
            each("NULL", "text"),
            each("NULL", "float8"),
            each("'welcome'", "text"),
            each("'email'", "text"),
            each("0", "smallint"),
            each("true", "boolean"),
            each("'sent'", "text"),
            each("'smtp'", "text"),
            each("'250'", "text"),
            each("'sent'", "text"),
            each("NULL", "text"),
            each("now()", "timestamptz"),
            each("now()", "timestamptz"),
            *[each("NULL", "text")] * 2,
            each("false", "boolean"),
        ],
        "deliveries_pkey",
    ),
    "standing": (STANDING, [ids("d"), each("1", "integer")], "deliveries_pkey"),
    "known": (
        KNOWN,
        [
            each("'key'", "text"),
            ids("e"),
            each("'u1'", "text"),
        ],
        "events_pkey",
    ),
    "write": (
        WRITE,
        [
            _NO_SHIFT,
            *[text_ids("new")] * 5,
            ids("new"),
            *[text_ids("new")] * 5,
            each("'{}'", "text"),
            each("now()", "timestamptz"),
            each("'normal'", "text"),
            each("NULL", "text"),
            *[text_ids("new")] * 4,
            each("1", "integer"),
        ],
        "users_pkey",
    ),
    "add_notifications": (
        ADD_NOTIFICATIONS,
        [
            _NO_SHIFT,
            ids("new"),
            ids("e"),
            *[text_ids("new")] * 3,
            each("'normal'", "text"),
            each("true", "boolean"),
            each("'planned'", "text"),
            each("1", "smallint"),
            each("NULL", "timestamptz"),
            each("'[]'", "text"),
        ],
        None,
    ),
    "known_notifications": (KNOWN_NOTIFICATIONS, [ids("n")], "notifications_pkey"),
    "finish_planning": (
        FINISH_PLANNING,
        [
            _NO_SHIFT,
            *NEW_DELIVERIES,
            ids("e"),
            each("NULL", "text"),
            first_users(),
            *FIGURES,
        ],
        "events_pkey",
    ),
    "finish_resuming": (
        FINISH_RESUMING,
        [
            _NO_SHIFT,
            *NEW_DELIVERIES,
            ids("n"),
            each("'planned'", "text"),
            each("1", "smallint"),
            each("NULL", "timestamptz"),
            each("'[]'", "text"),
            *FIGURES,
        ],
        "notifications_pkey",
    ),
    "put_off_events": (PUT_OFF_EVENTS, [_NO_SHIFT, ids("e"), *PUT_OFF], "events_pkey"),
    "put_off_notifications": (
        PUT_OFF_NOTIFICATIONS,
        [_NO_SHIFT, ids("n"), *PUT_OFF],
        "notifications_pkey",
    ),
}


@pytest.fixture
async def session(postgres_url: str) -> AsyncIterator["Connection"]:
    """A session just like those of the hot verbs, on empty tables."""
    store = await PostgresStore.open(postgres_url, clock=SystemClock())
    await store.aclose()
    async with hot_pool(postgres_url) as pool, pool.acquire() as connection:
        yield connection


async def test_plans_made_on_empty_tables_hold_when_the_tables_have_grown(
    session: "Connection",
) -> None:
    await prepare(session)
    await explain_all(session)

    await session.execute(GROW, timeout=60)

    assert await faults(session) == {}


async def test_plans_made_on_grown_tables_nobody_has_counted_hold(session: "Connection") -> None:
    await session.execute(GROW, timeout=60)

    await prepare(session)

    assert await faults(session) == {}


async def test_plans_made_on_grown_and_counted_tables_hold(session: "Connection") -> None:
    await session.execute(GROW, timeout=60)
    await session.execute("ANALYZE", timeout=60)

    await prepare(session)

    assert await faults(session) == {}


async def test_a_critical_row_behind_a_backlog_of_bulk_comes_first(session: "Connection") -> None:
    await prepare(session)
    await session.execute(GROW_BULK, timeout=60)

    found = await faults(session)
    due = [
        await session.fetch(statement, timedelta(), 10)
        for statement in (DUE_EVENTS, DUE_NOTIFICATIONS)
    ]
    lanes = ["critical", "normal", "bulk"]
    lease = timedelta(seconds=10)
    smtp = ["smtp"]
    claimed = await session.fetch(
        CLAIM, timedelta(), "email", 10, lease, smtp, lanes, smtp, _CLAIM_ID
    )

    assert found == {}
    assert [sorted(row["lane"] for row in rows) for rows in due] == [
        ["bulk"] * 9 + ["critical"]
    ] * 2
    assert [row["lane"] for row in claimed] == ["critical"] + ["bulk"] * 9


async def test_a_backlog_that_is_due_later_costs_nothing_now(session: "Connection") -> None:
    await prepare(session)
    await session.execute(GROW_LATER, timeout=60)

    assert await faults(session) == {}


async def test_the_checker_sees_bad_plans(session: "Connection") -> None:
    await session.execute(GROW, timeout=60)
    await session.execute("ANALYZE", timeout=60)
    bad = {
        "SELECT FROM deliveries WHERE address = 'ada@example.com' LIMIT 1": [
            "never uses deliveries_due",
            "scans deliveries whole",
        ],
        "SELECT FROM deliveries WHERE channel = 'email' AND lane = 'normal' "
        "AND state = 'pending' AND due_at <= now() AND address = 'x'": [
            f"looks at {WAITING - BATCH} rows of deliveries",
        ],
        f"SELECT FROM notifications WHERE id = ANY ({ids('n')})": ["never uses deliveries_due"],
    }

    for number, statement in enumerate(bad):
        await session.execute(f"PREPARE bad_{number} AS {statement}")
    plans = [await explain(session, f"bad_{number}", []) for number in range(len(bad))]

    found = [list(plan_faults(plan, "deliveries_due")) for plan in plans]
    assert [*bad.values()] == [[each for each in few if "pages" not in each] for few in found]


async def prepare(session: "Connection") -> None:
    for name, (statement, _, _) in STATEMENTS.items():
        await session.execute(f"PREPARE {name} AS {statement}")


async def explain_all(session: "Connection") -> dict[str, Mapping[str, Any]]:
    return {
        name: await explain(session, name, arguments)
        for name, (_, arguments, _) in STATEMENTS.items()
    }


async def faults(session: "Connection") -> dict[str, list[str]]:
    plans = await explain_all(session)
    found = {name: list(plan_faults(plan, STATEMENTS[name][2])) for name, plan in plans.items()}
    return {name: each for name, each in found.items() if each}


async def explain(session: "Connection", name: str, arguments: list[str]) -> Mapping[str, Any]:
    """The plan as it ran; what it wrote is undone."""
    call = f"EXECUTE {name}" + (f"({', '.join(arguments)})" if arguments else "")
    transaction = session.transaction()
    await transaction.start()
    try:
        text = await session.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {call}")
    finally:
        await transaction.rollback()
    plan: Mapping[str, Any] = json.loads(text)[0]["Plan"]
    return plan


def plan_faults(plan: Mapping[str, Any], index: str | None) -> Iterator[str]:
    nodes = list(walk(plan))
    if index and index not in {node.get("Index Name") for node in nodes}:
        yield f"never uses {index}"
    for node in nodes:
        yield from node_faults(node)
    pages = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    if pages > PAGES_EACH * BATCH:
        yield f"touches {pages} pages"


def node_faults(node: Mapping[str, Any]) -> Iterator[str]:
    table = node.get("Relation Name")
    if table is None or node["Node Type"] == "ModifyTable":
        return
    if node["Node Type"] == "Seq Scan" and table != "installation":
        yield f"scans {table} whole"
    removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    looked_at = round((node["Actual Rows"] + removed) * node["Actual Loops"])
    if looked_at > ROWS_EACH * BATCH:
        yield f"looks at {looked_at} rows of {table}"


def walk(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from walk(child)
