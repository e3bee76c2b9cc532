"""Group commit: what waits while one commit is under way goes together into the next."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from tidings.core.errors import Unavailable

Item = TypeVar("Item")
Result = TypeVar("Result")


class GroupCommit(Generic[Item, Result]):
    """Gathers items into batches for `commit`, which gives back a result for each, in order.

    There is no timer: an idle group commits at once, a busy one takes up to `limit` at a time.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        limit: int = 500,
    ) -> None:
        self._commit = commit
        self._limit = limit
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._committing: asyncio.Task[None] | None = None
        self._closed = False

    async def submit(self, item: Item) -> Result:
        """Commit one item with whatever else waits.

        Raises Unavailable when the database can't be reached or the group is closed, else what
        the commit raised for this very item. A caller that is cancelled takes nothing back.
        """
        return await self._enqueue(item)

    async def submit_all(self, items: Sequence[Item]) -> list[Result]:
        """Commit these items in order; raises the first error among them, like `submit`."""
        return await asyncio.gather(*[self._enqueue(item) for item in items])

    async def aclose(self) -> None:
        """Take nothing new, and wait until everything taken is committed."""
        self._closed = True
        if self._committing is not None:
            await asyncio.shield(self._committing)

    def _enqueue(self, item: Item) -> asyncio.Future[Result]:
        if self._closed:
            raise Unavailable("this process is stopping and takes nothing new: ask another")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit_all(), name="group-commit")
        return future

    async def _commit_all(self) -> None:
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(self._next_size())]
                await _Batch(self._commit, batch).commit()
        finally:
            for _, future in self._waiting:
                future.cancel()
            self._waiting.clear()

    def _next_size(self) -> int:
        return min(self._limit, len(self._waiting))


class _Batch(Generic[Item, Result]):
    """One batch on its way: together first, then, if that fails, each item alone."""

    def __init__(
        self,
        commit: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        waiting: Sequence[tuple[Item, asyncio.Future[Result]]],
    ) -> None:
        self._commit = commit
        self._waiting = waiting

    async def commit(self) -> None:
        """Answer every future; none is left waiting, whatever happens."""
        try:
            await self._commit_together()
        except Unavailable as error:
            self._fail(error)
        finally:
            for _, future in self._waiting:
                future.cancel()

    async def _commit_together(self) -> None:
        try:
            await self._attempt(self._waiting)
        except Unavailable:
            raise
        except Exception as error:
            if len(self._waiting) == 1:
                self._fail(error)
            else:
                await self._commit_one_by_one()

    async def _commit_one_by_one(self) -> None:
        for item, future in self._waiting:
            try:
                await self._attempt([(item, future)])
            except Unavailable:
                raise
            except Exception as error:
                _answer(future, error)

    async def _attempt(self, waiting: Sequence[tuple[Item, asyncio.Future[Result]]]) -> None:
        results = await self._commit([item for item, _ in waiting])
        answers = list(zip(waiting, results, strict=True))
        for (_, future), result in answers:
            if not future.done():
                future.set_result(result)

    def _fail(self, error: Exception) -> None:
        for _, future in self._waiting:
            _answer(future, error)


def _answer(future: asyncio.Future[Result], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
