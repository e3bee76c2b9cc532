"""Many who want to know the same at once share one question."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from tidings.core.errors import Unavailable

Result = TypeVar("Result")


class SingleFlight(Generic[Result]):
    """Asks what a rush of callers wants once, so that a slow database is not asked by each."""

    def __init__(self, ask: Callable[[], Awaitable[Result]], *, seconds: float, what: str) -> None:
        """A caller waits at most so many seconds; `what` is asked for, in words."""
        self._ask = ask
        self._seconds = seconds
        self._what = what
        self._under_way: asyncio.Task[Result] | None = None

    async def result(self) -> Result:
        """The answer, of a question under way or of a new one. Raises Unavailable when it is late.

        Whoever gives up leaves the question to the others.
        """
        if self._under_way is None:
            self._under_way = asyncio.create_task(self._asked())
            self._under_way.add_done_callback(self._landed)
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.shield(self._under_way)
        except TimeoutError as error:
            raise Unavailable(f"{self._what} can't be read in time: ask again") from error

    async def _asked(self) -> Result:
        return await self._ask()

    def _landed(self, task: asyncio.Task[Result]) -> None:
        self._under_way = None
        if not task.cancelled():
            task.exception()  # whoever still waits has it
