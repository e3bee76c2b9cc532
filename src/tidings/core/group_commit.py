"""Group commit: what waits while one commit is under way goes together into the next."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Generic, TypeVar

from tidings.core.breath import Breath
from tidings.core.errors import Overloaded, Unavailable

Item = TypeVar("Item")
Result = TypeVar("Result")

Waiting = Sequence[tuple[Item, asyncio.Future[Result]]]
"""Items, and where their callers wait for the results."""


class GroupCommit(Generic[Item, Result]):
    """Gathers items into batches for `commit`, which gives back a result for each, in order.

    An idle group commits at once. A busy one takes up to `limit` at a time, begins no two commits
    within `breath` seconds, and lets at most `most_waiting` wait.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        limit: int = 500,
        breath: float = 0.0,
        most_waiting: int = 10_000,
    ) -> None:
        self._commit = commit
        self._limit = limit
        self._breath = Breath(breath)
        self._most_waiting = most_waiting
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._committing: asyncio.Task[None] | None = None
        self._closed = False

    async def submit(self, item: Item) -> Result:
        """Commit one item with whatever else waits.

        Raises Overloaded when too many wait already, Unavailable when what we commit to can't be
        reached or the group is closed, else what the commit raised for this very item. A caller
        that is cancelled takes nothing back.
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
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit_all(), name="group-commit")
        return future

    async def _commit_all(self) -> None:
        try:
            while self._waiting:
                await self._breath.take()
                batch = [self._waiting.popleft() for _ in range(self._next_size())]
                await self._commit_batch(batch)
        finally:
            self._fail_waiting(None)

    async def _commit_batch(self, batch: Waiting[Item, Result]) -> None:
        try:
            await _Batch(self._commit, batch).commit()
        except Unavailable as error:
            # What waits would fare no better, and each batch would wait for its own time-out.
            self._fail_waiting(error)

    def _fail_waiting(self, error: Exception | None) -> None:
        _fail(self._waiting, error)
        self._waiting.clear()

    def _next_size(self) -> int:
        return min(self._limit, len(self._waiting))


class _Batch(Generic[Item, Result]):
    """One batch on its way: together first, then, if that fails, each half alone."""

    def __init__(
        self,
        commit: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        waiting: Waiting[Item, Result],
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

    async def _commit_some(self, waiting: Waiting[Item, Result]) -> None:
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

    async def _attempt(self, waiting: Waiting[Item, Result]) -> None:
        results = await self._commit([item for item, _ in waiting])
        answers = list(zip(waiting, results, strict=True))
        for (_, future), result in answers:
            if not future.done():
                future.set_result(result)


def _fail(waiting: Iterable[tuple[Item, asyncio.Future[Result]]], error: Exception | None) -> None:
    for _, future in waiting:
        if future.done():
            continue
        if error is None:
            future.cancel()
        else:
            future.set_exception(error)
