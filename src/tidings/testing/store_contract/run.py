"""Ordinary work in SQLAlchemy Core, and what becomes of callers that give up."""

import asyncio
import threading
import time

import pytest
import sqlalchemy as sa

from tidings.core.errors import InvalidInput
from tidings.core.ports import Store
from tidings.store import definitions, schema, upsert
from tidings.testing.clock import MovableClock
from tidings.testing.store_contract.case import CLOCK_TOLERANCE, StoreCase
from tidings.testing.store_contract.given import accept, add_user, an_event, row, rows, told


class RunContract(StoreCase):
    """What `run`, `now` and `installation` must do."""

    async def test_the_time_is_the_databases_moved_by_the_clock(
        self, store: Store, clock: MovableClock
    ) -> None:
        clock.advance(days=400)

        assert abs(await store.now() - clock.now()) < CLOCK_TOLERANCE

    async def test_work_that_fails_leaves_nothing_behind(self, store: Store) -> None:
        def half_done(connection: sa.Connection) -> None:
            definitions.bump(connection)
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await store.run(half_done)

        assert await store.run(definitions.read) == 0

    async def test_work_that_succeeds_is_kept_and_gives_its_result(self, store: Store) -> None:
        await store.run(definitions.bump)
        await store.run(definitions.bump)

        assert await store.run(definitions.read) == 2

    async def test_an_upsert_does_the_same_on_every_database(self, store: Store) -> None:
        await add_user(store, "ada", name="Ada")
        now = await store.now()

        def rename(connection: sa.Connection) -> None:
            insert = upsert.insert(connection, schema.users).values(
                id="ada", name="Countess", consent_version=0, created_at=now, updated_at=now
            )
            changed = {"name": insert.excluded.name}
            connection.execute(insert.on_conflict_do_update(index_elements=["id"], set_=changed))

        await store.run(rename)

        assert (await row(store, schema.users))["name"] == "Countess"

    async def test_the_loop_goes_on_while_the_database_works(self, store: Store) -> None:
        begun, finish = threading.Event(), threading.Event()
        statement = sa.text("SELECT definitions FROM installation")

        def ask_again_and_again(connection: sa.Connection) -> bool:
            begun.set()
            deadline = time.monotonic() + 30
            while not finish.is_set() and time.monotonic() < deadline:
                connection.execute(statement)
            return finish.is_set()

        working = asyncio.create_task(store.run(ask_again_and_again))
        await asyncio.to_thread(begun.wait, 30)
        finish.set()

        assert await working is True

    async def test_a_value_no_row_takes_is_our_error_and_is_not_quoted(self, store: Store) -> None:
        await add_user(store, "ada@example.com")

        with pytest.raises(InvalidInput) as failure:
            await add_user(store, "ada@example.com", "ada@example.com")

        assert "@" not in told(failure.value)

    async def test_a_caller_that_gives_up_poisons_nothing(self, store: Store) -> None:
        for _ in range(50):
            giving_up = asyncio.create_task(accept(store, an_event(store)))
            await asyncio.sleep(0)
            giving_up.cancel()
            await asyncio.gather(giving_up, return_exceptions=True)

        before = len(await rows(store, schema.events))
        await accept(store, an_event(store))
        assert len(await rows(store, schema.events)) == before + 1

    async def test_this_installation_has_a_name_and_a_key(self, store: Store) -> None:
        stored = await row(store, schema.installation)

        assert store.installation.id == stored["id"]
        assert store.installation.address_key == stored["address_key"]
        assert len(store.installation.address_key) == 32
        assert store.installation.source == f"tidings:{stored['id']}"

    async def test_another_process_is_of_the_same_installation(
        self, store: Store, other_store: Store
    ) -> None:
        assert other_store.installation == store.installation
