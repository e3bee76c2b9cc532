"""SqliteStore: the Store of one process, on SQLite."""

import sqlite3
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa

from tidings.core.clock import Clock
from tidings.core.work import (
    Acceptance,
    Accepted,
    Claimed,
    ClaimRequest,
    ClaimResult,
    DecideEvent,
    DecideNotification,
    Installation,
    Outcome,
    PlanResult,
    Settled,
    Swept,
)
from tidings.store import schema
from tidings.store.migrations import migrate
from tidings.store.schema.types import to_microseconds
from tidings.store.sqlite.accept import accept
from tidings.store.sqlite.claim import claim
from tidings.store.sqlite.database import Database
from tidings.store.sqlite.figures import fold
from tidings.store.sqlite.give_back import give_back
from tidings.store.sqlite.plan import plan
from tidings.store.sqlite.reread import reread
from tidings.store.sqlite.resume import resume
from tidings.store.sqlite.settle import beat, settle
from tidings.store.sqlite.sweep import sweep
from tidings.store.sqlite.writer import Writer

Result = TypeVar("Result")


class SqliteStore:
    """The rows that are the queue, in one SQLite file or in memory; see `core.ports.Store`."""

    def __init__(
        self, *, writer: Writer, database: Database, installation: Installation, clock: Clock
    ) -> None:
        self._writer = writer
        self._database = database
        self._installation = installation
        self._clock = clock

    @classmethod
    async def open(cls, path: Path | None, *, clock: Clock) -> "SqliteStore":
        """Open and migrate the database; with no path it lives in memory.

        Raises ConfigurationError when another process has the file, when it can't be opened, or
        when a newer program made it.
        """
        writer, database = Writer(), Database(path)
        try:
            installation = await writer.call(lambda: _open(database))
        except BaseException:
            await writer.aclose(database.close)
            raise
        return cls(writer=writer, database=database, installation=installation, clock=clock)

    @property
    def installation(self) -> Installation:
        """Who this installation is."""
        return self._installation

    async def accept(self, acceptances: Sequence[Acceptance]) -> Sequence[Accepted]:
        """Store events durably with their users and idempotency records; an answer for each."""
        key = self._installation.address_key
        return await self._transact(lambda to, now: accept(to, now, key, acceptances))

    async def plan(self, *, limit: int, definitions: int, decide: DecideEvent) -> PlanResult:
        """Plan due events, critical lane first; raises StaleDefinitions when they changed."""
        return await self._transact(lambda to, now: plan(to, now, limit, definitions, decide))

    async def resume(
        self, *, limit: int, definitions: int, decide: DecideNotification
    ) -> PlanResult:
        """Plan on what waited and is due; raises StaleDefinitions like `plan`."""
        return await self._transact(lambda to, now: resume(to, now, limit, definitions, decide))

    async def claim(self, request: ClaimRequest) -> ClaimResult:
        """Take due deliveries, lane after lane; epochs rise by one."""
        held = _microseconds(request.lease)
        return await self._transact(lambda to, now: claim(to, now, held, request))

    async def give_back(self, claims: Collection[str], *, spared: Sequence[str] = ()) -> int:
        """Make due again what the claims of these ids took."""
        return await self._transact(lambda to, now: give_back(to, now, claims, spared))

    async def sweep(self, channel: str, *, limit: int, spared: Sequence[str] = ()) -> Swept:
        """End what is of no use any more, and take back what dead workers left."""
        return await self._transact(lambda to, now: sweep(to, now, channel, limit, spared))

    async def reread(self, claimed: Sequence[Claimed]) -> Sequence[Claimed | None]:
        """What is in hand as it stands now, with its user; None for what is not any more."""
        return await self._transact(lambda to, now: reread(to, now, claimed))

    async def beat(self, claimed: Sequence[Claimed], *, lease: float) -> Collection[str]:
        """Hold what is still in hand for `lease` more seconds; the ids of what is held."""
        held = _microseconds(lease)
        return await self._transact(lambda to, now: beat(to, now, claimed, held))

    async def settle(self, outcomes: Sequence[Outcome]) -> Sequence[Settled]:
        """Write outcomes, attempts and figures, fenced by epoch; an answer for each."""
        return await self._transact(lambda to, now: settle(to, now, outcomes))

    async def fold(self) -> int:
        """Fold figure deltas into figures; how many there were."""
        return await self._transact(fold)

    async def now(self) -> datetime:
        """Our clock's time, once the database has answered."""
        await self._transact(_answer)
        return self._clock.now()

    async def run(self, work: Callable[[sa.Connection], Result]) -> Result:
        """Run ordinary SQLAlchemy Core in one transaction, in the writer thread."""
        return await self._writer.call(lambda: self._database.run(work))

    async def aclose(self) -> None:
        """Finish what is under way, then let go of the file."""
        await self._writer.aclose(self._database.close)

    async def _transact(self, work: Callable[[sqlite3.Connection, int], Result]) -> Result:
        def in_thread() -> Result:
            now = to_microseconds(self._clock.now())
            return self._database.transact(lambda connection: work(connection, now))

        return await self._writer.call(in_thread)


def _open(database: Database) -> Installation:
    database.open()
    database.run(migrate)
    return database.run(_installation)


def _installation(connection: sa.Connection) -> Installation:
    row = connection.execute(
        sa.select(schema.installation.c.id, schema.installation.c.address_key)
    ).one()
    return Installation(id=row.id, address_key=row.address_key)


def _microseconds(seconds: float) -> int:
    return round(seconds * 1_000_000)


def _answer(connection: sqlite3.Connection, _now: int) -> None:
    connection.execute("SELECT 1").fetchone()
