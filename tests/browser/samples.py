"""What the pages show in these tests, as the services would give it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from tidings.analytics.summary import Count, Summary, summarise
from tidings.core.errors import NotFound
from tidings.core.models import Content, Decision, Verdict
from tidings.notifications.dead_letters import DeadLetterPage, Replayed
from tidings.notifications.explanation import (
    ExplainedAttempt,
    ExplainedDelivery,
    ExplainedNotification,
    Explanation,
)
from tidings.notifications.recent import EventSummary
from tidings.store.dead_letter_rows import DeadLetter, Kind
from tidings.store.dead_letters import Inspected
from tidings.store.outbox import OutboxMessage

USER = "u_mq3kzr7d6wv5ua2yj4hn8cxb"


def moments_ago(minutes: float) -> datetime:
    return datetime.now(UTC) - timedelta(minutes=minutes)


def message(
    *,
    address: str = "ada@example.com",
    name: str | None = "Ada Lovelace",
    subject: str | None = "Welcome to the shop",
    text: str = "Hello Ada,\n\nwelcome. We are glad that you are here.\n",
    html: str | None = None,
    minutes: float = 3,
    id: str | None = None,
) -> OutboxMessage:
    return OutboxMessage(
        id=id or str(uuid4()),
        message_id=str(uuid4()),
        channel="email",
        address=address,
        recipient_name=name,
        content=Content(text=text, subject=subject, html=html),
        created_at=moments_ago(minutes),
    )


def decision(verdict: Verdict, rule: str, reason: str, minutes: float = 3) -> Decision:
    return Decision(
        at=moments_ago(minutes), verdict=verdict, rule=rule, reason=reason, step=0, channel="email"
    )


def attempt(outcome: str, error: str | None = None, minutes: float = 2) -> ExplainedAttempt:
    return ExplainedAttempt(
        epoch=1,
        provider="console",
        outcome=outcome,
        error=error,
        fenced=False,
        provider_id=None,
        route=None,
        started_at=moments_ago(minutes),
        finished_at=moments_ago(minutes),
    )


def delivery(
    state: str, reason: str | None = None, attempts: Sequence[ExplainedAttempt] = ()
) -> ExplainedDelivery:
    return ExplainedDelivery(
        id=str(uuid4()),
        step=0,
        channel="email",
        address="ada@example.com",
        template="welcome",
        template_version="6f1d0c",
        state=state,
        reason=reason,
        rule=None,
        provider_id=None,
        due_at=moments_ago(-1),
        expires_at=None,
        cancelled_at=None,
        created_at=moments_ago(3),
        updated_at=moments_ago(1),
        waits=None,
        attempts=tuple(attempts),
    )


def notification(
    state: str = "planned",
    decisions: Sequence[Decision] = (),
    deliveries: Sequence[ExplainedDelivery] = (),
    *,
    reason: str | None = None,
) -> ExplainedNotification:
    return ExplainedNotification(
        id=str(uuid4()),
        workflow="welcome",
        workflow_version="9a0b",
        user_id=USER,
        lane="normal",
        state=state,
        reason=reason,
        step=1,
        due_at=None,
        created_at=moments_ago(3),
        decisions=tuple(decisions),
        deliveries=tuple(deliveries),
    )


def event(
    *notifications: ExplainedNotification,
    type: str = "REGISTERED_USER",
    state: str = "planned",
    reason: str | None = None,
    minutes: float = 4,
) -> Explanation:
    return Explanation(
        event_id=str(uuid4()),
        source="tidings:0198c0de",
        type=type,
        user_id=USER,
        data={},
        bus_channel="USER_CHANNEL",
        lane="normal",
        state=state,
        reason=reason,
        time=moments_ago(minutes),
        accepted_at=moments_ago(minutes),
        notifications=notifications,
    )


def dead_letter(
    reason: str | None = 'specversion must be "1.0"',
    kind: Kind = Kind.BUS_ENTRY,
    *,
    in_doubt: bool = False,
    minutes: float = 30,
) -> DeadLetter:
    is_entry, is_delivery = kind is Kind.BUS_ENTRY, kind is Kind.DELIVERY
    return DeadLetter(
        kind=kind,
        id=str(uuid4()),
        at=moments_ago(minutes),
        reason=reason,
        rule="gave_up" if is_delivery else None,
        event_id=None if is_entry else str(uuid4()),
        type="ORDER_REFUSED" if kind is Kind.EVENT else None,
        user_id=None if is_entry else USER,
        workflow="welcome" if kind in (Kind.NOTIFICATION, Kind.DELIVERY) else None,
        channel="email" if is_delivery else None,
        provider="smtp" if is_delivery else None,
        bus_channel="USER_CHANNEL" if is_entry else None,
        in_doubt=in_doubt,
    )


class SampleNotifications:
    """Events as the Notification Service tells of them."""

    def __init__(self, *events: Explanation) -> None:
        self.events = list(events)

    async def recent(self, limit: int) -> Sequence[EventSummary]:
        return [_summary(event) for event in self.events[:limit]]

    async def explain(self, event_id: str) -> Explanation:
        for event in self.events:
            if event.event_id == event_id:
                return event
        raise NotFound(f"there is no event {event_id}")


class SampleAnalytics:
    """Counts as the Analytics Service would have folded them."""

    def __init__(self, *counts: Count) -> None:
        self.counts = list(counts)

    def count(self, outcome: str, number: int = 1, minutes: int = 0) -> None:
        at = moments_ago(minutes).replace(second=0, microsecond=0)
        self.counts.append(Count(at=at, outcome=outcome, count=number))

    async def summary(self, *, hours: int) -> Summary:
        return summarise(self.counts, now=datetime.now(UTC), hours=hours)


class SampleOutbox:
    """Messages as the console provider took them, newest first."""

    def __init__(self, *messages: OutboxMessage) -> None:
        self.messages = list(messages)
        #: id of a message → key of the event it came from
        self.events: dict[str, str] = {}

    async def recent(
        self, *, search: str = "", limit: int = 50, before: str | None = None
    ) -> Sequence[OutboxMessage]:
        ids = [message.id for message in self.messages]
        start = ids.index(before) + 1 if before else 0
        found = [message for message in self.messages[start:] if _holds(message, search)]
        return found[:limit]

    async def get(self, outbox_id: str) -> OutboxMessage:
        for message in self.messages:
            if message.id == outbox_id:
                return message
        raise NotFound(f"there is no message {outbox_id} in the outbox")

    async def event_key(self, message_id: str) -> str | None:
        return self.events.get(message_id)


class SampleDeadLetters:
    """What came to nothing, newest first."""

    def __init__(self, *letters: DeadLetter) -> None:
        self.letters = list(letters)
        self.replays: list[tuple[str, bool, str]] = []

    async def list(
        self, *, limit: int = 20, before: str | None = None, **wanted: str | None
    ) -> DeadLetterPage:
        found = [each for each in self.letters if _is_wanted(each, wanted)]
        begin = int(before or 0)
        more = len(found) > begin + limit
        return DeadLetterPage(
            dead_letters=found[begin : begin + limit], next=str(begin + limit) if more else None
        )

    async def get(self, kind: str, letter_id: str) -> Inspected:
        for letter in self.letters:
            if (letter.kind, letter.id) == (kind, letter_id):
                call = {
                    "epoch": 1, "provider": "smtp", "outcome": "transient", "fenced": False,
                    "error": "421 too busy", "provider_id": None, "route": None,
                    "started_at": letter.at, "finished_at": None,
                }  # fmt: skip
                calls = [call] if kind is Kind.DELIVERY or kind == "delivery" else []
                return Inspected(letter=letter, details={"entry": "{broken"}, attempts=calls)
        raise NotFound(f"there is no dead letter {kind} {letter_id}")

    async def replay(self, kind: str, letter_id: str, *, in_doubt: bool, by: str) -> None:
        found = await self.get(kind, letter_id)
        self.letters.remove(found.letter)
        self.replays.append((letter_id, in_doubt, by))

    async def replay_all(
        self, *, in_doubt: bool = False, before: str | None = None, by: str, **wanted: str | None
    ) -> Replayed:
        found = [each for each in self.letters if _is_wanted(each, wanted)]
        chosen = [each for each in found if in_doubt or not each.in_doubt]
        for letter in chosen:
            await self.replay(letter.kind, letter.id, in_doubt=in_doubt, by=by)
        left_out = len(found) - len(chosen)
        return Replayed(replayed=len(chosen), left=0, in_doubt=left_out, next=None)


def _is_wanted(letter: DeadLetter, wanted: Mapping[str, str | None]) -> bool:
    given = {name: value for name, value in wanted.items() if value}
    words = given.pop("reason", "").lower()
    fits = all(getattr(letter, name) == value for name, value in given.items())
    return fits and words in (letter.reason or "").lower()


def _holds(message: OutboxMessage, search: str) -> bool:
    words = f"{message.address} {message.recipient_name} {message.content.subject}"
    return search.lower() in words.lower()


def _summary(event: Explanation) -> EventSummary:
    outcomes: dict[str, int] = {}
    for run in event.notifications:
        for state in [delivery.state for delivery in run.deliveries] or [run.state]:
            outcomes[state] = outcomes.get(state, 0) + 1
    return EventSummary(
        key=event.event_id,
        event_id=event.event_id,
        type=event.type,
        user_id=event.user_id,
        accepted_at=event.accepted_at,
        state=event.state,
        reason=event.reason,
        workflows=tuple(run.workflow for run in event.notifications),
        outcomes=outcomes,
    )
