"""Against hot loops: pauses between tries that grow."""

import asyncio


class Pauses:
    """Pauses between tries: each twice as long as the one before, up to the longest."""

    def __init__(self, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self._seconds = first

    def reset(self) -> None:
        """It went well: the next pause is the first again."""
        self._seconds = self._first

    async def pause(self) -> None:
        """Wait for the next pause's length."""
        seconds, self._seconds = self._seconds, min(self._seconds * 2, self._longest)
        await asyncio.sleep(seconds)
