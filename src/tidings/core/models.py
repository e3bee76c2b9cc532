"""The values that pass between services: all frozen, all keyword-only, all times in UTC."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from tidings.core.ids import event_key

USER_CHANNEL = "USER_CHANNEL"
DELIVERY_CHANNEL = "DELIVERY_CHANNEL"
BELL_CHANNEL = "BELL_CHANNEL"
DEAD_LETTER_CHANNEL = "DEAD_LETTER_CHANNEL"

#: the channel whose addresses are the users' own ids
IN_APP = "in_app"

#: what only Tidings itself publishes on
OWN_CHANNELS = frozenset({DELIVERY_CHANNEL, BELL_CHANNEL, DEAD_LETTER_CHANNEL})

REGISTERED_USER = "REGISTERED_USER"
DIRECT_MESSAGE = "DIRECT_MESSAGE"
DELIVERIES_PLANNED = "DELIVERIES_PLANNED"
DELIVERIES_SETTLED = "DELIVERIES_SETTLED"
DEAD_LETTER = "DEAD_LETTER"


class Lane(StrEnum):
    """What waits behind what: a bulk of a million never delays a password reset."""

    CRITICAL = "critical"
    NORMAL = "normal"
    BULK = "bulk"


class EventState(StrEnum):
    """Where an accepted event stands."""

    DUE = "due"
    PLANNED = "planned"
    FAILED = "failed"
    CANCELLED = "cancelled"


class NotificationState(StrEnum):
    """Where one run of a workflow for one user stands."""

    WAITING = "waiting"
    PLANNED = "planned"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    FAILED = "failed"


class DeliveryState(StrEnum):
    """Where one message stands: `pending → sending → sent → delivered`, or an end with a reason."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    HELD = "held"


#: states of a delivery that has not ended
UNDER_WAY = frozenset({DeliveryState.PENDING, DeliveryState.SENDING})
#: what a person may replay
DEAD = frozenset({DeliveryState.FAILED, DeliveryState.HELD})


class Verdict(StrEnum):
    """What the planner made of a workflow or one of its steps."""

    SEND = "send"
    WAIT = "wait"
    SKIP = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened and may be worth telling someone about (CloudEvents 1.0)."""

    id: str
    type: str
    source: str
    time: datetime
    user_id: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The UUID of the event's row: one for each pair of source and id."""
        return event_key(self.source, self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """A user as planner and sender see one: addresses by channel, and what they chose."""

    id: str
    name: str | None = None
    locale: str | None = None
    consent_version: int = 0
    #: channel → usable addresses
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: (workflow, channel) → wanted or not; either may be "*"
    preferences: Mapping[tuple[str, str], bool] = field(default_factory=dict)
    #: channel → addresses nothing may be sent to
    suppressed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: channel → addresses that a provider refused for good
    rejected: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def reached_by(self, channel: str) -> tuple[str, ...]:
        """Where a channel reaches them; everybody has a feed, under their own id."""
        return (self.id,) if channel == IN_APP else self.addresses.get(channel, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One thing the planner decided, and the rule that made it so."""

    at: datetime
    verdict: Verdict
    rule: str
    #: a sentence a person can read
    reason: str
    step: int | None = None
    channel: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Rendered words, in as many forms as the channel can use."""

    text: str
    subject: str | None = None
    html: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One piece of content for one address; `id` is the idempotency key towards the provider."""

    id: str
    channel: str
    address: str
    content: Content
    recipient_name: str | None = None
    locale: str | None = None
    #: the key of the workflow that sends it; "" outside of any
    workflow: str = ""
    lane: Lane = Lane.NORMAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the provider said when it took a message."""

    provider_id: str | None = None
