"""A sliding window: keeps as many deliveries under way as there are slots and leave to call."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import Counter

from tidings.core.bell import Bell
from tidings.core.breath import Breath
from tidings.core.errors import Unavailable
from tidings.core.loops import BackOff
from tidings.core.models import Lane
from tidings.core.quiet_log import QuietLog
from tidings.delivery.claims import Claims, Taken
from tidings.delivery.gate.routes import Routes
from tidings.delivery.under_way import UnderWay

#: seconds between two claims: longer than a claim takes, shorter than anybody notices; and of one
#: that only stands in for another
_BREATH, _RESERVED_BREATH = 0.005, 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """What one window may have under way."""

    count: int
    lanes: tuple[Lane, ...] = tuple(Lane)
    #: they are beside those of the general window, for when that one is stuck
    reserved: bool = False


class Window:
    """Claims only what it can start at once.

    The one with reserved slots does nothing as long as the general one gets on, since that one
    serves the critical lane first itself.
    """

    def __init__(
        self,
        *,
        slots: Slots,
        claims: Claims,
        routes: Routes,
        under_way: UnderWay,
        poll_seconds: float,
        waited: Counter,
        quiet_log: QuietLog,
        general: "Window | None" = None,
    ) -> None:
        self._slots = slots
        self._claims = claims
        self._routes = routes
        self._under_way = under_way
        self._poll_seconds = poll_seconds
        self._waited = waited
        self._quiet_log = quiet_log
        self._general = general
        self._work = Bell()
        self._room = Bell()
        self._breath = Breath(_RESERVED_BREATH if slots.reserved else _BREATH)
        #: it has no room or no leave, so that what is due waits
        self.is_stuck = False
        self._on_stuck: Callable[[], None] = _nobody
        under_way.tell(room=self._room.ring, due=self._work.ring)
        if general is not None:
            general._on_stuck = self.ring

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
            if self._general is not None and not self._general.is_stuck:
                await self._work.wait(self._poll_seconds)
                continue
            room = self._vacant()
            if room == 0:
                await self._stuck(self._poll_seconds)
                continue
            taken = await self._safely_taken(room)
            if taken is None:
                await back_off.pause(stopping)
                continue
            back_off.reset()
            self._under_way.start(taken.trips, reserved=self._slots.reserved)
            await self._rest(taken)

    async def once(self) -> int:
        """One pass: claim and start as many as there is room and leave for; how many there were."""
        count = 0
        while room := self._vacant():
            taken = await self._claims.take(
                room, lanes=self._slots.lanes, reserved=self._slots.reserved
            )
            self.is_stuck = taken.wait is not None
            self._under_way.start(taken.trips, reserved=self._slots.reserved)
            count += sum(trip.barred is None for trip in taken.trips)
            if not taken.is_full:
                break
        return count

    def _vacant(self) -> int:
        """How many more may be taken in hand."""
        if self._under_way.is_to_be_alone:
            return 0
        slots = self._slots.count - self._under_way.count(reserved=self._slots.reserved)
        room = self._routes.room(reserved=self._slots.reserved)
        return max(0, slots if room is None else min(slots, room))

    async def _safely_taken(self, room: int) -> Taken | None:
        try:
            return await self._claims.take(
                room, lanes=self._slots.lanes, reserved=self._slots.reserved
            )
        except Unavailable as error:
            self._quiet_log.warning("the database does not answer; trying again", reason=str(error))
        except Exception as error:  # a fault of ours must not end the channel either
            self._quiet_log.error("claiming failed; trying again", error)
        return None

    async def _rest(self, taken: Taken) -> None:
        """Until there may be leave, or work, unless there is more of both at once."""
        if taken.wait is not None:
            began = time.perf_counter()
            await self._stuck(min(taken.wait, self._poll_seconds))
            if self._general is None:  # what stands in for it waits at the same time
                self._waited.inc(time.perf_counter() - began)
        elif not taken.is_full and self._vacant():
            await self._work.wait(min(taken.again_in, self._poll_seconds))

    async def _stuck(self, seconds: float) -> None:
        """Only what frees a slot helps, or time; whoever stands in for us is told."""
        self.is_stuck = True
        self._on_stuck()
        await self._room.wait(seconds)
        self.is_stuck = False


def _nobody() -> None:
    return
