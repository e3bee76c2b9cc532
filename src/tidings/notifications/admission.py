"""Admission: nothing new is taken while too much waits already."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from tidings.core.errors import Overloaded, TidingsError
from tidings.core.metrics import Metrics

Count = Callable[[int], Awaitable[int]]
"""How many rows wait, counted up to that many."""

#: seconds between two counts at least, and the part of a core that counting may take
FRESH, _SHARE = 1.0, 0.05
#: seconds that a request waits for a count before it is refused
_PATIENCE = 0.25
#: seconds after which a caller may be told to ask again
SOONEST, LATEST = 1.0, 60.0
#: what is critical is taken until this many times the limit wait
CRITICAL_FACTOR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """How much waited at the last count, and how quickly it went away before."""

    waiting: int
    #: when it was counted, by a clock that only rises
    at: float
    #: rows a second that were finished; endless until two counts tell
    drained: float = math.inf

    def after(self, waiting: int, *, at: float, stored: int) -> "Level":
        """The next level: of what waited and what was stored, the rest is what was finished."""
        finished = self.waiting + stored - waiting
        return Level(waiting=waiting, at=at, drained=max(finished, 0) / max(at - self.at, 0.001))

    def expected(self, at: float) -> int:
        """What waits at a later time if it goes away as quickly as it did."""
        finished = (at - self.at) * self.drained if math.isfinite(self.drained) else 0
        return max(self.waiting - int(finished), 0)

    def seconds_until(self, room: int) -> float:
        """When `room` more will have been finished, by what was seen."""
        seconds = room / self.drained if self.drained else LATEST
        return min(max(seconds, SOONEST), LATEST)


class Admission:
    """Lets work in until `limit` rows wait; what is critical, until twice as many do.

    Rows are counted at most once a second, and more rarely where a count is dear. What this process
    let in since then is added, and what was likely finished taken off, so that room is given bit by
    bit; what other processes let in meanwhile shows in the next count.
    """

    def __init__(
        self,
        *,
        limit: int,
        count: Count,
        metrics: Metrics,
        fresh: float = FRESH,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fresh = fresh
        self._now = now
        self._limit = limit
        self._count = count
        self._metrics = metrics
        self._level: Level | None = None
        #: let in, and not known to be stored or not; stored since the last count began
        self._storing = self._stored = 0
        #: until when the pace of the last count is believed
        self._believed_until = 0.0
        self._counting: asyncio.Task[None] | None = None
        self._next_count = 0.0

    async def admit(self, *, critical: bool = False) -> None:
        """Let one piece of work in, until `end`. Raises Overloaded, with when to ask again."""
        await self.check(critical=critical)
        self._storing += 1

    async def check(self, *, critical: bool = False) -> None:
        """Raise Overloaded, with when to ask again, where nothing would be let in now."""
        most = self._limit * (CRITICAL_FACTOR if critical else 1)
        self._count_if_due()
        if self._counting is not None and self._excess(most) >= 0:
            await asyncio.wait({self._counting}, timeout=_PATIENCE)
        if self._level is not None and self._excess(most) >= 0:
            self._metrics.refused.labels(reason="backlog").inc()
            raise Overloaded(
                f"{most} or more wait to be planned or sent: nothing was stored, ask again later",
                retry_after=self._level.seconds_until(self._excess(most) + 1),
            )

    def end(self, *, stored: bool) -> None:
        """What was let in is stored, or came to nothing: a repeat, or refused for a reason."""
        self._storing -= 1
        self._stored += stored

    async def aclose(self) -> None:
        """End a count that is under way."""
        if self._counting is not None:
            self._counting.cancel()
            with suppress(asyncio.CancelledError):
                await self._counting

    def _excess(self, most: int) -> int:
        """How much more than `most` waits, negative where there is room; 0 before any count."""
        if self._level is None:
            return 0
        at = min(self._now(), self._believed_until)
        return self._level.expected(at) + self._storing + self._stored - most

    def _count_if_due(self) -> None:
        if self._counting is None and self._now() >= self._next_count:
            self._counting = asyncio.create_task(self._take_count(), name="backlog-count")

    async def _take_count(self) -> None:
        began, stored = self._now(), self._stored
        try:
            waiting = await self._count(CRITICAL_FACTOR * self._limit)
            self._note(waiting, at=began, stored=stored)
        except TidingsError:
            return  # the last level holds; that the database is away, storing will tell
        finally:
            self._next_count = self._due_after(began)
            self._counting = None

    def _due_after(self, began: float) -> float:
        """When to count again, after a count that ends now."""
        return began + max(self._fresh, (self._now() - began) / _SHARE)

    def _note(self, waiting: int, *, at: float, stored: int) -> None:
        self._level = self._next_level(waiting, at=at, stored=stored)
        self._believed_until = self._due_after(at)
        self._stored -= stored

    def _next_level(self, waiting: int, *, at: float, stored: int) -> Level:
        if waiting >= CRITICAL_FACTOR * self._limit:  # or more: how much is not counted
            return Level(waiting=waiting, at=at, drained=0.0)
        if self._level is None:
            return Level(waiting=waiting, at=at)
        return self._level.after(waiting, at=at, stored=stored)
