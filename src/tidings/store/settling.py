"""What claiming and settling decide, whichever the database: pure, no statement in it."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from tidings.core.models import DeliveryState, Event, Lane, Recipient
from tidings.core.work import Attempt, Claimed, Outcome, Settled, SettleStatus
from tidings.store.rows import Row, storable

#: a delivery that was in so many dead workers' hands is not given to another
MOST_LAPSES = 3

#: and one that was in so many is taken alone, so that it takes no neighbour with it
ALONE_FROM = MOST_LAPSES - 1

GAVE_UP = f"{MOST_LAPSES} workers died with this message in hand"
WORKER_DIED = "the worker died before an answer was recorded"

#: outcomes of a call after which another is worth trying
_RETRYABLE = frozenset({"transient", "unknown"})

Hand = tuple[str, int]
"""A delivery's id and the epoch it was claimed under."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a delivery stands that was not in hand (any more), under the epoch asked for."""

    state: str
    #: of the attempt on record; None when there is none
    outcome: str | None
    started_at: datetime | None
    finished_at: datetime | None
    fenced: bool


def to_claimed(row: Row, *, event: Event, recipient: Recipient | None) -> Claimed:
    """A claimed delivery from the columns every statement calls by these names."""
    return Claimed(
        id=row["id"],
        epoch=row["epoch"],
        tries=row["tries"],
        lapses=row["lapses"],
        notification_id=row["notification_id"],
        event=event,
        workflow=row["workflow"],
        step=row["step"],
        channel=row["channel"],
        lane=Lane(row["lane"]),
        address=row["address"],
        template=row["template"],
        template_version=row["template_version"],
        locale=row["locale"],
        consent_version=row["consent_version"],
        recipient=recipient,
    )


def hand(outcome: Outcome) -> Hand:
    """The hand an outcome is of."""
    return outcome.claimed.id, outcome.claimed.epoch


def first_of_each(outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
    """The outcomes that may settle a hand: the first of each, in the order of their ids."""
    first: dict[Hand, Outcome] = {}
    for outcome in outcomes:
        first.setdefault(hand(outcome), outcome)
    return [first[key] for key in sorted(first)]


def judge(
    outcomes: Sequence[Outcome], in_hand: Set[Hand], standing: Mapping[Hand, Standing]
) -> list[Settled]:
    """An answer for each outcome; `standing` tells of the hands that were not in hand."""
    left = set(in_hand)
    settled = []
    for outcome in outcomes:
        status = SettleStatus.SETTLED
        if hand(outcome) not in left:
            status = _late(outcome, standing.get(hand(outcome)))
        left.discard(hand(outcome))
        settled.append(Settled(outcome=outcome, status=status))
    return settled


def outcome_row(outcome: Outcome) -> list[object]:
    """The columns of an outcome, of its attempt, and of what it counts as."""
    claimed, attempt = outcome.claimed, outcome.attempt
    pending = outcome.state is DeliveryState.PENDING
    return [
        claimed.id,
        claimed.epoch,
        outcome.state,
        _text(outcome.reason),
        outcome.due_in if pending else None,
        claimed.workflow,
        claimed.channel,
        _retries(attempt),
        _is_answered(attempt),
        _figure(outcome),
        *_attempt_columns(attempt),
    ]


def _attempt_columns(attempt: Attempt | None) -> list[object]:
    if attempt is None:
        return [None] * 6
    return [
        attempt.provider,
        _text(attempt.provider_id),
        attempt.outcome,
        _text(attempt.error),
        attempt.started_at,
        attempt.finished_at,
    ]


def _text(text: str | None) -> str | None:
    # A provider's words may hold what no database keeps; that must not cost the outcome.
    return None if text is None else storable(text)


def _retries(attempt: Attempt | None) -> int:
    return int(attempt is not None and attempt.outcome in _RETRYABLE)


def _is_answered(attempt: Attempt | None) -> bool:
    # Then the message is none that kills workers.
    return attempt is not None and attempt.outcome != "unknown"


def _figure(outcome: Outcome) -> str | None:
    if outcome.state is not DeliveryState.PENDING:
        return outcome.state
    return "retried" if outcome.attempt is not None else None


def _late(outcome: Outcome, standing: Standing | None) -> SettleStatus:
    if standing is not None and _is_recorded(outcome, standing):
        return SettleStatus.ALREADY
    return SettleStatus.OVERTAKEN


def _is_recorded(outcome: Outcome, standing: Standing) -> bool:
    attempt = outcome.attempt
    if standing.fenced or standing.state != outcome.state:
        return False
    if attempt is None:
        return standing.outcome is None
    found = (standing.outcome, standing.started_at, standing.finished_at)
    return found == (attempt.outcome, attempt.started_at, attempt.finished_at)
