"""What a delivery waits for that is still to be sent, in a sentence or two."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from tidings.core.clock import moment
from tidings.core.models import DeliveryState
from tidings.core.work import RETRYABLE
from tidings.notifications.explanation import ExplainedDelivery, ExplainedNotification

Shut = tuple[str, datetime]
"""Why none of a channel's integrations is called, and until when at least."""

Closed = Callable[[str], Awaitable[Shut | None]]
"""Whether a channel is shut; None where it is not, or nobody can tell.

It is quick, and raises nothing.
"""

#: how long what is due may lie there before there is anything to explain
_SOON: Final = timedelta(seconds=1)


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
    delivery: ExplainedDelivery, shut: Mapping[str, Shut | None], now: datetime
) -> ExplainedDelivery:
    failure, sentences = list(_last_failure(delivery)), list[str]()
    if _waits(delivery):
        sentences = [*_sentences(delivery, shut.get(delivery.channel), now), *failure]
    elif delivery.state == DeliveryState.SENDING and failure:
        sentences = ["A worker has it in hand for another call.", *failure]
    return replace(delivery, waits=" ".join(sentences) or None)


def _sentences(delivery: ExplainedDelivery, shut: Shut | None, now: datetime) -> Iterator[str]:
    after = now
    if shut is not None:
        why, after = shut
        yield f"It waits: {why}."
    if delivery.due_at is not None and delivery.due_at > after:
        yield f"The next call is due at {moment(delivery.due_at, now)}."
    elif shut is None and delivery.due_at is not None and now - delivery.due_at >= _SOON:
        yield _in_line(delivery.due_at, now)


def _in_line(due_at: datetime, now: datetime) -> str:
    """What is true of it whatever its integration's limits are: only its worker knows those."""
    return (
        f"It is due since {moment(due_at, now)}: it waits for its turn within the limits "
        "of its integration, or for a worker."
    )


def _last_failure(delivery: ExplainedDelivery) -> Iterator[str]:
    last = delivery.attempts[-1] if delivery.attempts else None
    if last and last.error and last.outcome in RETRYABLE:
        yield f"The last call failed: {last.error}"


def _waits(delivery: ExplainedDelivery) -> bool:
    return delivery.state == DeliveryState.PENDING
