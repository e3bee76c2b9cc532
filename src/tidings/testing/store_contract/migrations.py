"""The schema as migrated is the schema as declared, and nothing newer is touched."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from tidings.core.errors import ConfigurationError
from tidings.core.ports import Store
from tidings.store import schema
from tidings.store.migrations import REVISIONS
from tidings.testing.clock import MovableClock
from tidings.testing.store_contract.case import StoreCase


def differences(connection: sa.Connection) -> list[Any]:
    """What the database has otherwise than the tables declare."""
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, schema.metadata))


def indexes(connection: sa.Connection) -> set[tuple[str, str]]:
    """Every index with its table; a partial one is not compared by Alembic beyond that."""
    inspector = sa.inspect(connection)
    return {
        (table, str(index["name"]))
        for table in inspector.get_table_names()
        for index in inspector.get_indexes(table)
    }


def age(connection: sa.Connection, *, suits: str) -> None:
    """Make it the database of a newer program, with the oldest revision it suits."""
    connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    connection.execute(sa.update(schema.installation).values(suits=suits))


class MigrationContract(StoreCase):
    """What `open` must make of a database."""

    async def test_a_migrated_database_has_the_declared_schema(self, store: Store) -> None:
        declared = {
            (table.name, str(index.name))
            for table in schema.metadata.tables.values()
            for index in table.indexes
        }

        assert await store.run(differences) == []
        assert declared <= await store.run(indexes)

    async def test_a_column_too_many_is_noticed(self, store: Store) -> None:
        await store.run(
            lambda to: to.execute(sa.text("ALTER TABLE users ADD COLUMN shoe_size integer")) is None
        )

        assert [each[0] for each in await store.run(differences)] == ["remove_column"]

    async def test_opening_again_changes_nothing(
        self, store: Store, location: Path | str, clock: MovableClock
    ) -> None:
        first = store.installation
        await store.aclose()

        again = await self.implementation.open(location, clock=clock)

        assert again.installation == first
        await again.aclose()

    async def test_of_many_that_open_a_fresh_database_at_once_one_migrates_it(
        self, location: Path | str, clock: MovableClock
    ) -> None:
        async def try_to_open() -> Store | None:
            try:
                store: Store = await self.implementation.open(location, clock=clock)
            except ConfigurationError:  # where one process is all there is
                return None
            return store

        opened = await asyncio.gather(*[try_to_open() for _ in range(4)])

        stores = [store for store in opened if store is not None]
        assert len({store.installation.id for store in stores}) == 1
        for store in stores:
            await store.aclose()

    async def test_a_database_of_a_newer_program_is_refused_with_a_sentence(
        self, store: Store, location: Path | str, clock: MovableClock
    ) -> None:
        await store.run(lambda connection: age(connection, suits="9998"))
        await store.aclose()

        with pytest.raises(ConfigurationError, match=r"schema 9999.*newer.*TIDINGS_DATABASE_URL"):
            await self.implementation.open(location, clock=clock)

    async def test_a_newer_schema_that_suits_this_program_is_worked_on_and_left_as_it_is(
        self, store: Store, location: Path | str, clock: MovableClock
    ) -> None:
        await store.run(lambda connection: age(connection, suits=REVISIONS[-1]))
        await store.aclose()

        again = await self.implementation.open(location, clock=clock)

        version = sa.text("SELECT version_num FROM alembic_version")
        assert again.installation == store.installation
        assert await again.run(lambda to: to.scalar(version)) == "9999"
        await again.aclose()

    async def test_the_program_knows_every_migration_there_is(self) -> None:
        versions = Path(schema.__file__).parents[1] / "migrations" / "versions"

        assert [path.name[:4] for path in sorted(versions.glob("0*.py"))] == list(REVISIONS)
