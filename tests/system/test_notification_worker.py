"""The notification worker: hears, stores, plans, tells; and ends when it is asked to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

from tests.system.house import open_house
from tidings.core.clock import SystemClock
from tidings.core.errors import InProgress, NotFound, Overloaded, TidingsError, Unavailable
from tidings.core.ids import event_key
from tidings.core.models import (
    DELIVERIES_SETTLED,
    DELIVERY_CHANNEL,
    USER_CHANNEL,
    Event,
)
from tidings.core.work import Acceptance, Accepted, DecideEvent, PlanResult
from tidings.notification_worker import NotificationWorker
from tidings.notifications.admission import Admission
from tidings.notifications.intake import Intake
from tidings.settings import Settings
from tidings.store.backlog import Backlog
from tidings.store.sqlite import SqliteStore
from tidings.system import System
from tidings.wiring import open_system

NEVER = 3600.0


@pytest.fixture
async def system() -> AsyncIterator[System]:
    """A system whose workers would not look by themselves for an hour."""
    settings = Settings(database_url="sqlite://", email_provider="recording", poll_seconds=NEVER)
    async with open_system(settings, publish=True) as opened:
        yield opened


@asynccontextmanager
async def working(system: System) -> AsyncIterator[None]:
    stopping = asyncio.Event()
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(NotificationWorker(system).run(stopping))
        try:
            yield
        finally:
            stopping.set()


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(5):
        while not await condition():
            await asyncio.sleep(0.01)


def planned(system: System, event_id: str) -> Callable[[], Awaitable[bool]]:
    async def condition() -> bool:
        try:
            return (await system.notifications.explain(event_id)).state == "planned"
        except NotFound:
            return False

    return condition


def buried(system: System) -> Callable[[], Awaitable[bool]]:
    async def condition() -> bool:
        return bool((await system.dead_letters.list()).dead_letters)

    return condition


def foreign(event_id: str = "7", **change: Any) -> Event:
    fields: dict[str, Any] = {"type": "REGISTERED_USER", "data": {"email": "bob@example.com"}}
    return Event(id=event_id, source="shop", time=datetime.now(UTC), **{**fields, **change})


def nested(levels: int) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for _ in range(levels):
        data = {"x": data}
    return data


def lines(logs: Sequence[Any], part: str) -> list[str]:
    return [line["event"] for line in logs if line.get("part") == part]


async def test_a_registration_is_heard_and_planned_without_waiting_for_the_poll(
    system: System,
) -> None:
    async with working(system):
        event_id = (await system.intake.register("bob@example.com")).event_id

        await eventually(planned(system, event_id))


async def test_what_the_bus_never_told_is_found_by_polling(system: System) -> None:
    await system.bus.aclose()
    hasty = replace(system, settings=system.settings.model_copy(update={"poll_seconds": 0.05}))
    async with working(hasty):
        event_id = (await system.intake.register("bob@example.com")).event_id

        await eventually(planned(system, event_id))


async def test_the_welcome_is_told_from_hearing_to_planning_once_for_each(
    system: System,
) -> None:
    with structlog.testing.capture_logs() as logs:
        async with working(system):
            first = (await system.intake.register("bob@example.com")).event_id
            await eventually(planned(system, first))
            second = (await system.intake.register("bob@example.com")).event_id
            await eventually(planned(system, second))

    told = [line for line in logs if "welcome e-mail" in str(line["event"])]
    assert lines(logs, "notification-worker").count("heard REGISTERED_USER") == 2
    assert [(line["event"], line["event_id"]) for line in told] == [
        ("welcome e-mail planned", first),
        ("welcome e-mail skipped", second),
    ]
    assert [line["rule"] for line in told] == ["default", "once"]
    assert "already" in told[-1]["reason"]
    assert "bob@example.com" not in str(logs)


async def test_what_others_publish_is_stored_once_and_planned(system: System) -> None:
    async with working(system):
        await system.bus.publish(USER_CHANNEL, foreign(), foreign())

        await eventually(planned(system, event_key("shop", "7")))

    explanation = await system.notifications.explain(event_key("shop", "7"))
    assert (explanation.event_id, explanation.source) == ("7", "shop")
    assert [each.workflow for each in explanation.notifications] == ["welcome"]
    assert len(await system.notifications.recent(10)) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"type": "ORDERED", "user_id": "nobody"}, "there is no user nobody"),
        ({"data": {"email": "nonsense"}}, "email:"),
        ({"type": "two words"}, "type must be"),
    ],
)
async def test_what_can_not_be_taken_is_buried_with_its_reason_and_the_worker_goes_on(
    system: System, change: dict[str, Any], reason: str
) -> None:
    async with working(system):
        await system.bus.publish(USER_CHANNEL, foreign("bad", **change), foreign("good"))

        await eventually(planned(system, event_key("shop", "good")))
        await eventually(buried(system))

    (letter,) = (await system.dead_letters.list()).dead_letters
    assert (letter.reason or "").startswith(reason)
    kept = await system.dead_letters.get(letter.kind, letter.id)
    assert kept.details["entry"]["id"] == "bad"
    with pytest.raises(NotFound):
        await system.notifications.explain(event_key("shop", "bad"))


@pytest.mark.parametrize(
    "data", [{"x": "\0"}, nested(1_000)], ids=["null characters", "nested without end"]
)
async def test_data_that_no_database_keeps_is_buried_and_the_letter_can_be_kept(
    system: System, data: dict[str, Any]
) -> None:
    async with working(system):
        await system.bus.publish(USER_CHANNEL, foreign("bad", data=data), foreign("good"))

        await eventually(planned(system, event_key("shop", "good")))
        await eventually(buried(system))

    (letter,) = (await system.dead_letters.list()).dead_letters
    assert (letter.reason or "").startswith("data.x")
    assert "bad" in (await system.dead_letters.get(letter.kind, letter.id)).details["entry"]


class FlakyStore(SqliteStore):
    """Fails to accept a number of times."""

    failures = 0
    fault: TidingsError = Unavailable("no database")

    async def accept(self, acceptances: Sequence[Acceptance]) -> Sequence[Accepted]:
        if self.failures:
            self.failures -= 1
            raise self.fault
        return await super().accept(acceptances)


FULL = "no-room"


class FullStore(SqliteStore):
    """Has no room for one event."""

    refused = False

    async def accept(self, acceptances: Sequence[Acceptance]) -> Sequence[Accepted]:
        if any(each.event.id == FULL for each in acceptances):
            self.refused = True
            raise Overloaded("no room")
        return await super().accept(acceptances)

    async def was_asked(self) -> bool:
        return self.refused


@pytest.mark.parametrize("fault", [Unavailable("no database"), InProgress("by another process")])
async def test_what_was_heard_and_could_not_be_stored_is_kept_not_buried(
    system: System, fault: TidingsError
) -> None:
    store = await FlakyStore.open(None, clock=SystemClock())
    assert isinstance(store, FlakyStore)
    store.failures, store.fault = 3, fault
    intake = intake_on(system, store)
    with structlog.testing.capture_logs() as logs:
        async with working(replace(system, intake=intake)):
            await system.bus.publish(USER_CHANNEL, foreign())

            await eventually(stored(store))

    assert (await system.dead_letters.list()).dead_letters == []
    complaints = [line for line in logs if "can't be stored yet" in str(line["event"])]
    assert len(complaints) == 1, "at most one line a second"
    await store.aclose()


async def test_what_waits_for_room_on_one_channel_holds_up_no_other() -> None:
    settings = Settings(
        database_url="sqlite://",
        email_provider="recording",
        bus_channels=(USER_CHANNEL, "URGENT_CHANNEL"),
    )
    async with open_system(settings, publish=True) as system:
        full = await FullStore.open(None, clock=SystemClock())
        assert isinstance(full, FullStore)
        async with working(replace(system, intake=intake_on(system, full))):
            await system.bus.publish(USER_CHANNEL, foreign(FULL))
            await eventually(full.was_asked)
            await system.bus.publish("URGENT_CHANNEL", foreign("8"))

            await eventually(stored(full))
        await full.aclose()


async def test_what_could_not_be_stored_before_the_end_is_heard_by_the_next(
    system: System,
) -> None:
    store = await FlakyStore.open(None, clock=SystemClock())
    assert isinstance(store, FlakyStore)
    store.failures = many = 10_000

    async def asked() -> bool:
        return store.failures < many

    async with working(replace(system, intake=intake_on(system, store))):
        await system.bus.publish(USER_CHANNEL, foreign())
        await eventually(asked)
    async with working(system):
        await eventually(planned(system, event_key("shop", "7")))
    await store.aclose()


def intake_on(system: System, store: SqliteStore) -> Intake:
    backlog = Backlog(store, metrics=system.metrics, channels=())
    return Intake(
        store=store,
        bus=system.bus,
        workflows=system.workflows,
        admission=Admission(limit=10, count=backlog.waiting, metrics=system.metrics),
        clock=system.clock,
        ids=system.ids,
        metrics=system.metrics,
    )


def stored(store: SqliteStore) -> Callable[[], Awaitable[bool]]:
    async def condition() -> bool:
        return bool(
            await store.run(lambda each: each.exec_driver_sql("SELECT 1 FROM events").all())
        )

    return condition


async def test_outcomes_are_told_in_words(system: System) -> None:
    outcome = {
        "delivery_id": "d1",
        "event_id": "e1",
        "user_id": "u1",
        "workflow": "welcome",
        "channel": "email",
        "state": "failed",
        "reason": "the mailbox is full",
    }
    source = system.store.installation.source
    strange = foreign(type=DELIVERIES_SETTLED, data={"outcomes": "none"})
    settled = foreign(type=DELIVERIES_SETTLED, data={"outcomes": [outcome]})

    with structlog.testing.capture_logs() as logs:

        async def told() -> bool:
            return "welcome e-mail failed" in lines(logs, "notification-worker")

        async with working(system):
            await system.bus.publish(DELIVERY_CHANNEL, strange, replace(settled, source=source))
            await eventually(told)

    (line,) = [line for line in logs if line["event"] == "welcome e-mail failed"]
    assert (line["event_id"], line["delivery_id"]) == ("e1", "d1")
    assert line["reason"] == "the mailbox is full"


class BrokenPlanning(SqliteStore):
    """Fails to plan a number of times, for a reason nobody foresaw."""

    failures = 2
    surprise = "bob@example.com"

    async def plan(self, *, limit: int, definitions: int, decide: DecideEvent) -> PlanResult:
        if self.failures:
            self.failures -= 1
            raise ValueError(self.surprise)
        return await super().plan(limit=limit, definitions=definitions, decide=decide)


async def test_a_worker_outlives_a_fault_nobody_foresaw_and_tells_its_stack(
    system: System,
) -> None:
    store = await BrokenPlanning.open(None, clock=SystemClock())
    async with open_house(store, bus=system.bus) as house:
        event_id = (await house.intake.register("bob@example.com")).event_id
        broken = replace(system, store=store, notifications=house.notifications)
        with structlog.testing.capture_logs() as logs:
            async with working(broken):
                await eventually(planned(broken, event_id))

    (fault,) = [line for line in logs if line["event"] == "planning failed; trying again"]
    assert fault["error"] == "ValueError"
    assert "in plan" in fault["stack"]
    assert "bob@example.com" not in str(logs)
    await store.aclose()


async def test_a_worker_that_has_nothing_to_do_ends_at_once(system: System) -> None:
    async with asyncio.timeout(2), working(system):
        await asyncio.sleep(0.05)


async def test_one_pass_plans_what_is_due_without_the_bus(system: System) -> None:
    event_id = (await system.intake.register("bob@example.com")).event_id
    worker = NotificationWorker(system)

    handled = [await worker.work(), await worker.work()]

    assert handled == [1, 0]
    assert await planned(system, event_id)()
