"""The values the store takes and gives: rows of work on their way from accepted to settled."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from tidings.core.models import (
    Decision,
    DeliveryState,
    Event,
    Lane,
    NotificationState,
    Recipient,
)
from tidings.core.policy import USUAL, SendPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """Who this installation is: made once, by the first migration."""

    id: str
    #: keys the hash that makes a user's id from an address
    address_key: bytes

    @property
    def source(self) -> str:
        """The CloudEvents `source` of the events accepted here."""
        return f"tidings:{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A user to be made in the same commit as the event, unless there is one of that id."""

    user_id: str
    channel: str
    address: str
    name: str | None = None
    locale: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyRecord:
    """A request's key and the fingerprint of its body."""

    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """One event to be stored durably, with all that must be committed beside it."""

    event: Event
    bus_channel: str
    lane: Lane = Lane.NORMAL
    registration: Registration | None = None
    idempotency: IdempotencyRecord | None = None
    #: what its sender calls it off by
    cancel_key: str | None = None


class AcceptStatus(StrEnum):
    """What became of an acceptance."""

    STORED = "stored"
    #: the same key or id with the same content came before
    REPLAYED = "replayed"
    #: the same idempotency key came before with another body
    KEY_REUSED = "key_reused"
    #: the same event id came before with other content
    ID_REUSED = "id_reused"
    UNKNOWN_USER = "unknown_user"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The answer to one acceptance; `event_id` is the first event's where it is a replay."""

    status: AcceptStatus
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DueEvent:
    """An event whose planning is due, locked until the planning transaction ends."""

    event: Event
    lane: Lane
    tries: int
    recipient: Recipient | None
    #: the database's clock, shifted by the test clock
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DueNotification:
    """A waiting notification whose next step is due, locked until the transaction ends."""

    id: str
    event: Event
    lane: Lane
    #: how often its planning failed in a row
    tries: int = 0
    workflow: str
    workflow_version: str
    step: int
    recipient: Recipient | None
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedDelivery:
    """A delivery the planner decided on."""

    id: str
    step: int
    channel: str
    address: str
    template: str
    template_version: str
    locale: str | None
    consent_version: int
    due_at: datetime
    policy: SendPolicy = USUAL
    #: not called any more from then on
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedNotification:
    """A notification as it stands after planning: made, or taken on from where it waited."""

    id: str
    user_id: str
    workflow: str
    workflow_version: str
    lane: Lane
    #: at most one not skipped per user and workflow; the loser is stored as skipped, rule `once`
    once: bool
    state: NotificationState
    #: index of the next step
    step: int
    #: when the next step is due; None unless waiting
    due_at: datetime | None
    decisions: tuple[Decision, ...]
    deliveries: tuple[PlannedDelivery, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPlan:
    """All that one event leads to, with why."""

    event: Event
    notifications: tuple[PlannedNotification, ...] = ()
    #: why nothing came of it, or None
    reason: str | None = None
    #: the user counts as registered from now on, once
    registers: bool = False


DecideEvent = Callable[[DueEvent], EventPlan]
DecideNotification = Callable[[DueNotification], PlannedNotification]


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedPlan:
    """An event, or a waiting notification of it, whose planning failed, and why."""

    event_id: str
    reason: str
    #: it is not tried again
    final: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanResult:
    """What one planning transaction committed."""

    #: plans as committed: losers of `once` appear as skipped, without deliveries
    plans: Sequence[EventPlan] = ()
    resumed: Sequence[PlannedNotification] = ()
    #: each is due again later, or failed for good
    failed: Sequence[FailedPlan] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRequest:
    """What a worker can start at once."""

    #: a UUID: by it, what was taken is given back where the answer is lost
    id: str
    channel: str
    #: the integrations that may be called now, the one that is to be called first
    providers: tuple[str, ...]
    limit: int
    #: seconds it is the worker's own
    lease: float
    #: all integrations of the channel, whether they may be called or not
    set_up: tuple[str, ...] = ()
    #: served in this order
    lanes: tuple[Lane, ...] = tuple(Lane)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A delivery in this worker's hands until its lease ends, read with its event and its user."""

    id: str
    epoch: int
    #: calls that ended in a retryable failure so far
    tries: int
    #: workers that died with it in hand since a call was last answered; at 2 it is claimed alone
    lapses: int = 0
    notification_id: str
    event: Event
    workflow: str
    step: int
    channel: str
    lane: Lane
    address: str
    template: str
    template_version: str
    locale: str | None
    #: the user's consent version when this was planned
    consent_version: int
    #: the user at this moment, preferences included; None if deleted
    recipient: Recipient | None
    #: the integration that is on record as the one about to be called
    provider: str
    policy: SendPolicy = USUAL
    #: when it was planned
    created_at: datetime
    expires_at: datetime | None = None
    #: the database's clock when all this was read
    read_at: datetime = field(compare=False)
    #: it was called off, so there is no call
    cancelled: bool = False
    #: a call's answer never came: it may have been taken
    doubt: bool = False
    #: `provider` was asked last whether it has it, and said no
    asked: bool = False
    #: the last call was answered: if there is doubt, it comes from one before
    answered: bool = False
    #: in doubt by a call of another integration than `provider`
    elsewhere: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimResult:
    """What one claim took, and what it brought to an end instead."""

    taken: Sequence[Claimed] = ()
    #: failed, because too many workers died with them in hand; held or cancelled, because one did
    ended: Sequence["Outcome"] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What one sweep found that no claim had come for."""

    #: pending again, and in doubt; as the dead worker had it
    taken_back: Sequence[Claimed] = ()
    #: of no use any more, or ended as a claim would have ended it
    ended: Sequence["Outcome"] = ()


class AttemptOutcome(StrEnum):
    """The words for how an attempt ended."""

    SENT = "sent"
    TRANSIENT = "transient"
    PERMANENT = "permanent"
    REJECTED = "rejected"
    #: no answer came: it may have been taken
    UNKNOWN = "unknown"
    #: a question whether it was taken before: it was
    FOUND = "found"
    #: such a question: it surely was not
    ABSENT = "absent"


#: how calls end after which another is worth trying
RETRYABLE = frozenset({AttemptOutcome.TRANSIENT, AttemptOutcome.UNKNOWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One call of a provider, or question to it: whose, how it ended, and when (UTC)."""

    provider: str
    #: an AttemptOutcome
    outcome: str
    started_at: datetime
    finished_at: datetime
    error: str | None = None
    provider_id: str | None = None
    #: why it went this way, where another integration would have come first
    route: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a claimed delivery, to be settled under its epoch."""

    claimed: Claimed
    #: the state it goes to; `pending` gives it back or retries it
    state: DeliveryState
    reason: str | None = None
    #: by which rule it came to its end
    rule: str | None = None
    #: seconds until it is due again, with state `pending`
    due_in: float = 0.0
    #: None when no call was made
    attempt: Attempt | None = None


class SettleStatus(StrEnum):
    """What became of an outcome."""

    SETTLED = "settled"
    #: this very outcome was settled before, by a call whose answer was lost
    ALREADY = "already"
    #: a later claim had overtaken it, or another outcome came first: it changed no state
    OVERTAKEN = "overtaken"
    #: somebody has its row locked at this moment: nothing is written, so settle it again
    BUSY = "busy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """An outcome as the store took it."""

    outcome: Outcome
    status: SettleStatus

    @property
    def fenced(self) -> bool:
        """It came too late and changed no state."""
        return self.status is SettleStatus.OVERTAKEN
