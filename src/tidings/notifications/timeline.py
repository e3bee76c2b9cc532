"""A notification's timeline: what happened to it, when, and by which rule; pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from tidings.core.models import DEAD, UNDER_WAY, Decision, DeliveryState
from tidings.core.rules import Rule
from tidings.core.text import call_in_words
from tidings.notifications.explanation import (
    ExplainedAttempt,
    ExplainedDelivery,
    ExplainedNotification,
)

_NO_REPLAY = "It was called off after it had come to nothing: it is not replayed any more."
_NO_OTHER_CALL = "It was called off while a call was under way: there is no other."

DECISION, ATTEMPT, CANCEL, WAIT, END = "decision", "attempt", "cancel", "wait", "end"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """One thing that happened to a notification."""

    at: datetime
    #: decision · attempt · cancel · wait · end
    kind: str
    #: the verdict, how the call ended, or the state it came to
    result: str
    #: which step, call or message it speaks of
    what: str
    rule: str | None
    #: a sentence a person can read
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationTimeline:
    """One run of a workflow for one user, with all that happened to it, in order."""

    #: the event it comes from, by its sender's id
    event_id: str
    source: str
    notification: ExplainedNotification
    timeline: tuple[TimelineEntry, ...]


def timeline(run: ExplainedNotification) -> tuple[TimelineEntry, ...]:
    """Everything that is known about a notification, in order."""
    return in_order(_entries(run))


def in_order(entries: Iterable[TimelineEntry]) -> tuple[TimelineEntry, ...]:
    """As it happened; what is waited for now comes last, since when it is so says little."""
    return tuple(sorted(entries, key=lambda entry: (entry.kind == WAIT, entry.at)))


def _entries(run: ExplainedNotification) -> Iterator[TimelineEntry]:
    for decision in run.decisions:
        yield _decided(run, decision)
    for delivery in run.deliveries:
        for attempt in delivery.attempts:
            yield _attempted(delivery, attempt)
        if delivery.cancelled_at and delivery.state != DeliveryState.CANCELLED:
            yield _called_off(delivery, delivery.cancelled_at)
        if delivery.state not in UNDER_WAY:
            yield _ended(delivery)
        elif delivery.waits:
            yield _waiting(delivery)


def _decided(run: ExplainedNotification, decision: Decision) -> TimelineEntry:
    step = "" if decision.step is None else f", step {decision.step + 1}"
    channel = f", {decision.channel}" if decision.channel else ""
    return TimelineEntry(
        at=decision.at,
        kind=DECISION,
        result=str(decision.verdict),
        what=f"workflow {run.workflow}{step}{channel}",
        rule=decision.rule,
        reason=decision.reason,
    )


def _attempted(delivery: ExplainedDelivery, attempt: ExplainedAttempt) -> TimelineEntry:
    late = " (came too late: a later claim had overtaken it)" if attempt.fenced else ""
    return TimelineEntry(
        at=attempt.finished_at or attempt.started_at,
        kind=ATTEMPT,
        result=attempt.outcome,
        what=f"{delivery.channel} by {attempt.provider}{late}",
        rule=None,
        reason=call_in_words(attempt.route, attempt.error),
    )


def _called_off(delivery: ExplainedDelivery, at: datetime) -> TimelineEntry:
    is_dead = delivery.state in DEAD and at > delivery.updated_at
    return TimelineEntry(
        at=at,
        kind=CANCEL,
        result="called off",
        what=_message(delivery),
        rule=Rule.CANCELLED,
        reason=_NO_REPLAY if is_dead else _NO_OTHER_CALL,
    )


def _waiting(delivery: ExplainedDelivery) -> TimelineEntry:
    return TimelineEntry(
        at=delivery.updated_at,
        kind=WAIT,
        result=delivery.state,
        what=_message(delivery),
        rule=None,
        reason=delivery.waits,
    )


def _ended(delivery: ExplainedDelivery) -> TimelineEntry:
    return TimelineEntry(
        at=delivery.updated_at,
        kind=END,
        result=delivery.state,
        what=_message(delivery),
        rule=delivery.rule,
        reason=delivery.reason,
    )


def _message(delivery: ExplainedDelivery) -> str:
    return f"{delivery.channel}, template {delivery.template}"
