"""An event's story: what was accepted, decided by which rule, tried and reached; pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from tidings.core.models import Decision
from tidings.notifications.explanation import (
    ExplainedAttempt,
    ExplainedDelivery,
    ExplainedNotification,
    Explanation,
)
from tidings.notifications.recent import EventSummary

#: states after which nothing more happens, other than well
UNHAPPY_ENDS = frozenset({"failed", "suppressed", "skipped", "expired", "cancelled", "held"})

_TONES = {
    "sent": "good",
    "delivered": "good",
    "send": "good",
    "failed": "bad",
    "permanent": "bad",
    "rejected": "bad",
    "held": "bad",
    "unknown": "bad",
    "due": "wait",
    "pending": "wait",
    "sending": "wait",
    "waiting": "wait",
    "wait": "wait",
    "transient": "wait",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Badge:
    """A state in a word or two; `tone` (good, bad, wait, quiet) picks its colour."""

    label: str
    tone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that happened, and why."""

    at: datetime
    badge: Badge
    what: str
    why: str | None = None
    rule: str | None = None


def badge(state: str, label: str = "") -> Badge:
    """The badge of a state, by another name if one is given."""
    return Badge(label=label or state, tone=_TONES.get(state, "quiet"))


def badges(event: EventSummary) -> tuple[Badge, ...]:
    """Where an event stands, at a glance: how its messages came on, or that it waits."""
    outcomes = tuple(
        badge(state, f"{times} {state}" if times > 1 else state)
        for state, times in event.outcomes.items()
    )
    return (
        outcomes if outcomes and event.state == "planned" else (_standing(event.state), *outcomes)
    )


def needs_reason(event: EventSummary) -> bool:
    """Whether something about the event did not go well and its line does not say why."""
    return event.reason is None and not UNHAPPY_ENDS.isdisjoint(event.outcomes)


def unhappy_reasons(event: Explanation) -> tuple[str, ...]:
    """Why what did not go well did not, each reason once."""
    found: dict[str, None] = {}
    for run in event.notifications:
        found |= dict.fromkeys(_reasons_of(run))
    return tuple(found)


def timeline(event: Explanation) -> tuple[Entry, ...]:
    """Everything that is known about an event, in the order it happened."""
    accepted = Entry(at=event.accepted_at, badge=badge("accepted"), what=event.type)
    later = [entry for run in event.notifications for entry in _entries_of(run)]
    return (accepted, *sorted(later, key=lambda entry: entry.at))


def _standing(state: str) -> Badge:
    return badge(state, "waiting" if state == "due" else "")


def _reasons_of(run: ExplainedNotification) -> Iterator[str]:
    if run.state in UNHAPPY_ENDS and run.decisions:
        yield run.decisions[-1].reason
    for delivery in run.deliveries:
        if delivery.state in UNHAPPY_ENDS and delivery.reason:
            yield delivery.reason


def _entries_of(run: ExplainedNotification) -> Iterator[Entry]:
    for decision in run.decisions:
        yield _decided(run, decision)
    for delivery in run.deliveries:
        for attempt in delivery.attempts:
            yield _attempted(delivery, attempt)
        if delivery.state not in ("pending", "sending"):
            yield _ended(delivery)


def _decided(run: ExplainedNotification, decision: Decision) -> Entry:
    step = "" if decision.step is None else f", step {decision.step + 1}"
    channel = f", {decision.channel}" if decision.channel else ""
    return Entry(
        at=decision.at,
        badge=badge(str(decision.verdict)),
        what=f"workflow {run.workflow}{step}{channel}",
        why=decision.reason,
        rule=decision.rule,
    )


def _attempted(delivery: ExplainedDelivery, attempt: ExplainedAttempt) -> Entry:
    late = " (came too late and changed nothing)" if attempt.fenced else ""
    return Entry(
        at=attempt.finished_at or attempt.started_at,
        badge=badge(attempt.outcome, f"call {attempt.outcome}"),
        what=f"{delivery.channel} by {attempt.provider}{late}",
        why=attempt.error,
    )


def _ended(delivery: ExplainedDelivery) -> Entry:
    return Entry(
        at=delivery.updated_at,
        badge=badge(delivery.state),
        what=f"{delivery.channel}, template {delivery.template}",
        why=delivery.reason,
    )
