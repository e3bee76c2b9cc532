"""What workers died of is sent with no other in hand, whichever window took it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.system.post_office import PostOffice, until
from tests.unit.delivery.claims import claimed
from tidings.core.metrics import Metrics
from tidings.core.quiet_log import QuietLog
from tidings.core.work import Outcome
from tidings.delivery.database_clock import DatabaseClock
from tidings.delivery.hold import Hold
from tidings.delivery.outcomes import given_back
from tidings.delivery.trips import Trip
from tidings.delivery.under_way import UnderWay

SUSPECT, OTHER = 2, 0


class Calls:
    """Calls that last until they are let go, by the id of what is called."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.over: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}

    async def carry(self, trip: Trip) -> Outcome:
        name = trip.claimed.id
        self.begun.append(name)
        self._ends[name] = asyncio.Event()
        await self._ends[name].wait()
        self.over.append(name)
        return given_back(trip.claimed)

    async def settle(self, _outcome: Outcome) -> bool:
        return True

    async def end(self, name: str) -> None:
        """Once it has begun."""
        await until(lambda: name in self._ends)
        self._ends[name].set()
        await until(lambda: name in self.over)


@asynccontextmanager
async def carried(office: PostOffice, calls: Calls, *lapses: int) -> AsyncIterator[UnderWay]:
    """One after the other, in both windows by turns."""
    quiet_log = QuietLog("test")
    under_way = UnderWay(
        channel="email",
        carry=calls.carry,
        settle=calls.settle,
        hold=Hold(
            store=office.store,
            clock=DatabaseClock(office.clock),
            lease_seconds=10,
            beat_seconds=3,
            quiet_log=quiet_log,
        ),
        quiet_log=quiet_log,
        gauge=Metrics().in_flight.labels("email"),
    )
    for place, each in enumerate(lapses):
        trip = Trip(claimed=claimed(id=str(place), lapses=each))
        under_way.start([trip], reserved=bool(place % 2))
    yield under_way
    await under_way.finish()


@pytest.mark.parametrize(
    "lapses", [(SUSPECT, SUSPECT), (SUSPECT, OTHER), (OTHER, SUSPECT), (SUSPECT, OTHER, SUSPECT)]
)
async def test_each_waits_for_what_may_not_be_called_beside_it(
    office: PostOffice, lapses: tuple[int, ...]
) -> None:
    calls, names = Calls(), [str(place) for place, _ in enumerate(lapses)]

    async with carried(office, calls, *lapses) as under_way:
        for place, name in enumerate(names):
            await asyncio.sleep(0.01)
            assert calls.begun == names[: place + 1]
            await calls.end(name)

    assert (calls.over, under_way.is_to_be_alone) == (names, False)


async def test_what_is_under_no_suspicion_is_called_beside_others(office: PostOffice) -> None:
    calls = Calls()

    async with carried(office, calls, OTHER, OTHER, OTHER):
        await until(lambda: calls.begun == ["0", "1", "2"])
        for name in ("2", "0", "1"):
            await calls.end(name)
