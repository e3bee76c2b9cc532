"""What is under way on one channel: a task for each delivery, from its claim to its settlement."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from prometheus_client import Gauge

from tidings.core.logs import get_logger
from tidings.core.models import DeliveryState
from tidings.core.quiet_log import QuietLog
from tidings.core.work import Claimed, Outcome
from tidings.delivery.courier import uncancel
from tidings.delivery.hold import Hold
from tidings.delivery.outcomes import given_back
from tidings.delivery.trips import Trip, end
from tidings.store.lapses import ALONE_FROM

Carry = Callable[[Trip], Awaitable[Outcome]]
"""Takes one to its outcome; cancelled, it answers with an outcome all the same."""

Settle = Callable[[Outcome], Awaitable[bool]]
"""Writes an outcome down; whether it counted."""

#: share of the time to drain that is kept for giving back what did not finish
_GIVE_BACK_SHARE = 0.15
_log = get_logger("delivery")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    trip: Trip
    #: it has one of the slots for the critical lane alone
    reserved: bool


class UnderWay:
    """A slot is free again when its outcome is settled.

    What workers died of before is sent alone on its channel, so that it takes no other with it: it
    waits for all that began before it, and what began after it waits until it is over.
    """

    def __init__(
        self,
        *,
        channel: str,
        carry: Carry,
        settle: Settle,
        hold: Hold,
        quiet_log: QuietLog,
        gauge: Gauge,
    ) -> None:
        self._channel = channel
        self._carry = carry
        self._settle = settle
        self._hold = hold
        self._quiet_log = quiet_log
        self._gauge = gauge
        self._tasks: dict[asyncio.Task[None], _Place] = {}
        #: those of them that are to be alone
        self._suspects: set[asyncio.Task[None]] = set()
        #: the ids of those whose outcome stands and is only being written
        self._settling: set[str] = set()
        #: the ids of those that came to their outcome without a call
        self._uncalled: set[str] = set()
        self._on_room: list[Callable[[], None]] = []
        self._on_due: list[Callable[[], None]] = []

    def tell(self, *, room: Callable[[], None], due: Callable[[], None]) -> None:
        """Have these called when a slot is free again, and when one is due again at once."""
        self._on_room.append(room)
        self._on_due.append(due)

    @property
    def is_to_be_alone(self) -> bool:
        """Whether nothing may be added to what is under way."""
        return bool(self._suspects)

    def count(self, *, reserved: bool) -> int:
        """How many slots are taken, of those for all or of the reserved ones."""
        return sum(place.reserved == reserved for place in self._tasks.values())

    def start(self, trips: Sequence[Trip], *, reserved: bool) -> None:
        """Carry them, each as a task."""
        if trips:
            _log.info("claimed", channel=self._channel, count=len(trips))
        for trip in trips:
            is_suspect = _is_suspect(trip.claimed)
            before = tuple(self._tasks if is_suspect else self._suspects)
            task = asyncio.create_task(self._one(trip, before))
            self._tasks[task] = _Place(trip=trip, reserved=reserved)
            if is_suspect:
                self._suspects.add(task)
            task.add_done_callback(self._done)
        self._gauge.set(len(self._tasks))

    async def finish(self, seconds: float | None = None) -> None:
        """Until nothing is under way, or so many seconds have passed."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)

    async def drain(self, seconds: float) -> None:
        """Let what is in hand finish; break off late calls, whose outcomes are settled then."""
        await self.finish(seconds * (1 - _GIVE_BACK_SHARE))
        late = [
            task
            for task, place in self._tasks.items()
            if place.trip.claimed.id not in self._settling
        ]
        for task in late:
            task.cancel()
        if late:
            _log.info("broke off what was in hand", channel=self._channel, count=len(late))
        await self.finish(seconds * _GIVE_BACK_SHARE)
        for task in tuple(self._tasks):
            task.cancel()

    async def _one(self, trip: Trip, before: Sequence[asyncio.Task[None]]) -> None:
        claimed = trip.claimed
        _log.debug(
            "claimed",
            event_id=claimed.event.id,
            user_id=claimed.event.user_id,
            delivery_id=claimed.id,
            epoch=claimed.epoch,
        )
        try:
            outcome = await self._carried(trip, before)
            self._settling.add(claimed.id)
            if outcome.attempt is None:
                self._uncalled.add(claimed.id)
            await self._settle_as_newest(outcome)
        finally:
            self._hold.let_go(claimed)
        if _is_due_at_once(outcome):
            for ring in self._on_due:
                ring()

    async def _carried(self, trip: Trip, before: Sequence[asyncio.Task[None]]) -> Outcome:
        if before and not await _are_over(before):
            return given_back(trip.claimed)
        return await self._carry(trip)

    async def _settle_as_newest(self, outcome: Outcome) -> None:
        """Again where a claim of our own had overtaken it: the lease ran out, but nobody died.

        Such a claim may still wait for its answer. One that counted is not told twice: what we
        claimed of it since then is given back.
        """
        settled = None
        while (newest := self._hold.newest(outcome.claimed)) is not settled:
            if await self._settle(replace(outcome, claimed=newest)):
                outcome = given_back(newest)
            else:
                await self._hold.claims_answered()
            settled = newest

    def _done(self, task: asyncio.Task[None]) -> None:
        trip = self._tasks.pop(task).trip
        self._suspects.discard(task)
        claimed = trip.claimed
        self._settling.discard(claimed.id)
        self._gauge.set(len(self._tasks))
        end(trip, called=claimed.id not in self._uncalled)
        self._uncalled.discard(claimed.id)
        for ring in self._on_room:
            ring()
        if task.cancelled():
            _log.info("left to its lease", delivery_id=claimed.id)
        elif (error := task.exception()) is not None:
            self._quiet_log.error(
                "a delivery was left to its lease",
                error,
                delivery_id=claimed.id,
                integration=claimed.provider,
            )


async def _are_over(tasks: Sequence[asyncio.Task[None]]) -> bool:
    """Wait for them; no where that was broken off."""
    try:
        await asyncio.wait(tasks)
    except asyncio.CancelledError:
        uncancel()
        return False
    return True


def _is_due_at_once(outcome: Outcome) -> bool:
    """Whether it is to be called elsewhere; what was given back is for others."""
    pending = outcome.state is DeliveryState.PENDING
    return pending and outcome.attempt is not None and outcome.due_in == 0.0


def _is_suspect(claimed: Claimed) -> bool:
    """Whether it may be what its workers died of."""
    return claimed.lapses >= ALONE_FROM
