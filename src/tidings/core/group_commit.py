"""Group commit: what waits while one commit is under way goes together into the next."""

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from tidings.core.breath import Breath
from tidings.core.errors import Overloaded, Unavailable

Item = TypeVar("Item")
Result = TypeVar("Result")

#: seconds between two looks at who has waited too long
_LOOK = 0.05
#: a look that comes so many seconds late tells of a loop that stood still, not of a slow commit
_STALL = 0.25


@dataclass(slots=True, kw_only=True)
class _Entry(Generic[Item, Result]):
    """An item, where its caller waits for the result, and since when (by the group's clock)."""

    item: Item
    future: asyncio.Future[Result]
    since: float


class GroupCommit(Generic[Item, Result]):
    """Gathers items into batches for `commit`, which gives back a result for each, in order.

    An idle group commits at once. A busy one takes up to `limit` at a time, begins no two commits
    within `breath` seconds, and lets at most `most_waiting` wait. What has waited `patience`
    seconds for its commit to begin is taken back, so that it never happens; whose commit is still
    under way after `longest` seconds is told that nobody knows. Time in which the whole loop stood
    still counts for neither: the commit may be done, and its answer not heard yet.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        limit: int = 500,
        breath: float = 0.0,
        most_waiting: int = 10_000,
        patience: float = math.inf,
        longest: float = math.inf,
    ) -> None:
        self._commit = commit
        self._limit = limit
        self._breath = Breath(breath)
        self._most_waiting = most_waiting
        self._patience = patience
        self._longest = longest
        self._waiting: deque[_Entry[Item, Result]] = deque()
        #: what is being committed, and since when
        self._batch: Sequence[_Entry[Item, Result]] = ()
        self._batch_since = 0.0
        self._committing: asyncio.Task[None] | None = None
        self._watching: asyncio.TimerHandle | None = None
        #: seconds in which the loop stood still, all in all
        self._stood_still = 0.0
        self._closed = False

    @property
    def under_way(self) -> Iterable[Item]:
        """What is being committed at this moment."""
        return [entry.item for entry in self._batch]

    @property
    def waiting(self) -> int:
        """How many wait for the next commit."""
        return len(self._waiting)

    @property
    def lag(self) -> float:
        """Seconds that what comes next has waited for its commit; 0 where nothing waits."""
        return self._time() - self._waiting[0].since if self._waiting else 0.0

    async def submit(self, item: Item) -> Result:
        """Commit one item with whatever else waits.

        Raises Overloaded when too many wait already, Unavailable when what we commit to can't be
        reached in time or the group is closed, else what the commit raised for this very item. A
        caller that is cancelled takes nothing back.
        """
        return await self._enqueue(item)

    async def aclose(self) -> None:
        """Take nothing new, and wait until everything taken is committed."""
        self._closed = True
        if self._committing is not None:
            await asyncio.shield(self._committing)

    def _enqueue(self, item: Item) -> asyncio.Future[Result]:
        if self._closed:
            raise Unavailable("this process is stopping and takes nothing new: ask another")
        if len(self._waiting) >= self._most_waiting:
            raise Overloaded(f"{self._most_waiting} wait to be stored already: ask again later")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._waiting.append(_Entry(item=item, future=future, since=self._time()))
        if self._is_idle():
            self._committing = loop.create_task(self._commit_all(), name="group-commit")
        if self._watching is None and min(self._patience, self._longest) < math.inf:
            self._look_later(loop)
        return future

    def _is_idle(self) -> bool:
        return self._committing is None or self._committing.done()

    async def _commit_all(self) -> None:
        try:
            while self._waiting:
                await self._breath.take()
                if batch := [self._waiting.popleft() for _ in range(self._next_size())]:
                    await self._commit_batch(batch)
        finally:
            self._fail_waiting(None)

    async def _commit_batch(self, batch: Sequence[_Entry[Item, Result]]) -> None:
        self._batch, self._batch_since = batch, self._time()
        try:
            await _Batch(self._commit, batch).commit()
        except Unavailable as error:
            # What waits would fare no better, and each batch would wait for its own time-out.
            self._fail_waiting(error)
        finally:
            self._batch = ()

    def _fail_waiting(self, error: Exception | None) -> None:
        _fail(self._waiting, error)
        self._waiting.clear()

    def _next_size(self) -> int:
        return min(self._limit, len(self._waiting))

    def _look_later(self, loop: asyncio.AbstractEventLoop) -> None:
        self._watching = loop.call_later(_LOOK, self._watch, loop.time() + _LOOK)

    def _watch(self, wanted: float) -> None:
        """Answer who has waited too long, and look again as long as there is work."""
        loop = asyncio.get_running_loop()
        late = loop.time() - wanted
        if late >= _STALL:
            self._stood_still += late
        self._give_up(self._time())
        self._watching = None
        if not self._is_idle():
            self._look_later(loop)

    def _time(self) -> float:
        """The loop's clock, without the time in which it stood still."""
        return asyncio.get_running_loop().time() - self._stood_still

    def _give_up(self, now: float) -> None:
        while self._waiting and now - self._waiting[0].since >= self._patience:
            _fail([self._waiting.popleft()], _taken_back(self._patience))
        if self._batch and now - self._batch_since >= self._longest:
            _fail(self._batch, _unknown(self._longest))


class _Batch(Generic[Item, Result]):
    """One batch on its way: together first, then, if that fails, each half alone."""

    def __init__(
        self,
        commit: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        waiting: Sequence[_Entry[Item, Result]],
    ) -> None:
        self._commit = commit
        self._waiting = waiting

    async def commit(self) -> None:
        """Answer every future; none is left waiting, whatever happens. Raises Unavailable."""
        try:
            await self._commit_some(self._waiting)
        except Unavailable as error:
            _fail(self._waiting, error)
            raise
        finally:
            _fail(self._waiting, None)

    async def _commit_some(self, waiting: Sequence[_Entry[Item, Result]]) -> None:
        try:
            await self._attempt(waiting)
        except Unavailable:
            raise
        except Exception as error:
            if len(waiting) == 1:
                _fail(waiting, error)
                return
            middle = len(waiting) // 2
            await self._commit_some(waiting[:middle])
            await self._commit_some(waiting[middle:])

    async def _attempt(self, waiting: Sequence[_Entry[Item, Result]]) -> None:
        results = await self._commit([entry.item for entry in waiting])
        answers = list(zip(waiting, results, strict=True))
        for entry, result in answers:
            if not entry.future.done():
                entry.future.set_result(result)


def _fail(waiting: Iterable[_Entry[Item, Result]], error: Exception | None) -> None:
    for entry in waiting:
        if entry.future.done():
            continue
        if error is None:
            entry.future.cancel()
        else:
            entry.future.set_exception(error)


def _taken_back(seconds: float) -> Unavailable:
    return Unavailable(
        f"it could not be stored within {seconds:g} s, and nothing of it is: ask again later"
    )


def _unknown(seconds: float) -> Unavailable:
    return Unavailable(
        f"the database has not answered within {seconds:g} s, so that it may be stored or not: ask "
        "again under the same Idempotency-Key, and nothing happens twice"
    )
