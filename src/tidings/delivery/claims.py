"""Claiming on one channel: first leave to call, then as many deliveries as there is leave for."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

from tidings.core.ids import Ids
from tidings.core.models import Lane
from tidings.core.work import Claimed, ClaimRequest
from tidings.delivery.gate.gate import Gate
from tidings.delivery.gate.routes import Leave, Routes
from tidings.delivery.hold import Hold
from tidings.delivery.news import News
from tidings.delivery.trips import Trip, end

#: seconds after which what has no leave is looked at again, at the soonest
_SOON = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What came of it."""

    trips: Sequence[Trip] = ()
    #: there may be more that is due
    is_full: bool = False
    #: seconds until there may be leave; None where there was
    wait: float | None = None

    @property
    def again_in(self) -> float:
        """Seconds until some of it, that was barred, is due again; inf where nothing was."""
        return min((trip.barred for trip in self.trips if trip.barred is not None), default=inf)


class Claims:
    """Never claims what could not be called at once, so that it stays free for others."""

    def __init__(
        self,
        *,
        channel: str,
        routes: Routes,
        hold: Hold,
        news: News,
        ids: Ids,
        lease_seconds: float,
    ) -> None:
        self._channel = channel
        self._routes = routes
        self._hold = hold
        self._news = news
        self._ids = ids
        self._lease_seconds = lease_seconds

    async def take(self, room: int, *, lanes: tuple[Lane, ...], reserved: bool) -> Taken:
        """Take at most so many that are due on these lanes. Raises Unavailable."""
        leave = await self._routes.leave(room, reserved=reserved)
        if leave is None:
            return Taken(wait=self._routes.wait(reserved=reserved))
        asked, limit, used = _now(), leave.count, 0
        request = self._request(leave, lanes)
        try:
            claimed = await self._claimed(request)
            if leave.gate.has_lapsed(leave.term, _now() - asked):
                leave.gate.spoilt(leave.count, leave.term)
                leave = replace(leave, count=0)  # `_trips` asks anew
            trips = await self._all_trips(claimed, leave, request)
            used = sum(trip.gate is leave.gate for trip in trips) if leave.count else 0
        finally:
            leave.gate.unused(leave.count - used, leave.term)
        return Taken(trips=trips, is_full=len(claimed) >= limit)

    async def _all_trips(
        self, claimed: Sequence[Claimed], leave: Leave, request: ClaimRequest
    ) -> Sequence[Trip]:
        """Where they have none, for a fault of ours or since we stop, they are given back."""
        trips: list[Trip] = []
        try:
            for group in _by_provider(claimed):
                trips += await self._trips(group, leave)
        except BaseException:
            self._hold.disown(request.id, claimed)
            for trip in trips:
                if trip.gate is not leave.gate or not leave.count:
                    end(trip, called=False)
            raise
        return trips

    def _request(self, leave: Leave, lanes: tuple[Lane, ...]) -> ClaimRequest:
        return ClaimRequest(
            id=self._ids.new(),
            channel=self._channel,
            providers=(leave.gate.name, *leave.others),
            limit=leave.count,
            lease=self._lease_seconds,
            set_up=self._routes.names,
            # nothing critical for a trial, as long as there is something else
            lanes=lanes[::-1] if leave.is_trial else lanes,
        )

    async def _claimed(self, request: ClaimRequest) -> Sequence[Claimed]:
        result = await self._hold.claim(request)
        self._news.tell_ended(result.ended)
        return result.taken

    async def _trips(self, group: Sequence[Claimed], leave: Leave) -> Sequence[Trip]:
        """The way of deliveries that the store gave to one integration."""
        name = group[0].provider
        gate = self._routes.gate(name)
        if gate is None:
            return [Trip(claimed=claimed) for claimed in group]
        has_leave = gate is leave.gate and leave.count
        granted = len(group) if has_leave else await gate.take(len(group))
        self._routes.went(name, granted)
        return [
            Trip(claimed=claimed, gate=gate, term=gate.term, route=_route(claimed, leave))
            if place < granted
            else Trip(claimed=claimed, barred=self._barred(claimed, gate))
            for place, claimed in enumerate(group)
        ]

    def _barred(self, claimed: Claimed, gate: Gate) -> float:
        """Seconds until it may be called here; or elsewhere, where here nobody is called now.

        What only waits for a limit would be claimed for the same one again.
        """
        here = max(gate.wait(), _SOON)
        if gate.is_well or _stays(claimed):
            return here
        return min(here, self._routes.elsewhere_in(gate.name))


def _now() -> float:
    return asyncio.get_running_loop().time()


def _by_provider(claimed: Sequence[Claimed]) -> Sequence[Sequence[Claimed]]:
    groups: defaultdict[str, list[Claimed]] = defaultdict(list)
    for each in claimed:
        groups[each.provider].append(each)
    return tuple(groups.values())


def _stays(claimed: Claimed) -> bool:
    """Whether only the one it went to before can know of it."""
    return claimed.doubt or claimed.asked


def _route(claimed: Claimed, leave: Leave) -> str | None:
    """Why it does not go where the channel's calls usually go now."""
    if claimed.provider == leave.gate.name:
        return leave.route
    if claimed.doubt:
        return f"Stayed with {claimed.provider}, which may have taken it before."
    if claimed.asked:
        return f"Stayed with {claimed.provider}, which was asked about an earlier call."
    return f"Retried elsewhere after a failure at {leave.gate.name}."
