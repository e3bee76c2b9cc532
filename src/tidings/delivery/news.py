"""Tells what became of deliveries: a log line each, one event on the bus for a batch."""

import asyncio
from collections.abc import Sequence

from structlog.stdlib import BoundLogger

from tidings.core.clock import Clock
from tidings.core.ids import Ids
from tidings.core.logs import get_logger
from tidings.core.models import DELIVERIES_SETTLED, DELIVERY_CHANNEL, DeliveryState, Event
from tidings.core.ports import EventBus
from tidings.core.quiet_log import QuietLog
from tidings.core.work import AttemptOutcome, Outcome, Settled, SettleStatus
from tidings.delivery.ends import Ends

#: seconds a publish may take; the news is a courtesy, the rows are the truth
_PUBLISH_SECONDS = 5.0
_log = get_logger("delivery")


class News:
    """Publishes on DELIVERY_CHANNEL in the background."""

    def __init__(
        self,
        *,
        bus: EventBus,
        source: str,
        clock: Clock,
        ids: Ids,
        ends: Ends,
        quiet_log: QuietLog,
    ) -> None:
        self._bus = bus
        self._source = source
        self._clock = clock
        self._ids = ids
        self._ends = ends
        self._quiet_log = quiet_log
        self._under_way: set[asyncio.Task[None]] = set()

    def tell(self, settled: Sequence[Settled]) -> None:
        """Log every outcome, and count and publish those that counted."""
        for each in settled:
            log_settled(each)
            if each.status is SettleStatus.SETTLED:
                self._ends.count(each.outcome)
        self._spread(
            [each.outcome for each in settled if not each.fenced and _is_news(each.outcome)]
        )

    def tell_ended(self, ended: Sequence[Outcome]) -> None:
        """Likewise for those that no worker will take again."""
        for outcome in ended:
            _log_outcome(_words(outcome), outcome)
            self._ends.count(outcome)
        self._spread(ended)

    def event(self, told: Sequence[Outcome]) -> Event:
        """The event for one batch; it holds ids and reasons, no addresses."""
        return Event(
            id=self._ids.new(),
            type=DELIVERIES_SETTLED,
            source=self._source,
            time=self._clock.now(),
            data={"outcomes": [_entry(outcome) for outcome in told]},
        )

    async def told(self, seconds: float = _PUBLISH_SECONDS) -> None:
        """Until what is under way was published; after so many seconds the rest is dropped."""
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=seconds)
            for task in late:
                task.cancel()

    def _spread(self, told: Sequence[Outcome]) -> None:
        if told:
            task = asyncio.create_task(self._publish(self.event(told)))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _publish(self, event: Event) -> None:
        try:
            async with asyncio.timeout(_PUBLISH_SECONDS):
                await self._bus.publish(DELIVERY_CHANNEL, event)
        except Exception as error:  # news may get lost; nothing rests on it
            self._quiet_log.warning(
                "outcomes could not be published", reason=f"{type(error).__name__}: {error}"
            )


def log_settled(settled: Settled) -> None:
    """One line for a delivery, with the ids to follow it by."""
    words = _words(settled.outcome)
    if settled.fenced:
        words.warning(
            "late outcome kept as an attempt only: a later claim had overtaken it",
            state=settled.outcome.state.value,
        )
    else:
        _log_outcome(words, settled.outcome)


def _words(outcome: Outcome) -> BoundLogger:
    words: BoundLogger = _log.bind(
        event_id=outcome.claimed.event.id,
        user_id=outcome.claimed.event.user_id,
        delivery_id=outcome.claimed.id,
        workflow=outcome.claimed.workflow,
        channel=outcome.claimed.channel,
        integration=outcome.claimed.provider,
    )
    return words


def _log_outcome(words: BoundLogger, outcome: Outcome) -> None:
    if outcome.state is DeliveryState.SENT:
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
    elif outcome.attempt.outcome == AttemptOutcome.ABSENT:
        words.info("asked", reason=outcome.reason)
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
