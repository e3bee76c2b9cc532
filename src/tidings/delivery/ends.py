"""Counts how deliveries end, by channel, lane and integration, and how long it took."""

from tidings.core.clock import Clock
from tidings.core.metrics import Metrics
from tidings.core.models import DeliveryState
from tidings.core.work import Outcome


class Ends:
    """What `tidings_deliveries_total` and `tidings_delivery_seconds` tell."""

    def __init__(self, metrics: Metrics, *, clock: Clock) -> None:
        self._metrics = metrics
        self._clock = clock

    def count(self, outcome: Outcome) -> None:
        """Count one that counted; what is to be tried again has not ended."""
        if outcome.state is DeliveryState.PENDING:
            return
        claimed = outcome.claimed
        where = (claimed.channel, claimed.lane, outcome.attempt.provider if outcome.attempt else "")
        self._metrics.deliveries.labels(*where, outcome.state).inc()
        if outcome.state is DeliveryState.SENT:
            took = (self._clock.now() - claimed.created_at).total_seconds()
            self._metrics.delivery_seconds.labels(*where).observe(max(took, 0.0))
