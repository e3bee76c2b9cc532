"""After a failure that is certain, the next call may be made elsewhere at once."""

from datetime import datetime

from tidings.core.errors import DeliveryError, TransientError
from tidings.core.policy import NoMore
from tidings.core.ports import RetryPolicy
from tidings.core.work import Claimed
from tidings.delivery.gate.routes import Routes


def elsewhere(retry: RetryPolicy, routes: Routes) -> RetryPolicy:
    """Waits for nothing while there is another integration that was not called yet."""

    def policy(claimed: Claimed, error: DeliveryError, now: datetime) -> float | NoMore:
        following = retry(claimed, error, now)
        if isinstance(following, NoMore) or not _is_its_own(error):
            return following
        # what may have been taken is never called elsewhere without a wait
        is_new = not claimed.doubt and claimed.tries + 1 < routes.count
        return 0.0 if is_new and routes.others(claimed.provider) else following

    return policy


def _is_its_own(error: DeliveryError) -> bool:
    """Whether the integration failed, and not this message or its address."""
    return isinstance(error, TransientError) and not error.own
