"""What the API takes and answers, as types: each mirrors the OpenAPI schema of its name."""

from collections.abc import Mapping
from typing import Any, Literal, NotRequired, Protocol, TypedDict


class EventItem(TypedDict):
    """One event of a bulk, as `POST /v1/events` takes it."""

    type: str
    user_id: str
    data: NotRequired[Mapping[str, Any]]
    id: NotRequired[str | None]
    channel: NotRequired[str]
    cancel_key: NotRequired[str | None]


class BulkItem(TypedDict):
    """What became of one event of a bulk: `event_id` where status is 202, else a problem."""

    status: int
    event_id: NotRequired[str | None]
    replayed: NotRequired[bool]
    type: NotRequired[str | None]
    title: NotRequired[str | None]
    detail: NotRequired[str | None]
    field: NotRequired[str | None]


class Decision(TypedDict):
    """One thing the planner decided, and the rule that made it so."""

    at: str
    verdict: Literal["send", "wait", "skip"]
    rule: str
    reason: str
    step: NotRequired[int | None]
    channel: NotRequired[str | None]


class ExplainedAttempt(TypedDict):
    """One provider call; `fenced` when a later claim had overtaken it."""

    epoch: int
    provider: str
    outcome: str
    error: str | None
    fenced: bool
    provider_id: str | None
    route: str | None
    started_at: str
    finished_at: str | None


class ExplainedDelivery(TypedDict):
    """One message on its way: where it stands and why."""

    id: str
    step: int
    channel: str
    address: str
    template: str
    template_version: str
    state: str
    reason: str | None
    rule: str | None
    provider_id: str | None
    due_at: str | None
    expires_at: str | None
    cancelled_at: str | None
    created_at: str
    updated_at: str
    waits: str | None
    attempts: list[ExplainedAttempt]


class ExplainedNotification(TypedDict):
    """One run of a workflow for one user."""

    id: str
    workflow: str
    workflow_version: str
    user_id: str
    lane: str
    state: str
    reason: str | None
    step: int
    due_at: str | None
    created_at: str
    decisions: list[Decision]
    deliveries: list[ExplainedDelivery]


class TimelineEntry(TypedDict):
    """One thing that happened to a notification."""

    at: str
    kind: str
    result: str
    what: str
    rule: str | None
    reason: str | None


class NotificationTimeline(TypedDict):
    """One run of a workflow for one user, with all that happened to it, in order."""

    event_id: str
    source: str
    notification: ExplainedNotification
    timeline: list[TimelineEntry]


class Explanation(TypedDict):
    """An event with all it led to, and why."""

    event_id: str
    source: str
    type: str
    user_id: str | None
    data: dict[str, Any]
    bus_channel: str
    lane: str
    state: str
    reason: str | None
    time: str
    accepted_at: str
    notifications: list[ExplainedNotification]


class Cancelled(TypedDict):
    """How much was called off, and how much is being sent at this moment all the same."""

    events: int
    notifications: int
    deliveries: int
    under_way: int
    dead: int


class Confirmed(TypedDict):
    """What became of a provider's ids: each is in one of the two, once, in the order they came."""

    delivered: list[str]
    unknown: list[str]


class User(TypedDict):
    """A user as stored, the address in its normal form."""

    id: str
    email: str | None
    email_status: str | None
    name: str | None
    locale: str | None
    consent_version: int


class Suppression(TypedDict):
    """An address nothing is sent to; which one only the id, a keyed hash, tells."""

    id: str
    channel: str
    reason: str
    created_at: str


class PreferenceItem(TypedDict):
    """Whether the user wants a workflow on a channel; either may be `*`."""

    workflow: str
    channel: str
    enabled: bool


class ChannelStep(TypedDict):
    """Send a template on a channel."""

    channel: str
    template: str
    expires_after: int | None
    kind: Literal["channel"]


class Delay(TypedDict):
    """Wait so long before the next step."""

    days: int
    hours: int
    minutes: int
    seconds: int
    kind: Literal["delay"]


class Retry(TypedDict):
    """How often and how long to try; what is None is as usual for the channel."""

    attempts: int | None
    max_age: int | None
    base: int | None
    cap: int | None


class Workflow(TypedDict):
    """A published workflow with the version its content gives it."""

    key: str
    version: str
    on: str
    steps: list[ChannelStep | Delay]
    once: bool
    critical: bool
    on_unknown: Literal["retry", "check", "hold"]
    retry: Retry | None


class TemplateEntry(TypedDict):
    """A published template in a line; `locale` is None for the one for everybody."""

    key: str
    channel: str
    locale: str | None
    version: str


class Template(TemplateEntry):
    """A template with all its parts."""

    text: str
    subject: str | None
    html: str | None


#: which items of a feed, and what is done to one: the enumerations `Status` and `Mark` of
#: `tidings.inbox.items` say the same, and are taken too
StatusName = Literal["unread", "unseen", "archived", "all"]
MarkName = Literal["seen", "read", "unread", "archive", "unarchive"]


class Counts(TypedDict):
    """How much is new, leaving out what is archived."""

    unseen: int
    unread: int


class FeedItem(TypedDict):
    """One message in a feed."""

    id: str
    workflow: str
    title: str | None
    body: str
    created_at: str
    seen_at: str | None
    read_at: str | None
    archived_at: str | None


class FeedPage(TypedDict):
    """Some items, newest first; `next` is what `before` must be for the page that follows."""

    items: list[FeedItem]
    next: str | None
    counts: Counts


class Marked(TypedDict):
    """An item as it now stands, with the counts that came of it."""

    item: FeedItem
    counts: Counts


ScopeName = Literal["admin", "trigger", "read"]


class Key(TypedDict):
    """A key without its secret."""

    id: str
    name: str
    scopes: list[ScopeName]
    created_by: str
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None


class NewKey(Key):
    """A key just made: `key` is what to send, and is shown only now."""

    key: str


KindName = Literal["event", "notification", "delivery", "bus_entry"]


class DeadLetter(TypedDict):
    """One thing that came to nothing, and why; what does not apply to its kind is None."""

    kind: KindName
    id: str
    at: str
    reason: str | None
    rule: str | None
    event_id: str | None
    type: str | None
    user_id: str | None
    workflow: str | None
    channel: str | None
    provider: str | None
    bus_channel: str | None
    in_doubt: bool
    called_off: bool
    taken: bool


class Attempt(TypedDict):
    """One provider call of a delivery."""

    epoch: int
    provider: str
    outcome: str
    fenced: bool
    error: str | None
    provider_id: str | None
    started_at: str
    finished_at: str | None
    route: str | None


class InspectedDeadLetter(DeadLetter):
    """A dead letter with all that is known of it."""

    details: dict[str, Any]
    attempts: list[Attempt]


class DeadLetterList(TypedDict):
    """Dead letters, newest first; `next` is what `before` must be for those that follow."""

    dead_letters: list[DeadLetter]
    next: str | None


class Replayed(TypedDict):
    """What one call replayed, and where to go on; None where nothing is left."""

    replayed: int
    left: int
    in_doubt: int
    next: str | None


class Preference(Protocol):
    """A `tidings.Preference`."""

    @property
    def workflow(self) -> str:
        """A workflow's key, or `*`."""
        ...

    @property
    def channel(self) -> str:
        """A channel, or `*`."""
        ...

    @property
    def enabled(self) -> bool:
        """Whether it is wanted."""
        ...


class Definition(Protocol):
    """A `tidings.Workflow`."""

    @property
    def key(self) -> str:
        """Its key."""
        ...

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        """Its content."""
        ...
