"""PostgresStore: the Store of any number of processes, on PostgreSQL."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
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
from tidings.store.postgres.accept import accept
from tidings.store.postgres.claim import claim
from tidings.store.postgres.database import Database
from tidings.store.postgres.figures import fold
from tidings.store.postgres.give_back import give_back
from tidings.store.postgres.one_by_one import plan_with
from tidings.store.postgres.plan import plan
from tidings.store.postgres.reread import reread
from tidings.store.postgres.resume import resume
from tidings.store.postgres.settle import beat, settle
from tidings.store.postgres.sweep import sweep

Result = TypeVar("Result")

_NOW = "SELECT now() + $1::interval"


class PostgresStore:
    """The rows that are the queue, in one PostgreSQL database; see `core.ports.Store`."""

    def __init__(self, *, database: Database, installation: Installation, clock: Clock) -> None:
        self._database = database
        self._installation = installation
        self._clock = clock

    @classmethod
    async def open(cls, url: str, *, clock: Clock) -> "PostgresStore":
        """Connect to and migrate the database of a `postgresql://` URL.

        Raises ConfigurationError for a wrong URL, a refused sign-in, a server without fsync or a
        database that a newer program made; Unavailable when the server can't be reached.
        """
        database = Database(url)
        try:
            installation = await database.start(_prepare)
        except BaseException:
            await database.aclose()
            raise
        return cls(database=database, installation=installation, clock=clock)

    @property
    def installation(self) -> Installation:
        """Who this installation is."""
        return self._installation

    async def accept(self, acceptances: Sequence[Acceptance]) -> Sequence[Accepted]:
        """Store events durably with their users and idempotency records; an answer for each."""
        if not acceptances:
            return []
        shift, key = self._clock.shift, self._installation.address_key
        return await self._database.accept(lambda to: accept(to, shift, key, acceptances))

    async def plan(self, *, limit: int, definitions: int, decide: DecideEvent) -> PlanResult:
        """Plan due events, critical lane first; raises StaleDefinitions when they changed."""
        shift = self._clock.shift
        return await plan_with(
            self._database,
            lambda to, write_each: plan(to, shift, limit, definitions, decide, write_each),
        )

    async def resume(
        self, *, limit: int, definitions: int, decide: DecideNotification
    ) -> PlanResult:
        """Plan on what waited and is due; raises StaleDefinitions like `plan`."""
        shift = self._clock.shift
        return await plan_with(
            self._database,
            lambda to, write_each: resume(to, shift, limit, definitions, decide, write_each),
        )

    async def claim(self, request: ClaimRequest) -> ClaimResult:
        """Take due deliveries, lane after lane; epochs rise by one."""
        shift = self._clock.shift
        return await self._database.use(lambda to: claim(to, shift, request))

    async def give_back(self, claims: Collection[str], *, spared: Sequence[str] = ()) -> int:
        """Make due again what the claims of these ids took."""
        shift = self._clock.shift
        return await self._database.use(lambda to: give_back(to, shift, claims, spared))

    async def sweep(self, channel: str, *, limit: int, spared: Sequence[str] = ()) -> Swept:
        """End what is of no use any more, and take back what dead workers left."""
        shift = self._clock.shift
        return await self._database.transact(lambda to: sweep(to, shift, channel, limit, spared))

    async def reread(self, claimed: Sequence[Claimed]) -> Sequence[Claimed | None]:
        """What is in hand as it stands now, with its user; None for what is not any more."""
        shift = self._clock.shift
        return await self._database.use(lambda to: reread(to, shift, claimed))

    async def beat(self, claimed: Sequence[Claimed], *, lease: float) -> Collection[str]:
        """Hold what is still in hand for `lease` more seconds; the ids of what is held."""
        if not claimed:
            return ()
        shift, held = self._clock.shift, timedelta(seconds=lease)
        return await self._database.use(lambda to: beat(to, shift, claimed, held))

    async def settle(self, outcomes: Sequence[Outcome]) -> Sequence[Settled]:
        """Write outcomes, attempts and figures, fenced by epoch; an answer for each."""
        if not outcomes:
            return []
        shift = self._clock.shift
        return await self._database.use(lambda to: settle(to, shift, outcomes))

    async def fold(self) -> int:
        """Fold figure deltas into figures; how many there were."""
        return await self._database.use(fold)

    async def now(self) -> datetime:
        """The database's clock, shifted by ours; also shows that the database answers."""
        shift = self._clock.shift
        found: datetime = await self._database.use(lambda to: to.fetchval(_NOW, shift))
        return found

    async def run(self, work: Callable[[sa.Connection], Result]) -> Result:
        """Run ordinary SQLAlchemy Core in one transaction; its waits do not block the loop."""
        return await self._database.run(work)

    async def aclose(self) -> None:
        """Finish what is under way and let go of every connection."""
        await self._database.aclose()


def _prepare(connection: sa.Connection) -> Installation:
    migrate(connection)
    row = connection.execute(
        sa.select(schema.installation.c.id, schema.installation.c.address_key)
    ).one()
    return Installation(id=row.id, address_key=row.address_key)
