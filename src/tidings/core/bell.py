"""A bell: wakes a worker that would otherwise wait for its next poll."""

import asyncio


class Bell:
    """Rings once however often it was rung; a ring before the wait is not lost."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake whoever waits, or the next who does."""
        self._rung.set()

    async def wait(self, seconds: float) -> bool:
        """Wait for a ring, at most so long; tells whether it rang."""
        try:
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        except TimeoutError:
            return False
        self._rung.clear()
        return True
