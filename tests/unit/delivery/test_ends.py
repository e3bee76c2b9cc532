from datetime import timedelta

import pytest

from tests.unit.delivery.claims import NOW, claimed
from tidings.core.metrics import Metrics
from tidings.core.models import DeliveryState, Lane
from tidings.core.work import Attempt, Outcome
from tidings.delivery.ends import Ends
from tidings.testing.clock import MovableClock

CALL = Attempt(provider="east", outcome="sent", started_at=NOW, finished_at=NOW)


def told(metrics: Metrics, name: str, **labels: str) -> float | None:
    where = {"channel": "email", "lane": "critical"} | labels
    return metrics.registry.get_sample_value(name, where)


def test_an_end_is_counted_where_it_came_about_and_with_the_time_it_took() -> None:
    metrics, clock = Metrics(), MovableClock()
    planned = clock.now() - timedelta(seconds=3)
    one = claimed(lane=Lane.CRITICAL, created_at=planned)

    Ends(metrics, clock=clock).count(Outcome(claimed=one, state=DeliveryState.SENT, attempt=CALL))

    assert told(metrics, "tidings_deliveries_total", provider="east", state="sent") == 1
    took = told(metrics, "tidings_delivery_seconds_sum", provider="east")
    assert took == pytest.approx(3, abs=0.5)


def test_an_end_without_a_call_names_no_provider() -> None:
    metrics = Metrics()
    one = claimed(lane=Lane.CRITICAL)

    Ends(metrics, clock=MovableClock()).count(Outcome(claimed=one, state=DeliveryState.SUPPRESSED))

    assert told(metrics, "tidings_deliveries_total", provider="", state="suppressed") == 1
    assert told(metrics, "tidings_delivery_seconds_count", provider="") is None


def test_what_is_tried_again_has_not_ended() -> None:
    metrics = Metrics()

    Ends(metrics, clock=MovableClock()).count(
        Outcome(claimed=claimed(), state=DeliveryState.PENDING, attempt=CALL)
    )

    assert b"tidings_deliveries_total{" not in metrics.render()
