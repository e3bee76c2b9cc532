"""What every worker's loop needs: to end when asked, and to try again with patience."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from tidings.core.ports import Received, Subscription

#: seconds of the first and the longest pause between two tries
FIRST_BACK_OFF, LAST_BACK_OFF = 0.1, 2.0


async def until(
    stopping: asyncio.Event, subscription: Subscription
) -> AsyncIterator[Sequence[Received]]:
    """The subscription's batches until `stopping` is set."""
    batches = aiter(subscription)
    stop = asyncio.ensure_future(stopping.wait())
    batch: asyncio.Task[Sequence[Received]] | None = None
    try:
        while not stopping.is_set():
            batch = asyncio.create_task(_next(batches))
            await asyncio.wait({batch, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not batch.done() or not batch.result():
                return
            yield batch.result()
    finally:
        stop.cancel()
        if batch is not None:
            batch.cancel()
            await asyncio.wait({batch})


async def _next(batches: AsyncIterator[Sequence[Received]]) -> Sequence[Received]:
    """The next batch, empty at the end: a task can't carry StopAsyncIteration."""
    async for batch in batches:
        return batch
    return ()


async def pause(stopping: asyncio.Event, seconds: float) -> None:
    """Wait so long, or until `stopping` is set."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return


class BackOff:
    """Pauses that double from the first to the longest, until something went well; in seconds."""

    def __init__(self, *, first: float = FIRST_BACK_OFF, longest: float = LAST_BACK_OFF) -> None:
        self._first = first
        self._longest = longest
        self._seconds = first

    def reset(self) -> None:
        """It went well: the next pause is a short one."""
        self._seconds = self._first

    async def pause(self, stopping: asyncio.Event | None = None) -> None:
        """Wait before the next try; ends at once when `stopping` is set."""
        seconds, self._seconds = self._seconds, min(2 * self._seconds, self._longest)
        await pause(stopping or asyncio.Event(), seconds)
