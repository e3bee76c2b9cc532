"""An event's story: what was accepted, decided by which rule, tried and reached; pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from tidings.notifications.explanation import ExplainedNotification, Explanation
from tidings.notifications.recent import EventSummary
from tidings.notifications.timeline import ATTEMPT, TimelineEntry, in_order
from tidings.notifications.timeline import timeline as told_of

#: states after which nothing more happens, other than well
UNHAPPY_ENDS = frozenset({"failed", "suppressed", "skipped", "expired", "cancelled", "held"})

#: states in which something is still to come
STILL_TO_COME = frozenset({"waiting", "pending"})

#: how old an event is before it is asked why a message of it was not called
_SOON = timedelta(seconds=5)

#: the words for states that say more of our work than of what came of it
_WORDS = {"due": "waiting", "pending": "waiting", "sending": "waiting", "planned": "skipped"}

_TONES = {
    "sent": "good",
    "delivered": "good",
    "found": "good",
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


def badges(state: str, outcomes: Mapping[str, int]) -> tuple[Badge, ...]:
    """Where an event stands, at a glance: how its messages came on, or that it waits.

    A run of a workflow that was planned and sends nothing has skipped all its steps.
    """
    if state != "planned":
        return (badge(_WORDS.get(state, state)),)
    times: dict[str, int] = {}
    for outcome, count in outcomes.items():
        word = _WORDS.get(outcome, outcome)
        times[word] = times.get(word, 0) + count
    found = [badge(word, f"{n} {word}" if n > 1 else word) for word, n in times.items()]
    return tuple(found) or (Badge(label="no workflow", tone="quiet"),)


def outcomes(event: Explanation) -> Mapping[str, int]:
    """How many messages stand where; a run without any counts by its own state."""
    found: dict[str, int] = {}
    for run in event.notifications:
        for state in [delivery.state for delivery in run.deliveries] or [run.state]:
            found[state] = found.get(state, 0) + 1
    return found


def needs_reason(event: EventSummary, now: datetime) -> bool:
    """Whether something of the event waits or did not go well, and its line does not say why.

    A message that is about to be called for the first time needs none.
    """
    asks = UNHAPPY_ENDS | {"waiting", "planned"}
    if now - event.accepted_at >= _SOON:
        asks |= {"pending"}
    return event.reason is None and not asks.isdisjoint(event.outcomes)


def open_reasons(event: Explanation) -> tuple[str, ...]:
    """Why what waits does, and why what did not go well did not, each reason once."""
    found: dict[str, None] = {}
    for run in event.notifications:
        found |= dict.fromkeys(_reasons_of(run))
    return tuple(found)


def timeline(event: Explanation) -> tuple[Entry, ...]:
    """Everything that is known about an event, in order."""
    accepted = Entry(at=event.accepted_at, badge=badge("accepted"), what=event.type)
    later = in_order(told for run in event.notifications for told in told_of(run))
    return (accepted, *map(_entry, later))


def _reasons_of(run: ExplainedNotification) -> Iterator[str]:
    if run.reason:
        yield run.reason
    elif run.decisions and not run.deliveries:
        yield run.decisions[-1].reason
    for delivery in run.deliveries:
        if delivery.waits:
            yield delivery.waits
        elif delivery.state in UNHAPPY_ENDS and delivery.reason:
            yield delivery.reason


def _entry(told: TimelineEntry) -> Entry:
    label = f"call {told.result}" if told.kind == ATTEMPT else ""
    return Entry(
        at=told.at,
        badge=badge(told.result, label),
        what=told.what,
        why=told.reason,
        rule=told.rule,
    )
