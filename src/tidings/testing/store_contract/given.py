"""What the tests of a store start from, and how they look at what it holds."""

import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import sqlalchemy as sa

from tidings.core.delivery_news import Told
from tidings.core.ids import Ids, derived
from tidings.core.models import USER_CHANNEL, Decision, Event, Lane, NotificationState, Verdict
from tidings.core.ports import Store
from tidings.core.work import (
    Acceptance,
    Accepted,
    Claimed,
    ClaimRequest,
    ClaimResult,
    DecideEvent,
    DueEvent,
    EventPlan,
    PlannedDelivery,
    PlannedNotification,
    PlanResult,
)
from tidings.store import definitions, schema

Due = TypeVar("Due")
Made = TypeVar("Made")

#: what the suite calls a long lease, in seconds
LEASE = 10.0

#: who is called for what the suite claims
PROVIDER = "smtp"

_ids = Ids()


def an_event(store: Store, **changes: Any) -> Event:
    """An event of this installation's own, for nobody, otherwise as `changes` say."""
    values: dict[str, Any] = {
        "id": _ids.new(),
        "type": "ORDER_SHIPPED",
        "source": store.installation.source,
        "time": datetime.fromisoformat("2026-01-02T03:04:05.678901+00:00"),
        "data": {},
    }
    return Event(**(values | changes))


def an_acceptance(event: Event, **changes: Any) -> Acceptance:
    """That event on its way in, otherwise as `changes` say."""
    values: dict[str, Any] = {"event": event, "bus_channel": USER_CHANNEL}
    return Acceptance(**(values | changes))


async def accept(store: Store, event: Event, **changes: Any) -> Accepted:
    """Accept one event."""
    (accepted,) = await store.accept([an_acceptance(event, **changes)])
    return accepted


async def add_user(
    store: Store, user_id: str, *addresses: str, preferences: Iterable[Any] = (), **changes: Any
) -> None:
    """A user with e-mail addresses, and preferences as (workflow, channel, enabled)."""
    now = await store.now()
    values = {"id": user_id, "consent_version": 0, "created_at": now, "updated_at": now} | changes

    def add(connection: sa.Connection) -> None:
        connection.execute(sa.insert(schema.users).values(values))
        for address in addresses:
            connection.execute(
                sa.insert(schema.addresses).values(
                    user_id=user_id, channel="email", address=address, created_at=now
                )
            )
        for workflow, channel, enabled in preferences:
            connection.execute(
                sa.insert(schema.preferences).values(
                    user_id=user_id,
                    workflow=workflow,
                    channel=channel,
                    enabled=enabled,
                    updated_at=now,
                )
            )

    await store.run(add)


async def add_event(
    store: Store, user_id: str, *, lane: Lane = Lane.NORMAL, **changes: Any
) -> Event:
    """An accepted event for a user there is."""
    event = an_event(store, user_id=user_id, **changes)
    await accept(store, event, lane=lane)
    return event


def a_decision(at: datetime, verdict: Verdict = Verdict.SEND, rule: str = "workflow") -> Decision:
    """Something the planner decided."""
    return Decision(at=at, verdict=verdict, rule=rule, reason="The step sends.", step=0)


def a_delivery(due: DueEvent, notification_id: str, **changes: Any) -> PlannedDelivery:
    """An e-mail for the event's user, due at once, otherwise as `changes` say."""
    values: dict[str, Any] = {
        "id": derived(notification_id, "0", "email"),
        "step": 0,
        "channel": "email",
        "address": "ada@example.com",
        "template": "welcome",
        "template_version": "v1",
        "locale": None,
        "consent_version": 0,
        "due_at": due.now,
    }
    return PlannedDelivery(**(values | changes))


def a_notification(due: DueEvent, **changes: Any) -> PlannedNotification:
    """A planned run of workflow `welcome` with one e-mail, otherwise as `changes` say."""
    workflow = changes.get("workflow", "welcome")
    notification_id = derived(due.event.key, str(workflow), str(due.event.user_id))
    values: dict[str, Any] = {
        "id": notification_id,
        "user_id": due.event.user_id,
        "workflow": workflow,
        "workflow_version": "w1",
        "lane": due.lane,
        "once": False,
        "state": NotificationState.PLANNED,
        "step": 1,
        "due_at": None,
        "decisions": (a_decision(due.now),),
        "deliveries": (a_delivery(due, notification_id),),
    }
    return PlannedNotification(**(values | changes))


