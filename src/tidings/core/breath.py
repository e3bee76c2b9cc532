"""A breath between two looks: gathers under a rush what comes one by one."""

import asyncio
import time


class Breath:
    """Keeps looks so many seconds apart: in a rush each finds more, and a lone one waits not.

    What a look costs is paid for all that came meanwhile: a transaction, a call to Redis, a commit.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last = 0.0

    async def take(self) -> None:
        """Wait until the last look is so many seconds past, which it is when little happens."""
        wait = self._last + self._seconds - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        self._last = time.monotonic()
