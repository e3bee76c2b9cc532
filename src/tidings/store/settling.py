"""What claiming and settling decide, whichever the database: pure, no statement in it."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime

import orjson

from tidings.core.models import DeliveryState, Event, Lane, Recipient
from tidings.core.policy import OnUnknown, SendPolicy, called_off, out_of_date, with_doubt
from tidings.core.rules import Rule
from tidings.core.work import (
    RETRYABLE,
    Attempt,
    AttemptOutcome,
    Claimed,
    Outcome,
    Settled,
    SettleStatus,
)
from tidings.store.rows import Row, storable

CALLED_OFF = "It was called off while a call was under way, so there is no other."
TAKEN = "It was taken by an earlier call, whose answer came late."

#: seconds for which a delivery avoids the integrations at which it failed, if there is another
AVOIDS_SECONDS = 60

#: outcomes that say whether there is doubt, and not that the message does no harm
_OF_DOUBT = frozenset({AttemptOutcome.UNKNOWN, AttemptOutcome.ABSENT})

Hand = tuple[str, int]
"""A delivery's id and the epoch it was claimed under."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is on record of a hand that was not in hand (any more)."""

    #: None where a later claim has overtaken it
    state: str | None
    #: of the attempt on record; None when there is none
    outcome: str | None
    started_at: datetime | None
    finished_at: datetime | None
    fenced: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """How deliveries stood when their outcomes came."""

    #: their outcomes count
    heeded: Set[Hand]
    #: those of them that get no other try
    called_off: Set[Hand]
    #: those of them of which an earlier call was taken
    taken: Set[Hand]
    #: somebody has them locked
    busy: Set[Hand] = frozenset()

    @classmethod
    def together(cls, found: Sequence["Found"]) -> "Found":
        """Those of several batches."""
        return cls(
            heeded={each for few in found for each in few.heeded},
            called_off={each for few in found for each in few.called_off},
            taken={each for few in found for each in few.taken},
            busy={each for few in found for each in few.busy},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """The times of a claimed row, as each database reads them."""

    created_at: datetime
    expires_at: datetime | None
    #: the database's clock
    read_at: datetime


def to_claimed(row: Row, times: Times, *, event: Event, recipient: Recipient | None) -> Claimed:
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
        provider=row["provider"],
        policy=SendPolicy.of(orjson.loads(row["policy"]) if row["policy"] else None),
        created_at=times.created_at,
        expires_at=times.expires_at,
        read_at=times.read_at,
        cancelled=bool(row["cancelled"]),
        doubt=bool(row["doubt"]),
        asked=bool(row["asked"]),
        answered=bool(row["answered"]),
        elsewhere=bool(row["elsewhere"]),
    )


def is_released(
    last: str | None, set_up: Sequence[str], *, tries: int, lapses: int, doubt: bool
) -> bool:
    """Whether `last` has no say any more: it is gone, and a person wants it sent all the same.

    In doubt without a try or a lapse is only what a person replayed so, until it is called.
    """
    return doubt and not tries and not lapses and last not in set_up


def provider_for(
    providers: Sequence[str],
    *,
    last: str | None,
    asked: str | None,
    called: Sequence[str],
    doubt: bool,
    on_unknown: str | None,
) -> str:
    """Which of the providers that may be called gets a delivery that is on record with `last`.

    In doubt it stays where it may have been taken, unless a repeat elsewhere is allowed. One that
    was asked and said no is called itself, if it may be: it might be at work on the first call, and
    knows the second for the same. After failures that are certain the first is called of those that
    were not `called` lately, or else the one whose turn was longest ago.
    """
    first = providers[0]
    if doubt and last is not None:
        stays = last in providers or on_unknown not in (None, OnUnknown.RETRY)
        return last if stays else first
    if asked is not None:
        return asked if asked in providers else first
    turns = {name: turn for turn, name in enumerate(called)}
    return min(providers, key=lambda name: turns.get(name, -1))


