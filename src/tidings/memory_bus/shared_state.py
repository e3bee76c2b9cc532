"""`MemorySharedState`: the contract of shared state inside one process."""

from tidings.core.clock import Clock
from tidings.core.errors import Unavailable
from tidings.core.ports import Change, Result


class MemorySharedState:
    """A dictionary; nothing comes between reading a value and putting the new one in its place."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._values: dict[str, bytes] = {}
        self._closed = False

    async def change(self, key: str, change: Change[Result]) -> Result:
        """Put `change`'s new value in the old one's place; raises Unavailable when closed."""
        new, result = change(*await self.read(key))
        self._values[key] = new
        return result

    async def read(self, key: str) -> tuple[float, bytes | None]:
        """The time in seconds and the value; raises Unavailable when closed."""
        if self._closed:
            raise Unavailable("the shared state is closed")
        return self._clock.now().timestamp(), self._values.get(key)

    async def aclose(self) -> None:
        """Take no change any more."""
        self._closed = True
