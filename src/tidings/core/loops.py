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
    try:
        while not stopping.is_set():
            batch = asyncio.ensure_future(anext(batches, ()))
            await asyncio.wait({batch, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not batch.done():
                batch.cancel()
                await asyncio.wait({batch})
                return
            if not batch.result():
                return
            yield batch.result()
    finally:
        stop.cancel()


async def pause(stopping: asyncio.Event, seconds: float) -> None:
    """Wait so long, or until `stopping` is set."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return


class BackOff:
    """Pauses that double from 0.1 s to 2 s, until something went well."""

    def __init__(self) -> None:
        self._seconds = FIRST_BACK_OFF

    def reset(self) -> None:
        """It went well: the next pause is a short one."""
        self._seconds = FIRST_BACK_OFF

    async def pause(self, stopping: asyncio.Event) -> None:
        """Wait before the next try; ends at once when `stopping` is set."""
        seconds, self._seconds = self._seconds, min(2 * self._seconds, LAST_BACK_OFF)
        await pause(stopping, seconds)
