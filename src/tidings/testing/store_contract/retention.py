"""Retention: what is finished and old goes, with all it led to; everything else stays."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from tidings.core.ids import Ids
from tidings.core.models import DeliveryState, Event, EventState, NotificationState
from tidings.core.ports import Store
from tidings.store import schema
from tidings.store.outbox import Outbox
from tidings.store.retention import Retention, Walk
from tidings.testing.clock import MovableClock
from tidings.testing.store_contract.case import StoreCase
from tidings.testing.store_contract.given import (
    a_plan,
    add_delivery,
    add_event,
    add_user,
    claim,
    plan,
    rows,
    waiting,
)
from tidings.testing.store_contract.outbox import a_message
from tidings.testing.store_contract.settle import sent

DAYS = 90
LED_TO = (schema.attempts, schema.deliveries, schema.notifications, schema.events)


class RetentionContract(StoreCase):
    """What must go from every store, and what must not."""

    async def test_a_finished_event_goes_with_all_it_led_to(
        self, store: Store, clock: MovableClock
    ) -> None:
        await deliver(store, 3)
        clock.advance(days=DAYS, seconds=-60)
        assert await keep_days(store).apply() == 0
        clock.advance(seconds=120)
        young = await add_delivery(store)

        assert await keep_days(store).apply() == 3

        assert [each["id"] for each in await rows(store, schema.events)] == [young.key]
        assert [len(await rows(store, table)) for table in LED_TO] == [0, 1, 1, 1]
        assert [each["id"] for each in await rows(store, schema.users)] == ["ada"]

    @pytest.mark.parametrize("state", ["sent", "delivered", "suppressed", "expired", "cancelled"])
    async def test_every_end_of_a_delivery_but_a_dead_letter_goes(
        self, store: Store, clock: MovableClock, state: str
    ) -> None:
        await put_into(store, schema.deliveries, await add_delivery(store), state)
        clock.advance(days=DAYS + 1)

        assert await keep_days(store).apply() == 1

        assert [len(await rows(store, table)) for table in LED_TO] == [0, 0, 0, 0]

    async def test_a_cancelled_event_goes(self, store: Store, clock: MovableClock) -> None:
        await add_user(store, "ada", "ada@example.com")
        unplanned = await add_event(store, "ada")
        await put_into(store, schema.events, unplanned, EventState.CANCELLED)
        clock.advance(days=DAYS + 1)

        assert await keep_days(store).apply() == 1

        assert await rows(store, schema.events) == []

    async def test_what_is_not_finished_stays_whole_and_so_do_dead_letters(
        self, store: Store, clock: MovableClock
    ) -> None:
        states = ("pending", "sending", "failed", "held")
        kept = [await add_delivery(store) for _ in states]
        for event, state in zip(kept, states, strict=True):
            await put_into(store, schema.deliveries, event, state)
        kept.append(await add_event(store, "ada"))
        await plan(store, waiting(86_400.0 * 400))
        broken = await add_event(store, "ada")
        await plan(store)
        await put_into(store, schema.notifications, broken, NotificationState.FAILED)
        due, failed = await add_event(store, "ada"), await add_event(store, "ada")
        await put_into(store, schema.events, failed, EventState.FAILED)
        before = [len(await rows(store, table)) for table in LED_TO]
        clock.advance(days=DAYS + 1)

        assert await keep_days(store, batch=40).apply() == 0

        left = {each["id"] for each in await rows(store, schema.events)}
        assert left == {each.key for each in (*kept, broken, due, failed)}
        assert [len(await rows(store, table)) for table in LED_TO] == before

    async def test_what_ended_lately_stays_though_it_came_long_ago(
        self, store: Store, clock: MovableClock
    ) -> None:
        event = await add_delivery(store)
        clock.advance(days=DAYS + 1)
        await settle_all(store)

        assert await keep_days(store).apply() == 0
        clock.advance(days=DAYS + 1)
        assert await keep_days(store).apply() == 1

        assert await rows(store, schema.events, id=event.key) == []

    async def test_what_was_told_once_is_not_told_again(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_user(store, "ada", "ada@example.com")
        for _ in range(2):
            await add_event(store, "ada")
            await plan(store, lambda due: a_plan(due, once=True))
        await settle_all(store)
        clock.advance(days=DAYS + 1)

        assert await keep_days(store).apply() == 2
        assert [len(await rows(store, table)) for table in LED_TO] == [0, 0, 1, 0]

        await add_event(store, "ada")
        await plan(store, lambda due: a_plan(due, once=True))
        assert await claim(store) == []

    async def test_old_events_go_in_small_batches_past_those_that_stay(
        self, store: Store, other_store: Store, clock: MovableClock
    ) -> None:
        stay = [await add_delivery(store) for _ in range(7)]
        for event in stay:
            await put_into(store, schema.deliveries, event, DeliveryState.FAILED)
        await deliver(store, 9)
        clock.advance(days=DAYS + 1)

        removed = [await keep_days(each, batch=40).apply() for each in (store, other_store)]

        assert removed == [9, 0]
        left = {each["id"] for each in await rows(store, schema.events)}
        assert left == {each.key for each in stay}

    async def test_two_that_sweep_at_once_take_each_event_away_once(
        self, store: Store, other_store: Store, clock: MovableClock
    ) -> None:
        stays = await add_delivery(store)
        await put_into(store, schema.deliveries, stays, DeliveryState.FAILED)
        await deliver(store, 20)
        clock.advance(days=DAYS + 1)

        both = [keep_days(each, batch=40) for each in (store, other_store)]
        removed = await asyncio.gather(*[each.apply() for each in both])

        assert sum(removed) == 20
        assert [each["id"] for each in await rows(store, schema.events)] == [stays.key]
        assert [len(await rows(store, table)) for table in LED_TO] == [0, 1, 1, 1]

    async def test_what_stays_is_looked_at_once_a_day(
        self, store: Store, clock: MovableClock
    ) -> None:
        stay = [await add_delivery(store) for _ in range(5)]
        for event in stay:
            await put_into(store, schema.deliveries, event, DeliveryState.FAILED)
        clock.advance(days=DAYS, hours=12)
        walk = Walk(store, kept=timedelta(days=DAYS), limit=2)
        assert (await walk.go_on(await store.now())).looked_at == 5

        clock.advance(hours=1)
        assert (await walk.go_on(await store.now())).looked_at == 0

        await put_into(store, schema.deliveries, stay[0], DeliveryState.SENT)
        clock.advance(hours=23)
        swept = await walk.go_on(await store.now())
        assert (swept.looked_at, swept.removed) == (5, 1)

    async def test_what_grew_old_since_is_found_within_the_hour(
        self, store: Store, clock: MovableClock
    ) -> None:
        await put_into(store, schema.deliveries, await add_delivery(store), DeliveryState.FAILED)
        clock.advance(hours=1)
        await deliver(store, 1)
        keep = keep_days(store)
        clock.advance(days=DAYS, seconds=-60)
        assert await keep.apply() == 0

        clock.advance(hours=1)
        assert await keep.apply() == 1

    async def test_the_outbox_is_kept_as_long_and_for_ever_where_that_is_off(
        self, store: Store, clock: MovableClock
    ) -> None:
        outbox = Outbox(store, clock=clock, ids=Ids())
        await outbox(a_message("old@example.com"))
        await deliver(store, 1)
        clock.advance(days=DAYS + 1)
        await outbox(a_message("new@example.com"))

        assert await Retention(store, days=None).apply() == 0
        assert await keep_days(store).apply() == 2

        assert [each.address for each in await outbox.recent()] == ["new@example.com"]


def keep_days(store: Store, *, batch: int = 1_000) -> Retention:
    """What keeps finished events for `DAYS`."""
    return Retention(store, days=DAYS, batch=batch)


async def deliver(store: Store, count: int) -> Sequence[Event]:
    """So many events whose one e-mail has been sent."""
    events = [await add_delivery(store) for _ in range(count)]
    await settle_all(store)
    return events


async def settle_all(store: Store) -> None:
    """Send everything that is due."""
    await store.settle([await sent(store, each) for each in await claim(store)])


async def put_into(store: Store, table: sa.Table, event: Event, state: str, **changes: Any) -> None:
    """Bring the event's row of a table into a state."""
    column = table.c.id if table is schema.events else table.c.event_id
    statement = sa.update(table).where(column == event.key).values(state=state, **changes)
    await store.run(lambda connection: connection.execute(statement) is None)
