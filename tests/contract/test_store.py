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


class TestPostgresStore(StoreContract):
    implementation = PostgresStore

    @pytest.fixture
    def location(self, postgres_url: str) -> str:
        return postgres_url
