"""A delivery on its way: by which integration, why by that one, and who carries it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tidings.core.work import Claimed, Outcome
from tidings.delivery import outcomes
from tidings.delivery.courier import Courier
from tidings.delivery.gate.gate import Gate


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """What was claimed, with what is known of its way."""

    claimed: Claimed
    #: holds leave for it; None where it is not called
    gate: Gate | None = None
    #: in which that was given, see `Gate.term`
    term: int = 0
    #: why another integration than usual is called
    route: str | None = None
    #: seconds until its integration may be called, or another; None where it is called
    barred: float | None = None


def end(trip: Trip, *, called: bool) -> None:
    """It needs no leave any more; what it had and did not use is another's."""
    if trip.gate is None:
        return
    if called:
        trip.gate.done()
    else:
        trip.gate.unused(1, trip.term)


class Crew:
    """A channel's couriers, one for each integration."""

    def __init__(self, couriers: Mapping[str, Courier]) -> None:
        self._couriers = couriers

    async def carry(self, trip: Trip) -> Outcome:
        """To the end, or to the next try; raises nothing."""
        if trip.barred is not None:
            return outcomes.given_back(trip.claimed, due_in=trip.barred)
        courier = self._couriers.get(trip.claimed.provider)
        if courier is None:
            return outcomes.unanswerable(trip.claimed)
        return _by(trip.route, await courier.carry(trip.claimed))


def _by(route: str | None, outcome: Outcome) -> Outcome:
    if route is None or outcome.attempt is None:
        return outcome
    return replace(outcome, attempt=replace(outcome.attempt, route=route))
