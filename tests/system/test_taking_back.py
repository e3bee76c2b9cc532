"""What a dead worker left goes its way within seconds, also while nobody may be called."""

import asyncio

import pytest

from tests.system.post_office import (
    HeldProvider,
    PostOffice,
    plan_more,
    running,
    until,
)
from tests.system.troubled_store import DATABASE, TroubledStore
from tidings.channels.recording import RecordingProvider
from tidings.core.errors import TransientError
from tidings.core.models import DELIVERY_CHANNEL
from tidings.delivery import service as delivery
from tidings.delivery.service import DeliveryService
from tidings.store import schema
from tidings.testing.store_contract.given import LEASE, claim

SILENCE = TransientError("not today", retry_after=86_400)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "_SWEEP_SECONDS", 0.05)


async def test_it_waits_as_the_others_do(office: PostOffice) -> None:
    service = await _silent_with_one_left(office)

    async with running(service):
        await until(lambda: _has(office, "pending", "pending"))

    waiting, left = await office.rows(schema.deliveries)
    assert (waiting["doubt"], left["doubt"], left["lapses"], left["epoch"]) == (False, True, 1, 1)
    assert office.provider.messages == []


async def test_it_is_held_and_that_is_told_where_at_most_one_call_is_wanted(
    office: PostOffice,
) -> None:
    service = await _silent_with_one_left(office)
    await office.change(policy={"on_unknown": "hold"})

    async with office.house.bus.watch(DELIVERY_CHANNEL) as events, running(service):
        told = await asyncio.wait_for(anext(events), 10)

    assert await office.states() == ["held", "pending"]
    assert [outcome["state"] for outcome in told.data["outcomes"]] == ["held"]


async def test_it_expires_when_it_is_of_no_use_any_more(office: PostOffice) -> None:
    service = await _silent_with_one_left(office)
    await office.change(expires_at=office.clock.now())

    async with running(service):
        await until(lambda: _has(office, "expired", "expired"))


async def test_what_was_called_off_meanwhile_is_cancelled(office: PostOffice) -> None:
    service = await _silent_with_one_left(office)
    _, event = await office.rows(schema.events)
    cancelled = await office.house.notifications.cancel(event_id=event["source_id"])

    async with running(service):
        await until(lambda: _has(office, "cancelled", "pending"))

    assert cancelled.under_way == 1


async def test_after_an_outage_the_others_have_a_beat_to_hold_what_is_theirs(
    office: PostOffice,
) -> None:
    await plan_more(office, 1)
    busy, idle = TroubledStore(office.store), TroubledStore(office.store)
    slow, other = HeldProvider(), RecordingProvider()

    async with running(office.service(store=busy, provider=slow)):
        await until(lambda: slow.started == 1)
        service = office.service(store=idle, provider=other, beat_seconds=1.5, poll_seconds=0.02)
        async with running(service):
            busy.down = idle.down = DATABASE
            await until(lambda: idle.asked["now"] >= 2 and busy.asked["beat"] >= 2)
            office.clock.advance(minutes=1)
            idle.down, sweeps = frozenset(), idle.answered["sweep"]
            await asyncio.sleep(0.5)
            busy.down = frozenset()
            await until(lambda: idle.answered["sweep"] > sweeps)
        slow.release.set()
        await until(lambda: _has(office, "sent"))

    attempts = await office.rows(schema.attempts)
    assert [(each["outcome"], each["epoch"]) for each in attempts] == [("sent", 1)]
    assert other.messages == []


async def _silent_with_one_left(office: PostOffice) -> DeliveryService:
    """A worker that was asked for silence by a first message; another died with a second."""
    office.provider.script([SILENCE])
    service = office.service()
    await plan_more(office, 1)
    await service.work()
    await plan_more(office, 1)
    await claim(office.store)
    office.clock.advance(seconds=2 * LEASE)
    return service


async def _has(office: PostOffice, *states: str) -> bool:
    return await office.states() == list(states)
