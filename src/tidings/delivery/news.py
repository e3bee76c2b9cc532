"""Tells what became of deliveries: a log line each, one event on the bus for a batch."""

from collections.abc import Sequence

from structlog.stdlib import BoundLogger

from tidings.core.delivery_news import DeliveryNews, Told
from tidings.core.logs import get_logger
from tidings.core.models import DeliveryState
from tidings.core.work import AttemptOutcome, Outcome, Settled, SettleStatus
from tidings.delivery.ends import Ends

_log = get_logger("delivery")


class News:
    """What this worker tells: to the log, to the metrics and on the bus."""

    def __init__(self, bus_news: DeliveryNews, *, ends: Ends) -> None:
        self._bus_news = bus_news
        self._ends = ends

    def tell(self, settled: Sequence[Settled]) -> None:
        """Log every outcome, and count and publish those that counted."""
        for each in settled:
            log_settled(each)
            if each.status is SettleStatus.SETTLED:
                self._ends.count(each.outcome)
        news = [each.outcome for each in settled if not each.fenced and _is_news(each.outcome)]
        self._bus_news.tell([_told(outcome) for outcome in news])

    def tell_ended(self, ended: Sequence[Outcome]) -> None:
        """Likewise for those that no worker will take again."""
        for outcome in ended:
            _log_outcome(_words(outcome), outcome)
            self._ends.count(outcome)
        self._bus_news.tell([_told(outcome) for outcome in ended])


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


def _told(outcome: Outcome) -> Told:
    claimed = outcome.claimed
    return Told(
        delivery_id=claimed.id,
        event_id=claimed.event.id,
        user_id=claimed.recipient.id if claimed.recipient else claimed.event.user_id,
        workflow=claimed.workflow,
        channel=claimed.channel,
        state=outcome.state.value,
        reason=outcome.reason,
    )
