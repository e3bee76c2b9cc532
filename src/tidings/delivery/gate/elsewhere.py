"""After a failure that is certain, the next call may be made elsewhere at once."""

from datetime import datetime

from tidings.core.errors import DeliveryError, TransientError
from tidings.core.policy import NoMore
from tidings.core.ports import RetryPolicy
from tidings.core.work import Claimed
from tidings.delivery.gate.routes import Routes

#: seconds for which it is better to wait for another integration than for the same one
_SOON = 1.0


def elsewhere(retry: RetryPolicy, routes: Routes) -> RetryPolicy:
    """Waits for nothing while there is another integration that was not called yet.

    One that asked for silence is left alone by its gate: with others beside it the message need not
    wait for it, and is due when the first of them may be called.
    """

    def policy(claimed: Claimed, error: DeliveryError, now: datetime) -> float | NoMore:
        following = retry(claimed, error, now)
        if isinstance(following, NoMore) or not _is_its_own(error):
            return following
        # what may have been taken is never called elsewhere without a wait
        is_new = not claimed.doubt and claimed.tries + 1 < routes.count
        wait = routes.elsewhere_in(claimed.provider)
        if is_new and wait <= _SOON:
            return min(wait, following)
        if claimed.doubt or routes.count == 1:
            return following
        return _soonest(retry(claimed, TransientError(str(error)), now), following, routes)

    return policy


def silence(routes: Routes, name: str) -> float | None:
    """None where it may be called; else seconds until it, or another that is well, may be."""
    seconds = routes.silence(name)
    return min(seconds, routes.elsewhere_in(name)) if seconds else None


def _soonest(usual: float | NoMore, following: float, routes: Routes) -> float:
    """The usual wait, or until one of them may be called, but no longer than without the others."""
    if isinstance(usual, NoMore):
        return following
    return min(following, max(usual, routes.wait(reserved=False)))


def _is_its_own(error: DeliveryError) -> bool:
    """Whether the integration failed, and not this message or its address."""
    return isinstance(error, TransientError) and not error.own
