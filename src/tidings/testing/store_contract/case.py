"""What every topic of the suite is given: a fresh database, its store, and a clock to move."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tidings.core.ports import Store
from tidings.testing.clock import MovableClock

#: how far the clocks of a machine and its database may differ in these tests
CLOCK_TOLERANCE = timedelta(seconds=5)


class StoreCase:
    """Name the class under test and offer the place of a fresh database."""

    #: has `open(location, *, clock)`; a process of its own imports it by name
    implementation: ClassVar[Any]

    @pytest.fixture
    def location(self) -> Path | str:
        """Where a fresh database is, as `implementation.open` takes it."""
        raise NotImplementedError

    @pytest.fixture
    def clock(self) -> MovableClock:
        """The clock every store of this test goes by."""
        return MovableClock()

    @pytest.fixture
    async def store(self, location: Path | str, clock: MovableClock) -> AsyncIterator[Store]:
        """The store under test."""
        store = await self.implementation.open(location, clock=clock)
        yield store
        await store.aclose()

    @pytest.fixture
    async def other_store(
        self, store: Store, location: Path | str, clock: MovableClock
    ) -> AsyncIterator[Store]:
        """Another process's store; override it to give `store` where one process is all."""
        other = await self.implementation.open(location, clock=clock)
        yield other
        await other.aclose()
