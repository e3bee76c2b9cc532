"""What a delivery waits for that is still to be sent, in a sentence or two."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from tidings.core.models import DeliveryState
from tidings.core.work import RETRYABLE
from tidings.notifications.explanation import ExplainedDelivery, ExplainedNotification

Closed = Callable[[str], Awaitable[str | None]]
"""Why none of a channel's integrations is called now; None where one is, or nobody can tell.

It is quick, and raises nothing.
"""


async def with_waits(
    runs: Sequence[ExplainedNotification], closed: Closed, now: datetime
) -> tuple[ExplainedNotification, ...]:
    """The same, each delivery with what it waits for."""
    channels = sorted({each.channel for run in runs for each in run.deliveries if _waits(each)})
    told = await asyncio.gather(*map(closed, channels))
    reasons = dict(zip(channels, told, strict=True))
    return tuple(
        replace(run, deliveries=tuple(_told(each, reasons, now) for each in run.deliveries))
        for run in runs
    )


def _told(
    delivery: ExplainedDelivery, closed: Mapping[str, str | None], now: datetime
) -> ExplainedDelivery:
    if not _waits(delivery):
        return delivery
    sentences = _sentences(delivery, closed.get(delivery.channel), now)
    return replace(delivery, waits=" ".join(sentences) or None)


def _sentences(delivery: ExplainedDelivery, closed: str | None, now: datetime) -> Iterator[str]:
    is_later = delivery.due_at is not None and delivery.due_at > now
    if closed:
        yield f"It waits: {closed}."
    if is_later:
        yield f"The next call is due at {delivery.due_at:%Y-%m-%d %H:%M:%S} UTC."
    last = delivery.attempts[-1] if delivery.attempts else None
    if (closed or is_later) and last and last.error and last.outcome in RETRYABLE:
        yield f"The last one failed: {last.error}"


def _waits(delivery: ExplainedDelivery) -> bool:
    return delivery.state == DeliveryState.PENDING