def late(claimed: Claimed, at: datetime) -> Outcome:
    """What is of no use any more at that moment, as an outcome like any other."""
    return Outcome(
        claimed=claimed,
        state=DeliveryState.EXPIRED,
        reason=out_of_date(claimed.expires_at, at, doubt=claimed.doubt),
        rule=Rule.EXPIRED,
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


def batches(outcomes: Sequence[Outcome]) -> Sequence[Sequence[Outcome]]:
    """The first of each hand, with no delivery twice in a batch: its earlier claims come first."""
    found: defaultdict[int, list[Outcome]] = defaultdict(list)
    before: Counter[str] = Counter()
    for outcome in first_of_each(outcomes):
        found[before[outcome.claimed.id]].append(outcome)
        before[outcome.claimed.id] += 1
    return list(found.values())


def judge(
    outcomes: Sequence[Outcome], found: Found, standing: Mapping[Hand, Standing]
) -> list[Settled]:
    """An answer for each outcome; `standing` tells of the hands that were not in hand."""
    left = set(found.heeded)
    settled = []
    for outcome in outcomes:
        status = SettleStatus.SETTLED
        if hand(outcome) in found.busy:
            status = SettleStatus.BUSY
        elif hand(outcome) not in left:
            status = _late(outcome, standing.get(hand(outcome)))
        left.discard(hand(outcome))
        counts = status is SettleStatus.SETTLED
        written = settled_as(outcome, found) if counts else outcome
        settled.append(Settled(outcome=written, status=status))
    return settled


def settled_as(outcome: Outcome, found: Found) -> Outcome:
    """As it is written: what was taken is sent, and what was called off gets no other try."""
    if hand(outcome) in found.taken:
        state = DeliveryState.SENT
        return replace(outcome, state=state, reason=TAKEN, rule=Rule.TAKEN, due_in=0.0)
    return _called_off(outcome) if hand(outcome) in found.called_off else outcome


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
        outcome.rule,
        _doubt(outcome),
    ]


def _attempt_columns(attempt: Attempt | None) -> list[object]:
    if attempt is None:
        return [None] * 7
    return [
        attempt.provider,
        _text(attempt.provider_id),
        attempt.outcome,
        _text(attempt.error),
        attempt.started_at,
        attempt.finished_at,
        attempt.route,
    ]


def _doubt(outcome: Outcome) -> bool | None:
    """Whether it may have been taken; None leaves what was known before."""
    if outcome.attempt is None or outcome.attempt.outcome not in _OF_DOUBT:
        return None
    return outcome.attempt.outcome == AttemptOutcome.UNKNOWN


def _called_off(outcome: Outcome) -> Outcome:
    """Instead of another try, or of a wait for a person's; any other outcome stands."""
    if outcome.state not in (DeliveryState.PENDING, DeliveryState.HELD):
        return outcome
    reason = _called_off_words(outcome)
    return replace(
        outcome, state=DeliveryState.CANCELLED, reason=reason, rule=Rule.CANCELLED, due_in=0.0
    )


def _called_off_words(outcome: Outcome) -> str:
    """A question that was answered by no is no call that was under way."""
    attempt, learnt = outcome.attempt, _doubt(outcome)
    doubt = outcome.claimed.doubt if learnt is None else learnt
    if attempt is None or attempt.outcome == AttemptOutcome.ABSENT:
        return called_off(doubt=doubt)
    return with_doubt(CALLED_OFF, doubt=doubt)


def _text(text: str | None) -> str | None:
    # A provider's words may hold what no database keeps; that must not cost the outcome.
    return None if text is None else storable(text)


def _retries(attempt: Attempt | None) -> int:
    return int(attempt is not None and attempt.outcome in RETRYABLE)


def _is_answered(attempt: Attempt | None) -> bool:
    # Then the message is none that kills workers; what was only asked about may be.
    return attempt is not None and attempt.outcome not in _OF_DOUBT


def _figure(outcome: Outcome) -> str | None:
    if outcome.state is not DeliveryState.PENDING:
        return outcome.state
    return "retried" if _retries(outcome.attempt) else None


def _late(outcome: Outcome, standing: Standing | None) -> SettleStatus:
    if standing is not None and _is_recorded(outcome, standing):
        return SettleStatus.ALREADY
    return SettleStatus.OVERTAKEN


def _is_recorded(outcome: Outcome, standing: Standing) -> bool:
    attempt = outcome.attempt
    if attempt is None:
        states = {outcome.state, _called_off(outcome).state}
        return standing.state in states and standing.outcome is None
    found = (standing.outcome, standing.started_at, standing.finished_at)
    same = found == (attempt.outcome, attempt.started_at, attempt.finished_at)
    return same and not standing.fenced
