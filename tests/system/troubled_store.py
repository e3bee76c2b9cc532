"""A store with a bad line to its database: verbs that fail, hang, or lose their answers."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tidings.core.errors import Unavailable
from tidings.core.ports import Store
from tidings.core.work import Claimed, ClaimRequest, ClaimResult, Outcome, Settled, Swept

DATABASE = frozenset({"claim", "sweep", "beat", "settle", "now"})


class TroubledStore:
    """The real store, in trouble for as long as a test says."""

    def __init__(self, store: Store) -> None:
        self._store = store
        #: verbs that fail before they are done
        self.down: frozenset[str] = frozenset()
        #: verbs that never answer
        self.hanging: frozenset[str] = frozenset()
        #: verbs that are done and then fail
        self.losing: frozenset[str] = frozenset()
        #: verbs that are done, and answer when they are released
        self.withheld: frozenset[str] = frozenset()
        self.released = asyncio.Event()
        #: what every claim raises
        self.fault: Exception | None = None
        #: seconds that a claim's answer takes
        self.claim_seconds = 0.0
        self.asked: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def claim(self, request: ClaimRequest) -> ClaimResult:
        await self._before("claim")
        if self.fault is not None:
            raise self.fault
        result = await self._store.claim(request)
        await asyncio.sleep(self.claim_seconds)
        await self._withhold("claim")
        self._after("claim")
        return result

    async def sweep(self, channel: str, *, limit: int, spared: Sequence[str] = ()) -> Swept:
        await self._before("sweep")
        swept = await self._store.sweep(channel, limit=limit, spared=spared)
        self._after("sweep")
        return swept

    async def beat(self, claimed: Sequence[Claimed], *, lease: float) -> Collection[str]:
        await self._before("beat")
        held = await self._store.beat(claimed, lease=lease)
        self._after("beat")
        return held

    async def settle(self, outcomes: Sequence[Outcome]) -> Sequence[Settled]:
        await self._before("settle")
        settled = await self._store.settle(outcomes)
        await self._withhold("settle")
        self._after("settle")
        return settled

    async def reread(self, claimed: Sequence[Claimed]) -> Sequence[Claimed | None]:
        found = await self._store.reread(claimed)
        await self._withhold("reread")
        self._after("reread")
        return found

    async def now(self) -> datetime:
        await self._before("now")
        return await self._store.now()

    async def run(self, work: Callable[[sa.Connection], Any]) -> Any:
        await self._before("run")
        return await self._store.run(work)

    async def _before(self, verb: str) -> None:
        self.asked[verb] += 1
        if verb in self.hanging:
            await asyncio.Event().wait()
        if verb in self.down:
            raise Unavailable("the database is down")

    async def _withhold(self, verb: str) -> None:
        self.done[verb] += 1
        if verb in self.withheld:
            await self.released.wait()

    def _after(self, verb: str) -> None:
        if verb in self.losing:
            raise Unavailable("the answer was lost")
        self.answered[verb] += 1
