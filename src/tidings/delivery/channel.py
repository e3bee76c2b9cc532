"""One channel at work: its windows, and what is under way."""

import asyncio
from collections.abc import Sequence

from tidings.delivery.expiry import Expiry
from tidings.delivery.gate.routes import Routes
from tidings.delivery.receipts import Receipts
from tidings.delivery.under_way import UnderWay
from tidings.delivery.window import Window


class Channel:
    """A general window, and one with reserved slots for the critical lane."""

    def __init__(
        self,
        *,
        windows: tuple[Window, Window],
        under_way: UnderWay,
        routes: Routes,
        receipts: Sequence[Receipts],
        expiry: Expiry,
    ) -> None:
        self._windows = windows
        self._under_way = under_way
        self._routes = routes
        self._receipts = receipts
        self._expiry = expiry

    @property
    def leave_in(self) -> float:
        """Seconds until one of its integrations may have leave."""
        return self._routes.wait(reserved=False)

    def ring(self) -> None:
        """There may be work: look at once."""
        for window in self._windows:
            window.ring()

    def wake(self) -> None:
        """Look at `stopping` at once, whatever is being waited for."""
        for window in self._windows:
            window.wake()

    async def run(self, stopping: asyncio.Event) -> None:
        """Claim and start until `stopping`; what is in hand then is left to `drain`."""
        async with asyncio.TaskGroup() as group:
            for window in self._windows:
                group.create_task(window.run(stopping))

    async def once(self) -> int:
        """One pass: claim, deliver and settle; how many there were."""
        general, reserved = self._windows
        count = await general.once()
        if general.is_stuck:
            count += await reserved.once()
        await self._under_way.finish()
        await self.expire()
        return count

    async def expire(self) -> None:
        """End what is of no use any more and waits all the same. Raises Unavailable."""
        await self._expiry.end()

    async def drain(self, seconds: float) -> None:
        """Let what is in hand finish, or break it off, within so many seconds."""
        await self._under_way.drain(seconds)

    async def tell(self) -> None:
        """Agree with the other workers on how the integrations fare. Raises Unavailable."""
        await self._routes.tell()
        for receipts in self._receipts:
            await receipts.look()
