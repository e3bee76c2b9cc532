"""One channel at work: its windows, and what is under way."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from tidings.core.loops import BackOff
from tidings.core.quiet_log import QuietLog
from tidings.delivery.gate.routes import Routes
from tidings.delivery.receipts import Receipts
from tidings.delivery.sweeper import Sweeper
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
        paused: Callable[[], Awaitable[Mapping[str, float]]],
        receipts: Sequence[Receipts],
        sweeper: Sweeper,
        quiet_log: QuietLog,
    ) -> None:
        self._windows = windows
        self._under_way = under_way
        self._routes = routes
        self._paused = paused
        self._receipts = receipts
        self._sweeper = sweeper
        self._quiet_log = quiet_log
        self._has_recalled = False

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
        await self._surely_recall(stopping)
        async with asyncio.TaskGroup() as group:
            for window in self._windows:
                group.create_task(window.run(stopping))

    async def once(self) -> int:
        """One pass: claim, deliver and settle; how many there were."""
        await self.recall()
        general, reserved = self._windows
        count = await general.once()
        if general.is_stuck:
            count += await reserved.once()
        await self._under_way.finish()
        await self.sweep()
        return count

    async def recall(self) -> None:
        """Leave alone who asked others for silence, where only the database tells of it.

        It does before this worker began, and while the others can't be asked. Raises Unavailable.
        """
        if self._has_recalled and not self._routes.is_alone:
            return
        for name, seconds in (await self._paused()).items():
            if seconds > self._routes.silence(name):
                await self._routes.recall(name, seconds)
        self._has_recalled = True

    async def sweep(self) -> None:
        """End what is of no use any more, and take over from the dead. Raises Unavailable."""
        await self._sweeper.sweep()

    async def drain(self, seconds: float) -> None:
        """Let what is in hand finish, or break it off, within so many seconds."""
        await self._under_way.drain(seconds)

    async def tell(self) -> None:
        """Agree with the other workers on how the integrations fare. Raises Unavailable."""
        await self._routes.tell()
        for receipts in self._receipts:
            await receipts.look()

    async def _surely_recall(self, stopping: asyncio.Event) -> None:
        """However long the database is away: nothing is claimed until then anyway."""
        back_off = BackOff()
        while not (self._has_recalled or stopping.is_set()):
            try:
                await self.recall()
            except Exception as error:
                self._quiet_log.warning(
                    "who asked for silence can't be read; trying again", reason=str(error)
                )
                await back_off.pause(stopping)
