"""Both stores keep the one contract."""

from pathlib import Path

import pytest

from tidings.core.ports import Store
from tidings.store.postgres import PostgresStore
from tidings.store.sqlite import SqliteStore
from tidings.testing.store_contract import StoreContract


class TestSqliteStore(StoreContract):
    implementation = SqliteStore

    @pytest.fixture
    def location(self, tmp_path: Path) -> Path:
        return tmp_path / "tidings.db"

    @pytest.fixture
    async def other_store(self, store: Store) -> Store:
        return store


@pytest.mark.postgres
class TestPostgresStore(StoreContract):
    implementation = PostgresStore

    @pytest.fixture
    def location(self, request: pytest.FixtureRequest) -> str:
        """Empty for a test that opens it by itself, with our schema for all others."""
        migrated = "store" in request.fixturenames
        url: str = request.getfixturevalue("migrated_postgres_url" if migrated else "postgres_url")
        return url
