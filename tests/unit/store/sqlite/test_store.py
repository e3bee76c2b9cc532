"""What is true of SQLite alone: its thread, its errors, its file."""

import asyncio
import sqlite3
import sys
import threading
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from tidings.core.clock import SystemClock
from tidings.core.errors import Unavailable
from tidings.core.work import IdempotencyRecord, Registration
from tidings.store import definitions, schema
from tidings.store.sqlite import SqliteStore
from tidings.testing.store_contract.given import (
    a_plan,
    accept,
    add_delivery,
    add_user,
    an_acceptance,
    an_event,
    claim_one,
    rows,
)

REOPEN = """
import asyncio, sys
from pathlib import Path
from tidings.core.clock import SystemClock
from tidings.store.sqlite import SqliteStore
async def main():
    await (await SqliteStore.open(Path(sys.argv[1]), clock=SystemClock())).aclose()
asyncio.run(main())
print("alembic" in sys.modules)
"""
FORGET_TO_CLOSE = """
import asyncio
from tidings.core.clock import SystemClock
from tidings.store.sqlite import SqliteStore
async def main():
    print((await SqliteStore.open(None, clock=SystemClock())).installation.id)
asyncio.run(main())
"""


@pytest.fixture
async def store() -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(None, clock=SystemClock())
    yield store
    await store.aclose()


async def output_of(code: str, *arguments: str) -> str:
    process = await create_subprocess_exec(sys.executable, "-c", code, *arguments, stdout=PIPE)
    async with asyncio.timeout(30):
        output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode().strip()


async def test_every_commit_reaches_the_disk(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "tidings.db", clock=SystemClock())

    mode = await store.run(lambda to: to.exec_driver_sql("PRAGMA journal_mode").scalar_one())
    level = await store.run(lambda to: to.exec_driver_sql("PRAGMA synchronous").scalar_one())

    assert (mode, level) == ("wal", 2)
    await store.aclose()


async def test_a_current_database_is_opened_without_alembic(tmp_path: Path) -> None:
    path = tmp_path / "tidings.db"
    await (await SqliteStore.open(path, clock=SystemClock())).aclose()

    assert await output_of(REOPEN, str(path)) == "False"


async def test_accepting_is_one_transaction(store: SqliteStore) -> None:
    registration = Registration(user_id="ann", channel="email", address="ann@example.com")
    record = IdempotencyRecord(key="k", fingerprint="f")
    acceptance = an_acceptance(
        an_event(store, user_id="ann"), registration=registration, idempotency=record
    )
    commits = await _count_commits(store)

    await store.accept([acceptance])

    assert commits() == 1


async def test_planning_is_one_transaction(store: SqliteStore) -> None:
    await add_user(store, "ann", "ann@example.com")
    await accept(store, an_event(store, user_id="ann"))
    stamp = await store.run(definitions.read)
    commits = await _count_commits(store)

    result = await store.plan(limit=10, definitions=stamp, decide=a_plan)

    assert len(result.plans) == commits() == 1


async def _count_commits(store: SqliteStore) -> Callable[[], int]:
    """How many there were since."""
    said: list[str] = []
    await store.run(lambda to: _driver(to).set_trace_callback(said.append))
    said_before = len(said) + 1  # that very transaction ends yet
    return lambda: said[said_before:].count("COMMIT")


def _driver(connection: sa.Connection) -> sqlite3.Connection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


async def test_a_program_that_forgets_to_close_the_store_ends_all_the_same() -> None:
    assert len(await output_of(FORGET_TO_CLOSE)) == 36


async def test_a_full_database_is_unavailable_and_recovers(store: SqliteStore) -> None:
    await add_user(store, "ada")
    pages = await store.run(lambda to: to.exec_driver_sql("PRAGMA page_count").scalar_one())
    await store.run(lambda to: to.exec_driver_sql(f"PRAGMA max_page_count = {pages}").all())
    with pytest.raises(Unavailable, match="full"):
        await accept(store, an_event(store, data={"text": "x" * 100_000}))
    with pytest.raises(Unavailable, match="full"):
        await add_user(store, "bob", *[f"{number}@{'x' * 1000}" for number in range(100)])

    await store.run(lambda to: to.exec_driver_sql("PRAGMA max_page_count = 100000").all())

    event = an_event(store, data={"text": "x" * 100_000})
    assert (await accept(store, event)).status == "stored"
    assert [each["id"] for each in await rows(store, schema.users)] == ["ada"]


async def test_a_database_that_takes_no_writes_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "tidings.db"
    store = await SqliteStore.open(path, clock=SystemClock())
    await accept(store, an_event(store))
    await store.run(lambda to: to.exec_driver_sql("PRAGMA query_only = ON").rowcount)

    with pytest.raises(Unavailable):
        await accept(store, an_event(store))
    with pytest.raises(Unavailable):
        await store.run(definitions.bump)

    await store.aclose()


async def test_a_fault_of_ours_is_not_called_unavailable(store: SqliteStore) -> None:
    with pytest.raises(sa.exc.OperationalError, match="no such table"):
        await store.run(lambda to: to.exec_driver_sql("SELECT * FROM nowhere").all())


async def test_several_fresh_databases_are_opened_at_once_in_one_process() -> None:
    stores = await asyncio.gather(*[SqliteStore.open(None, clock=SystemClock()) for _ in range(5)])

    assert len({each.installation.id for each in stores}) == 5
    for each in stores:
        await each.aclose()


async def test_what_has_begun_is_finished_though_its_caller_gave_up(store: SqliteStore) -> None:
    begun, release = threading.Event(), threading.Event()

    def bump_slowly(connection: sa.Connection) -> None:
        begun.set()
        release.wait(timeout=30)
        definitions.bump(connection)

    giving_up = asyncio.create_task(store.run(bump_slowly))
    await asyncio.to_thread(begun.wait, 30)
    not_begun = asyncio.create_task(store.run(definitions.bump))
    await asyncio.sleep(0)
    for task in (giving_up, not_begun):
        task.cancel()
    await asyncio.gather(giving_up, not_begun, return_exceptions=True)
    release.set()

    assert await store.run(definitions.read) == 1


async def test_an_opening_that_is_cancelled_lets_go_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "tidings.db"
    opening = asyncio.create_task(SqliteStore.open(path, clock=SystemClock()))
    await asyncio.sleep(0)

    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)

    assert opening.cancelled()
    await (await SqliteStore.open(path, clock=SystemClock())).aclose()


async def test_closing_finishes_what_was_asked_and_then_refuses(tmp_path: Path) -> None:
    path = tmp_path / "tidings.db"
    store = await SqliteStore.open(path, clock=SystemClock())
    asked = [asyncio.create_task(accept(store, an_event(store))) for _ in range(20)]
    await asyncio.sleep(0)

    await store.aclose()
    await store.aclose()

    assert [each.status for each in await asyncio.gather(*asked)] == ["stored"] * 20
    with pytest.raises(Unavailable):
        await store.now()


async def test_times_are_kept_to_the_microsecond_as_numbers(store: SqliteStore) -> None:
    await add_delivery(store)
    claimed = await claim_one(store)

    kind = await store.run(
        lambda to: to.exec_driver_sql("SELECT typeof(due_at) FROM deliveries").scalar_one()
    )

    assert kind == "integer"
    assert claimed.event.time.microsecond == 678901


async def test_letters_beyond_ascii_have_their_small_forms(store: SqliteStore) -> None:
    small = await store.run(lambda to: to.exec_driver_sql("SELECT lower('ŁÓDŹ')").scalar_one())

    assert small == "łódź"
