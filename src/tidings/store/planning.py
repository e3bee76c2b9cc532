"""What planning decides and which rows it makes, whichever the database: pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, TypeVar

from tidings.core.errors import StaleDefinitions
from tidings.core.models import Decision, Event, Lane, NotificationState, Recipient, Verdict
from tidings.core.rules import Rule
from tidings.core.work import (
    DueEvent,
    DueNotification,
    EventPlan,
    FailedPlan,
    PlannedDelivery,
    PlannedNotification,
)
from tidings.store.rows import Row, json_text, storable

#: planning that failed so often has failed for good
MOST_TRIES = 5

_LONGEST_BACK_OFF = 60
_LONGEST_REASON = 1000

Work = TypeVar("Work", DueEvent, DueNotification)
Made = TypeVar("Made", EventPlan, PlannedNotification)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due(Generic[Work]):
    """What is due, with the keys of its row and of its event's."""

    key: str
    event_key: str
    work: Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided(Generic[Work, Made]):
    """What is due, and what the planner made of it."""

    due: Due[Work]
    made: Made


DecidedEvent = Decided[DueEvent, EventPlan]
DecidedNotification = Decided[DueNotification, PlannedNotification]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A notification and the key of the event it comes from."""

    event_key: str
    notification: PlannedNotification


@dataclass(frozen=True, slots=True, kw_only=True)
class PutOff:
    """What is tried again `seconds` later, or, with None, never."""

    key: str
    event_id: str
    tries: int
    reason: str
    seconds: float | None

    @property
    def row(self) -> list[object]:
        """Its columns."""
        return [self.key, self.tries, self.reason, self.seconds]

    @property
    def failed(self) -> FailedPlan:
        """It, as the caller is told of it."""
        return FailedPlan(event_id=self.event_id, reason=self.reason, final=self.seconds is None)


def due_event(
    row: Row, *, event: Event, recipient: Recipient | None, now: datetime
) -> Due[DueEvent]:
    """A due event from the columns every statement calls by these names."""
    work = DueEvent(
        event=event, lane=Lane(row["lane"]), tries=row["tries"], recipient=recipient, now=now
    )
    return Due(key=row["id"], event_key=row["id"], work=work)


def due_notification(
    row: Row, *, event: Event, recipient: Recipient | None, now: datetime
) -> Due[DueNotification]:
    """A due notification from the columns every statement calls by these names."""
    work = DueNotification(
        id=row["id"],
        event=event,
        lane=Lane(row["lane"]),
        tries=row["tries"],
        workflow=row["workflow"],
        workflow_version=row["workflow_version"],
        step=row["step"],
        recipient=recipient,
        now=now,
    )
    return Due(key=row["id"], event_key=row["event_id"], work=work)


def require_current(definitions: int, stamp: int) -> None:
    """Raise StaleDefinitions unless workflows and templates are those of this stamp."""
    if definitions != stamp:
        raise StaleDefinitions(
            f"workflows or templates changed: they have stamp {definitions}, not {stamp}"
        )


def decide_all(
    due: Iterable[Due[Work]], decide: Callable[[Work], Made]
) -> tuple[list[Decided[Work, Made]], list[tuple[Due[Work], Exception]]]:
    """What the planner made of what is due, and what it broke on. Raises StaleDefinitions."""
    decided: list[Decided[Work, Made]] = []
    failures: list[tuple[Due[Work], Exception]] = []
    for each in due:
        try:
            decided.append(Decided(due=each, made=decide(each.work)))
        except StaleDefinitions:
            raise
        except Exception as error:
            failures.append((each, error))
    return decided, failures


def put_off(
    undecided: Iterable[tuple[Due[Work], Exception]],
    unwritten: Iterable[tuple[Decided[Work, Made], Exception]],
) -> list[PutOff]:
    """What failed, each with its reason and when it is tried again."""
    failures = [*undecided, *((decided.due, error) for decided, error in unwritten)]
    return [_put_off(due, error) for due, error in failures]


def planned_by(decided: Iterable[DecidedEvent]) -> list[Planned]:
    """The notifications of these plans; one order for all, so that no two planners cross."""
    planned = [
        Planned(event_key=each.due.event_key, notification=notification)
        for each in decided
        for notification in each.made.notifications
    ]
    return sorted(planned, key=lambda each: (each.notification.workflow, each.notification.user_id))


def refused(planned: Iterable[Planned], added: Set[str]) -> list[Planned]:
    """Those that are not among the ids added."""
    return [each for each in planned if each.notification.id not in added]


def added_of(planned: Iterable[Planned], added: Set[str]) -> list[Planned]:
    """Those that are among the ids added."""
    return [each for each in planned if each.notification.id in added]


def lost(planned: Planned, now: datetime) -> Planned:
    """A loser of `once`: skipped, with the reason, and without deliveries."""
    notification = planned.notification
    decision = Decision(
        at=now,
        verdict=Verdict.SKIP,
        rule=Rule.ONCE,
        reason=f"Workflow {notification.workflow} runs once for each user, and it has already.",
    )
    skipped = replace(
        notification,
        state=NotificationState.SKIPPED,
        due_at=None,
        decisions=(decision,),
        deliveries=(),
    )
    return replace(planned, notification=skipped)


def as_written(decided: Iterable[DecidedEvent], standing: Iterable[Planned]) -> list[EventPlan]:
    """The plans with the notifications that were added, as they now stand."""
    by_id = {each.notification.id: each.notification for each in standing}
    return [
        replace(
            plan,
            notifications=tuple(by_id[each.id] for each in plan.notifications if each.id in by_id),
        )
        for plan in (each.made for each in decided)
    ]


def counts(notifications: Iterable[PlannedNotification]) -> list[tuple[str, str, int]]:
    """Workflow, state and how many: what the figures are to be raised by."""
    counted = Counter((each.workflow, str(each.state)) for each in notifications)
    return sorted((*key, count) for key, count in counted.items())


def event_rows(decided: Iterable[DecidedEvent]) -> list[tuple[str, str | None]]:
    """Keys of planned events, with why nothing came of them."""
    return sorted((each.due.key, each.made.reason) for each in decided)


def notification_row(planned: Planned) -> list[object]:
    """The columns of a notification."""
    notification = planned.notification
    return [
        notification.id,
        planned.event_key,
        notification.workflow,
        notification.workflow_version,
        notification.user_id,
        notification.lane,
        notification.once,
        notification.state,
        notification.step,
        notification.due_at,
        json_text(notification.decisions),
    ]


def resumed_row(decided: DecidedNotification) -> list[object]:
    """The columns in which a notification is taken on."""
    made = decided.made
    return [decided.due.key, made.state, made.step, made.due_at, json_text(made.decisions)]


def delivery_rows(planned: Iterable[Planned]) -> list[list[object]]:
    """The deliveries of these notifications, in the order of their ids."""
    rows = [
        _delivery_row(each, delivery)
        for each in planned
        for delivery in each.notification.deliveries
    ]
    return sorted(rows, key=lambda row: str(row[0]))


def resumed_by(decided: Iterable[DecidedNotification]) -> Sequence[Planned]:
    """The notifications taken on, with their events."""
    return [Planned(event_key=each.due.event_key, notification=each.made) for each in decided]


def _delivery_row(planned: Planned, delivery: PlannedDelivery) -> list[object]:
    notification = planned.notification
    return [
        delivery.id,
        notification.id,
        planned.event_key,
        notification.user_id,
        notification.workflow,
        delivery.step,
        delivery.channel,
        notification.lane,
        delivery.address,
        delivery.template,
        delivery.template_version,
        delivery.locale,
        delivery.consent_version,
        delivery.due_at,
        _policy_text(delivery),
        delivery.expires_at,
    ]


def _policy_text(delivery: PlannedDelivery) -> str | None:
    kept = delivery.policy.kept
    return None if kept is None else json_text(kept)


def _put_off(due: Due[Work], error: Exception) -> PutOff:
    tries = due.work.tries + 1
    seconds = float(min(2**due.work.tries, _LONGEST_BACK_OFF))
    return PutOff(
        key=due.key,
        event_id=due.work.event.id,
        tries=tries,
        reason=storable(f"{type(error).__name__}: {error}")[:_LONGEST_REASON],
        seconds=seconds if tries < MOST_TRIES else None,
    )
