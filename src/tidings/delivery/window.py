"""One channel's sliding window: as many deliveries in hand as there are slots."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from prometheus_client import Gauge

from tidings.core.bell import Bell
from tidings.core.logs import get_logger
from tidings.core.loops import BackOff
from tidings.core.quiet_log import QuietLog
from tidings.core.work import Claimed, Outcome

Claim = Callable[[int], Awaitable[Sequence[Claimed]]]
"""Takes at most so many due deliveries."""

Carry = Callable[[Claimed], Awaitable[Outcome]]
"""Takes one to its outcome; cancelled, it answers with an outcome all the same."""

Settle = Callable[[Outcome], Awaitable[None]]
"""Writes an outcome down."""

#: share of the time to drain that is kept for giving back what did not finish
_GIVE_BACK_SHARE = 0.15
_log = get_logger("delivery")


class Window:
    """Claims only what it can start at once; a slot is free again when its outcome is settled."""

    def __init__(
        self,
        *,
        channel: str,
        claim: Claim,
        carry: Carry,
        settle: Settle,
        slots: int,
        poll_seconds: float,
        quiet_log: QuietLog,
        gauge: Gauge,
    ) -> None:
        self._channel = channel
        self._claim = claim
        self._carry = carry
        self._settle = settle
        self._slots = slots
        self._poll_seconds = poll_seconds
        self._quiet_log = quiet_log
        self._gauge = gauge
        self._tasks: dict[asyncio.Task[None], Claimed] = {}
        #: those whose outcome stands and is only being written
        self._settling: set[tuple[str, int]] = set()
        self._work = Bell()
        self._room = Bell()

    @property
    def in_hand(self) -> Sequence[Claimed]:
        """What is claimed and not settled yet."""
        return tuple(self._tasks.values())

    def ring(self) -> None:
        """There may be work: look at once."""
        self._work.ring()

    def wake(self) -> None:
        """Look at `stopping` at once, whatever is being waited for."""
        self._work.ring()
        self._room.ring()

    async def run(self, stopping: asyncio.Event) -> None:
        """Claim and start until `stopping`; what is in hand then is left to `drain`."""
        back_off = BackOff()
        while not stopping.is_set():
            room = self._slots - len(self._tasks)
            if room == 0:
                await self._room.wait(self._poll_seconds)
                continue
            try:
                claimed = await self._claim(room)
            except Exception as error:  # an unforeseen one must not end the channel either
                self._quiet_log.warning(
                    "the database does not answer; trying again", reason=str(error)
                )
                await back_off.pause(stopping)
                continue
            back_off.reset()
            self._start(claimed)
            if len(claimed) < room:
                await self._work.wait(self._poll_seconds)

    async def once(self) -> int:
        """One pass: claim, deliver and settle; how many there were."""
        claimed = await self._claim(self._slots)
        self._start(claimed)
        if self._tasks:
            await asyncio.wait(self._tasks)
        return len(claimed)

    async def drain(self, seconds: float) -> None:
        """Let what is in hand finish; break off late calls, whose outcomes are settled then."""
        await self._finish(seconds * (1 - _GIVE_BACK_SHARE))
        late = [task for task, claimed in self._tasks.items() if not self._is_settling(claimed)]
        for task in late:
            task.cancel()
        if late:
            _log.info("broke off what was in hand", channel=self._channel, count=len(late))
        await self._finish(seconds * _GIVE_BACK_SHARE)
        for task in tuple(self._tasks):
            task.cancel()

    async def _finish(self, seconds: float) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)

    def _is_settling(self, claimed: Claimed) -> bool:
        return (claimed.id, claimed.epoch) in self._settling

    def _start(self, claimed: Sequence[Claimed]) -> None:
        if claimed:
            _log.info("claimed", channel=self._channel, count=len(claimed))
        for one in claimed:
            task = asyncio.create_task(self._one(one))
            self._tasks[task] = one
            task.add_done_callback(self._done)
        self._gauge.set(len(self._tasks))

    async def _one(self, claimed: Claimed) -> None:
        _log.debug(
            "claimed",
            event_id=claimed.event.id,
            user_id=claimed.event.user_id,
            delivery_id=claimed.id,
            epoch=claimed.epoch,
        )
        outcome = await self._carry(claimed)
        self._settling.add((claimed.id, claimed.epoch))
        await self._settle(outcome)

    def _done(self, task: asyncio.Task[None]) -> None:
        claimed = self._tasks.pop(task)
        self._settling.discard((claimed.id, claimed.epoch))
        self._gauge.set(len(self._tasks))
        self._room.ring()
        if task.cancelled():
            _log.info("left to its lease", delivery_id=claimed.id)
        elif (error := task.exception()) is not None:
            _log.error("a delivery was left to its lease", delivery_id=claimed.id, exc_info=error)
