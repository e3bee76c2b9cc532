"""Claims whose answers were lost: what they took is given back, for nobody is called for it."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tidings.core.ports import Store
from tidings.core.work import ClaimRequest


class LostClaims:
    """Knows them for as long as a lease, for a claim may be carried out after we gave it up."""

    def __init__(self, store: Store) -> None:
        self._store = store
        #: their ids, and until when what they took is surely ours, on the loop's clock
        self._until: dict[str, float] = {}
        #: those of them for which nothing was given back yet
        self._new: set[str] = set()

    @contextmanager
    def noting(self, request: ClaimRequest) -> Iterator[None]:
        """It is lost where the block raises anything."""
        asked = _now()
        try:
            yield
        except BaseException:
            self.note(request.id, until=asked + request.lease)
            raise

    def note(self, claim_id: str, *, until: float) -> None:
        """Nobody here has in hand what this claim took."""
        self._until[claim_id] = until
        self._new.add(claim_id)

    async def give_back_new(self, *, spared: Sequence[str]) -> None:
        """Give back, unless that was done since the last one was lost. Raises Unavailable."""
        if self._new:
            await self.give_back(spared=spared)

    async def give_back(self, *, spared: Sequence[str]) -> None:
        """Make due again what they took; `spared` is in hand. Raises Unavailable."""
        now = _now()
        self._until = {each: until for each, until in self._until.items() if now < until}
        lost = tuple(self._until)
        if lost:
            await self._store.give_back(lost, spared=spared)
        # one that was lost meanwhile is new still
        self._new &= self._until.keys() - set(lost)


def _now() -> float:
    return asyncio.get_running_loop().time()
