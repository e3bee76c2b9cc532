"""One channel's sliding window: as many deliveries in hand as there are slots."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from prometheus_client import Gauge

from tidings.core.bell import Bell
from tidings.core.breath import Breath
from tidings.core.errors import Unavailable
from tidings.core.logs import get_logger
from tidings.core.loops import BackOff
from tidings.core.quiet_log import QuietLog
from tidings.core.work import Claimed, Outcome
from tidings.delivery.courier import uncancel
from tidings.delivery.hold import Hold
from tidings.delivery.outcomes import given_back
from tidings.store.settling import ALONE_FROM

Claim = Callable[[int], Awaitable[Sequence[Claimed]]]
"""Takes at most so many due deliveries; raises Unavailable."""

Carry = Callable[[Claimed], Awaitable[Outcome]]
"""Takes one to its outcome; cancelled, it answers with an outcome all the same."""

Settle = Callable[[Outcome], Awaitable[None]]
"""Writes an outcome down."""

#: share of the time to drain that is kept for giving back what did not finish
_GIVE_BACK_SHARE = 0.15
#: seconds between two claims: longer than a claim takes, shorter than anybody notices
_BREATH = 0.005
_log = get_logger("delivery")


class Window:
    """Claims only what it can start at once; a slot is free again when its outcome is settled.

    What workers died of before is sent alone on its channel, so that it takes no other with it.
    """

    def __init__(
        self,
        *,
        channel: str,
        claim: Claim,
        carry: Carry,
        settle: Settle,
        hold: Hold,
        slots: int,
        poll_seconds: float,
        quiet_log: QuietLog,
        gauge: Gauge,
    ) -> None:
        self._channel = channel
        self._claim = claim
        self._carry = carry
        self._settle = settle
        self._hold = hold
        self._slots = slots
        self._poll_seconds = poll_seconds
        self._quiet_log = quiet_log
        self._gauge = gauge
        self._tasks: dict[asyncio.Task[None], Claimed] = {}
        #: the ids of those whose outcome stands and is only being written
        self._settling: set[str] = set()
        self._work = Bell()
        self._room = Bell()
        self._breath = Breath(_BREATH)

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
            await self._breath.take()
            room = self._vacant()
            if room == 0:
                await self._room.wait(self._poll_seconds)
                continue
            claimed = await self._safely_claimed(room)
            if claimed is None:
                await back_off.pause(stopping)
                continue
            back_off.reset()
            self._start(claimed)
            if len(claimed) < room and self._vacant():
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
        late = [task for task, claimed in self._tasks.items() if claimed.id not in self._settling]
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

    def _vacant(self) -> int:
        """How many more may be taken in hand."""
        if any(_is_suspect(claimed) for claimed in self._tasks.values()):
            return 0
        return self._slots - len(self._tasks)

    async def _safely_claimed(self, room: int) -> Sequence[Claimed] | None:
        try:
            return await self._claim(room)
        except Unavailable as error:
            self._quiet_log.warning("the database does not answer; trying again", reason=str(error))
        except Exception as error:  # a fault of ours must not end the channel either
            self._quiet_log.error("claiming failed; trying again", error, channel=self._channel)
        return None

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
        try:
            outcome = await self._carried(claimed)
            self._settling.add(claimed.id)
            await self._settle_as_newest(outcome)
        finally:
            self._hold.let_go(claimed)

    async def _carried(self, claimed: Claimed) -> Outcome:
        others = [task for task, one in self._tasks.items() if not _is_suspect(one)]
        if _is_suspect(claimed) and others:
            try:
                await asyncio.wait(others)
            except asyncio.CancelledError:
                uncancel()
                return given_back(claimed)
        return await self._carry(claimed)

    async def _settle_as_newest(self, outcome: Outcome) -> None:
        """Again where a claim of our own had overtaken it: the lease ran out, but nobody died."""
        settled = None
        while (newest := self._hold.newest(outcome.claimed)) is not settled:
            await self._settle(replace(outcome, claimed=newest))
            settled = newest

    def _done(self, task: asyncio.Task[None]) -> None:
        claimed = self._tasks.pop(task)
        self._settling.discard(claimed.id)
        self._gauge.set(len(self._tasks))
        self._room.ring()
        if task.cancelled():
            _log.info("left to its lease", delivery_id=claimed.id)
        elif (error := task.exception()) is not None:
            self._quiet_log.error("a delivery was left to its lease", error, delivery_id=claimed.id)


def _is_suspect(claimed: Claimed) -> bool:
    """Whether it may be what its workers died of."""
    return claimed.lapses >= ALONE_FROM
