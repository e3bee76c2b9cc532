"""Long retention: dead letters and what is looked back on are kept longer, but not for ever."""

import asyncio
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa

from tidings.core.ids import Ids
from tidings.core.models import DeliveryState, EventState, NotificationState
from tidings.core.ports import Store
from tidings.store import schema
from tidings.store.dead_letter_rows import Kind
from tidings.store.dead_letters import DeadLetters
from tidings.store.retention import Retention
from tidings.testing.clock import MovableClock
from tidings.testing.store_contract.case import StoreCase
from tidings.testing.store_contract.given import (
    a_plan,
    add_delivery,
    add_event,
    add_user,
    plan,
    rows,
)
from tidings.testing.store_contract.retention import DAYS, LED_TO, put_into, settle_all

LONG = 730
LOOKED_BACK_ON = (schema.dead_letters, schema.feed, schema.figures, schema.audit)


class LongRetentionContract(StoreCase):
    """What every store must keep longer than what is finished, and what it must not."""

    @pytest.mark.parametrize("state", ["failed", "held"])
    async def test_a_dead_letter_goes_with_its_event_when_its_own_term_is_over(
        self, store: Store, clock: MovableClock, state: str
    ) -> None:
        await put_into(store, schema.deliveries, await add_delivery(store), state)
        clock.advance(days=LONG, seconds=-60)
        assert await keep_long(store).apply() == 0
        clock.advance(seconds=120)

        assert await keep_long(store).apply() == 1

        assert [len(await rows(store, table)) for table in LED_TO] == [0, 0, 0, 0]

    async def test_what_failed_lately_stays_though_it_came_long_ago(
        self, store: Store, clock: MovableClock
    ) -> None:
        sent_late, planned_late = await add_delivery(store), await add_event(store, "ada")
        await plan(store)
        await put_into(store, schema.notifications, planned_late, NotificationState.FAILED)
        await settle_all(store)
        clock.advance(days=LONG + 1)
        now = await store.now()
        await put_into(store, schema.deliveries, sent_late, DeliveryState.FAILED, updated_at=now)
        told = [{"at": now.isoformat()}]
        await put_into(
            store, schema.notifications, planned_late, NotificationState.FAILED, decisions=told
        )

        assert await keep_long(store).apply() == 0
        clock.advance(days=LONG + 1)
        assert await keep_long(store).apply() == 2

    async def test_what_could_not_be_planned_goes_when_the_term_of_dead_letters_is_over(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_user(store, "ada", "ada@example.com")
        unplanned, halfway = await add_event(store, "ada"), await add_event(store, "ada")
        await plan(store)
        await put_into(store, schema.events, unplanned, EventState.FAILED)
        await put_into(store, schema.notifications, halfway, NotificationState.FAILED)
        await settle_all(store)
        clock.advance(days=LONG + 1)

        assert await keep_long(store).apply() == 2

        assert [len(await rows(store, table)) for table in LED_TO] == [0, 0, 0, 0]

    async def test_what_failed_of_a_run_for_once_stays_for_ever_and_so_does_what_is_unfinished(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_user(store, "ada", "ada@example.com")
        once = await add_event(store, "ada")
        await plan(store, lambda due: a_plan(due, once=True))
        await put_into(store, schema.notifications, once, NotificationState.FAILED)
        await settle_all(store)
        await add_delivery(store)
        clock.advance(days=LONG * 2)

        assert await keep_long(store).apply() == 0
        assert [len(await rows(store, table)) for table in LED_TO] == [1, 2, 2, 2]

    async def test_dead_letters_stay_for_ever_where_their_term_is_off(
        self, store: Store, clock: MovableClock
    ) -> None:
        await put_into(store, schema.deliveries, await add_delivery(store), DeliveryState.FAILED)
        clock.advance(days=36_500)

        assert await Retention(store, days=DAYS, long_days=None).apply() == 0
        assert await Retention(store, days=None, long_days=LONG).apply() == 0

    async def test_a_dead_letter_is_kept_as_long_as_what_is_finished_at_least(
        self, store: Store, clock: MovableClock
    ) -> None:
        await put_into(store, schema.deliveries, await add_delivery(store), DeliveryState.FAILED)
        clock.advance(days=DAYS - 1)

        assert await Retention(store, days=DAYS, long_days=8).apply() == 0
        clock.advance(days=2)
        assert await Retention(store, days=DAYS, long_days=8).apply() == 1

    async def test_a_replay_that_comes_first_keeps_its_dead_letter(
        self, store: Store, other_store: Store, clock: MovableClock
    ) -> None:
        events = [await add_delivery(store) for _ in range(20)]
        for event in events:
            await put_into(store, schema.deliveries, event, DeliveryState.FAILED)
        clock.advance(days=LONG + 1)
        letters = DeadLetters(other_store, clock=clock)
        ids = [each["id"] for each in await rows(store, schema.deliveries)]

        removed, replayed = await asyncio.gather(
            keep_long(store, batch=20).apply(), letters.replay(Kind.DELIVERY, ids, by="ada")
        )

        left = [each["state"] for each in await rows(store, schema.deliveries)]
        assert left == ["pending"] * replayed
        assert removed + replayed == len(events)

    @pytest.mark.parametrize("table", LOOKED_BACK_ON)
    async def test_what_is_looked_back_on_is_kept_for_the_long_term(
        self, store: Store, clock: MovableClock, table: sa.Table
    ) -> None:
        await insert(store, table)
        clock.advance(days=DAYS + 1)
        assert await keep_long(store).apply() == 0
        young = await insert(store, table)
        clock.advance(days=LONG - DAYS)

        assert await keep_long(store).apply() == 1

        (left,) = await rows(store, table)
        assert {name: left[name] for name in young} == young


def keep_long(store: Store, *, batch: int = 1_000) -> Retention:
    """What keeps dead letters for `LONG`, and what is finished for `DAYS`."""
    return Retention(store, days=DAYS, long_days=LONG, batch=batch)


def a_row(table: sa.Table, at: datetime) -> dict[str, Any]:
    """A row that is as old as that, of one of the tables that are looked back on."""
    texts = {
        column.name: "x"
        for column in table.columns
        if not column.nullable and isinstance(column.type, sa.Text)
    }
    others: dict[str, Any] = {"id": Ids().new(), "entry": {}, "count": 1}
    others |= dict.fromkeys(("at", "created_at", "minute"), at)
    known = {name: value for name, value in others.items() if name in table.c}
    return texts | known


async def insert(store: Store, table: sa.Table) -> dict[str, Any]:
    """Such a row as of now."""
    row = a_row(table, await store.now())
    await store.run(lambda to: to.execute(sa.insert(table).values(row)) is None)
    return row
