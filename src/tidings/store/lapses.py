"""What becomes of what a dead worker had in hand, whichever the database: pure."""

from collections.abc import Mapping

from tidings.core.models import DeliveryState
from tidings.core.policy import OnUnknown, with_doubt
from tidings.core.rules import Rule
from tidings.core.work import Claimed, Outcome
from tidings.store.settling import CALLED_OFF, TAKEN

#: a delivery that was in so many dead workers' hands is not given to another
MOST_LAPSES = 3

#: and one that was in so many is taken alone, so that it takes no neighbour with it
ALONE_FROM = MOST_LAPSES - 1

#: seconds from the end of a lease until a sweep comes; a claim, where one may be made, is faster
LEFT_SECONDS = 3

GAVE_UP = f"{MOST_LAPSES} workers died with this message in hand"
WORKER_DIED = "the worker died before an answer was recorded"
HELD = "the worker died during the call, so that nobody knows whether it was taken"

#: state → the reason and the rule
ENDS: Mapping[str, tuple[str, str]] = {
    DeliveryState.SENT: (TAKEN, Rule.TAKEN),
    DeliveryState.FAILED: (GAVE_UP, Rule.WORKERS_DIED),
    DeliveryState.HELD: (HELD, Rule.UNKNOWN_OUTCOME),
    DeliveryState.CANCELLED: (with_doubt(CALLED_OFF, doubt=True), Rule.CANCELLED),
}


def end_of(
    lapses: int, *, lapsed: bool, taken: bool, cancelled: bool, on_unknown: str | None
) -> str | None:
    """The state in which it ends instead of being claimed, or None."""
    if taken:
        return DeliveryState.SENT
    if lapses >= MOST_LAPSES:
        return DeliveryState.FAILED
    if lapsed and cancelled:
        return DeliveryState.CANCELLED
    return DeliveryState.HELD if lapsed and on_unknown == OnUnknown.HOLD else None


def ended(claimed: Claimed, state: str) -> Outcome:
    """What was brought to its end so, as an outcome like any other."""
    reason, rule = ENDS[state]
    return Outcome(claimed=claimed, state=DeliveryState(state), reason=reason, rule=rule)