def a_plan(due: DueEvent, **changes: Any) -> EventPlan:
    """The event leads to one notification, otherwise as `changes` say of it."""
    return EventPlan(event=due.event, notifications=(a_notification(due, **changes),))


def waiting(seconds: float) -> DecideEvent:
    """A planner that parks every notification for so long."""

    def decide(due: DueEvent) -> EventPlan:
        until = due.now + timedelta(seconds=seconds)
        return a_plan(due, state=NotificationState.WAITING, step=1, due_at=until, deliveries=())

    return decide


async def plan(store: Store, decide: DecideEvent = a_plan, *, limit: int = 100) -> PlanResult:
    """Plan what is due, under the definitions as they are."""
    stamp = await store.run(definitions.read)
    return await store.plan(limit=limit, definitions=stamp, decide=decide)


async def add_delivery(store: Store, user_id: str = "ada", **changes: Any) -> Event:
    """An event for a user, planned into one e-mail that is due; the user is made if need be."""
    if not await rows(store, schema.users, id=user_id):
        await add_user(store, user_id, f"{user_id}@example.com")
    event = await add_event(store, user_id, lane=changes.pop("lane", Lane.NORMAL))

    def decide(due: DueEvent) -> EventPlan:
        notification_id = derived(due.event.key, "welcome", user_id)
        return a_plan(due, deliveries=(a_delivery(due, notification_id, **changes),))

    await plan(store, decide)
    return event


def a_request(**changes: Any) -> ClaimRequest:
    """A wish for up to 100 due e-mails, otherwise as `changes` say."""
    values: dict[str, Any] = {
        "id": Ids().new(),
        "channel": "email",
        "providers": (PROVIDER,),
        "limit": 100,
        "lease": LEASE,
    }
    return ClaimRequest(**(values | changes))


async def claim_result(store: Store, **changes: Any) -> ClaimResult:
    """Claim due e-mails; what was taken and what was brought to its end."""
    return await store.claim(a_request(**changes))


async def claim(store: Store, **changes: Any) -> Sequence[Claimed]:
    """Claim due e-mails."""
    return (await claim_result(store, **changes)).taken


async def claim_one(store: Store, **changes: Any) -> Claimed:
    """Claim the only due e-mail."""
    (claimed,) = await claim(store, **changes)
    return claimed


async def rows(store: Store, table: sa.Table, **where: Any) -> list[sa.RowMapping]:
    """What a table holds, in the order of its primary key."""
    query = sa.select(table).filter_by(**where).order_by(*table.primary_key.columns)
    return await store.run(lambda connection: list(connection.execute(query).mappings()))


async def row(store: Store, table: sa.Table, **where: Any) -> sa.RowMapping:
    """The only such row of a table."""
    (found,) = await rows(store, table, **where)
    return found


async def figures(store: Store) -> dict[tuple[str, str, str, str], int]:
    """(outcome, workflow, channel, provider) → how often, in all minutes, once all is folded."""
    await store.fold()
    found: Counter[tuple[str, str, str, str]] = Counter()
    for each in await rows(store, schema.figures):
        key = each["outcome"], each["workflow"], each["channel"], each["provider"]
        found[key] += each["count"]
    return dict(found)


async def bump_definitions(store: Store) -> None:
    """Change workflows or templates, as planning sees it."""
    await store.run(definitions.bump)


async def set_due(store: Store) -> None:
    """Make every event due again, as a replay would."""
    now = await store.now()
    statement = sa.update(schema.events).values(state="due", due_at=now)

    def update(connection: sa.Connection) -> None:
        connection.execute(statement)

    await store.run(update)


async def delete_users(store: Store) -> None:
    """Every user is gone."""

    def delete(connection: sa.Connection) -> None:
        for table in (schema.users, schema.addresses, schema.preferences):
            connection.execute(sa.delete(table))

    await store.run(delete)


def noting(heard: list[Due], decide: Callable[[Due], Made]) -> Callable[[Due], Made]:
    """The same planner, keeping what it was asked."""

    def note(due: Due) -> Made:
        heard.append(due)
        return decide(due)

    return note


def nobody_hears(_told: Sequence[Told]) -> None:
    """News that is of no interest."""


def told(error: BaseException) -> str:
    """What a log would hold of an error, less the lines of source."""
    lines = "".join(traceback.format_exception(error)).splitlines()
    return "\n".join(line for line in lines if not line.startswith("  "))
