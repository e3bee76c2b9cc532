"""Tells what became of deliveries: a log line each, one event on the bus for a batch."""

import asyncio
from collections.abc import Sequence

from structlog.stdlib import BoundLogger

from tidings.core.clock import Clock
from tidings.core.ids import Ids
from tidings.core.logs import get_logger
from tidings.core.models import DELIVERIES_SETTLED, DELIVERY_CHANNEL, DeliveryState, Event
from tidings.core.ports import EventBus
from tidings.core.work import Outcome, Settled

#: seconds a publish may take; the news is a courtesy, the rows are the truth
_PUBLISH_SECONDS = 5.0
_log = get_logger("delivery")


class News:
    """Publishes on DELIVERY_CHANNEL in the background."""

    def __init__(self, *, bus: EventBus, source: str, clock: Clock, ids: Ids) -> None:
        self._bus = bus
        self._source = source
        self._clock = clock
        self._ids = ids
        self._under_way: set[asyncio.Task[None]] = set()

    def tell(self, settled: Sequence[Settled]) -> None:
        """Log every outcome and publish those that counted."""
        for each in settled:
            log_settled(each)
        counted = [each.outcome for each in settled if not each.fenced and _is_news(each.outcome)]
        if counted:
            task = asyncio.create_task(self._publish(self.event(counted)))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    def event(self, outcomes: Sequence[Outcome]) -> Event:
        """The event for one batch; it holds ids and reasons, no addresses."""
        return Event(
            id=self._ids.new(),
            type=DELIVERIES_SETTLED,
            source=self._source,
            time=self._clock.now(),
            data={"outcomes": [_entry(outcome) for outcome in outcomes]},
        )

    async def told(self, seconds: float = _PUBLISH_SECONDS) -> None:
        """Until what is under way was published, or so many seconds passed."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=seconds)

    async def _publish(self, event: Event) -> None:
        try:
            async with asyncio.timeout(_PUBLISH_SECONDS):
                await self._bus.publish(DELIVERY_CHANNEL, event)
        except Exception as error:  # news may get lost; nothing rests on it
            _log.warning("outcomes could not be published", why=f"{type(error).__name__}: {error}")


def log_settled(settled: Settled) -> None:
    """One line for a delivery, with the ids to follow it by."""
    outcome = settled.outcome
    words = _log.bind(
        event_id=outcome.claimed.event.id,
        user_id=outcome.claimed.event.user_id,
        delivery_id=outcome.claimed.id,
        workflow=outcome.claimed.workflow,
        channel=outcome.claimed.channel,
    )
    if settled.fenced:
        words.warning(
            "late outcome kept as an attempt only: a later claim had overtaken it",
            state=outcome.state.value,
        )
    elif outcome.state is DeliveryState.SENT:
        words.info("sent")
    elif outcome.state is DeliveryState.PENDING:
        _log_pending(words, outcome)
    elif outcome.state is DeliveryState.FAILED:
        words.error("failed", reason=outcome.reason)
    else:
        words.info(outcome.state.value, reason=outcome.reason)


def _log_pending(words: BoundLogger, outcome: Outcome) -> None:
    if outcome.attempt is None:
        words.info("given back")
    else:
        words.warning(f"retry in {outcome.due_in:.1f} s", reason=outcome.reason)


def _is_news(outcome: Outcome) -> bool:
    return outcome.state is not DeliveryState.PENDING or outcome.attempt is not None


def _entry(outcome: Outcome) -> dict[str, object]:
    claimed = outcome.claimed
    return {
        "delivery_id": claimed.id,
        "event_id": claimed.event.id,
        "user_id": claimed.recipient.id if claimed.recipient else claimed.event.user_id,
        "workflow": claimed.workflow,
        "channel": claimed.channel,
        "state": outcome.state.value,
        "reason": outcome.reason,
    }
