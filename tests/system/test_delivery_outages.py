"""The delivery engine while databases go away and workers die."""

import asyncio
from contextlib import AsyncExitStack

import pytest
import structlog

from tests.system.post_office import (
    HeldProvider,
    PostOffice,
    register,
    running,
    until,
)
from tests.system.troubled_store import DATABASE, TroubledStore
from tidings.channels.recording import RecordingProvider
from tidings.core.errors import AddressRejected
from tidings.core.models import DELIVERY_CHANNEL
from tidings.store import schema
from tidings.testing.store_contract.given import claim


@pytest.fixture
def store(office: PostOffice) -> TroubledStore:
    return TroubledStore(office.store)


async def test_an_outcome_outlives_an_outage_and_nothing_is_sent_twice(
    office: PostOffice, store: TroubledStore
) -> None:
    await office.plan_welcomes(20)
    store.down = frozenset({"settle"})

    with structlog.testing.capture_logs() as lines:
        async with running(office.service(store=store, poll_seconds=0.05)):
            await until(lambda: store.asked["settle"] >= 4)
            store.down = frozenset()
            await until(lambda: _all_sent(office))

    assert len(office.provider.messages) == 20
    complaints = [line for line in lines if "outcomes can't be written" in line["event"]]
    assert 1 <= len(complaints) <= 3


@pytest.mark.parametrize("workers", [1, 2])
async def test_what_was_answered_in_an_outage_longer_than_the_lease_is_not_sent_again(
    office: PostOffice, workers: int
) -> None:
    await office.plan_welcomes(20)
    provider = HeldProvider()
    stores = [TroubledStore(office.store) for _ in range(workers)]

    async with AsyncExitStack() as stack:
        for store in stores:
            service = office.service(
                store=store,
                provider=provider,
                slots=20 // workers + 5,
                beat_seconds=0.8,
                poll_seconds=0.02,
            )
            await stack.enter_async_context(running(service))
        await until(lambda: provider.started == 20)
        for store in stores:
            store.down = DATABASE
        provider.release.set()
        await until(lambda: all(store.asked["settle"] >= 3 for store in stores))
        office.clock.advance(seconds=11)
        for store in stores:
            store.down = frozenset({"settle", "beat"})  # a claim would be the first to get through
            store.asked.clear()
        await until(lambda: all(store.asked["beat"] >= 3 for store in stores))
        for store in stores:
            store.down = frozenset()
        await until(lambda: _all_sent(office))

    assert provider.started == 20
    attempts = await office.rows(schema.attempts)
    assert [(each["outcome"], each["epoch"]) for each in attempts] == [("sent", 1)] * 20


async def test_an_idle_worker_leaves_the_others_a_beat_to_hold_what_is_theirs(
    office: PostOffice,
) -> None:
    await office.plan_welcomes()
    busy, idle = TroubledStore(office.store), TroubledStore(office.store)
    slow, other = HeldProvider(), RecordingProvider()

    async with running(office.service(store=busy, provider=slow, beat_seconds=0.5)):
        await until(lambda: slow.started == 1)
        service = office.service(store=idle, provider=other, beat_seconds=1.5, poll_seconds=0.02)
        async with running(service):
            busy.down = idle.down = DATABASE
            await until(lambda: idle.asked["claim"] >= 1 and busy.asked["beat"] >= 1)
            office.clock.advance(seconds=11)
            busy.down = idle.down = frozenset()
            claims = idle.answered["claim"]
            await until(lambda: idle.answered["claim"] > claims)
        slow.release.set()
        await until(lambda: _all_sent(office))

    assert other.messages == []


async def test_a_worker_that_begins_after_an_outage_leaves_the_others_a_beat(
    office: PostOffice,
) -> None:
    await office.plan_welcomes(5)
    busy, slow, other = TroubledStore(office.store), HeldProvider(), RecordingProvider()

    async with running(office.service(store=busy, provider=slow)):
        await until(lambda: slow.started == 5)
        busy.down = DATABASE
        slow.release.set()
        await until(lambda: busy.asked["settle"] >= 3)
        office.clock.advance(seconds=11)
        beginner = office.service(provider=other, poll_seconds=0.02)
        beginner.note_outage()
        async with running(beginner):
            await asyncio.sleep(0.2)  # it has its line before the others
            busy.down = frozenset()
            await until(lambda: _all_sent(office))

    assert other.messages == []


async def test_claiming_goes_on_when_the_database_is_back(
    office: PostOffice, store: TroubledStore
) -> None:
    store.down = frozenset({"claim", "now"})

    async with running(office.service(store=store, beat_seconds=0.1, poll_seconds=0.05)):
        await office.plan_welcomes()
        await until(lambda: store.asked["now"] >= 2)
        store.down = frozenset()
        await until(lambda: _all_sent(office))


async def test_a_fault_of_ours_while_claiming_is_told_as_one_and_ends_nothing(
    office: PostOffice, store: TroubledStore
) -> None:
    store.fault = KeyError("a@example.com")

    with structlog.testing.capture_logs() as lines:
        async with running(office.service(store=store)):
            await until(lambda: bool(lines))
            store.fault = None
            await office.plan_welcomes()
            await until(lambda: _all_sent(office))

    (line,) = [line for line in lines if line["log_level"] == "error"]
    assert (line["event"], line["error"]) == ("claiming failed; trying again", "KeyError")
    assert "@" not in str(line)


async def test_a_settlement_whose_answer_was_lost_is_told_all_the_same(
    office: PostOffice, store: TroubledStore
) -> None:
    await office.plan_welcomes()
    office.provider.script([AddressRejected("no such user")])
    store.losing = frozenset({"settle"})

    with structlog.testing.capture_logs() as lines:
        async with (
            office.house.bus.watch(DELIVERY_CHANNEL) as events,
            running(office.service(store=store)),
        ):
            await until(lambda: store.asked["settle"] >= 2)
            store.losing = frozenset()
            told = await asyncio.wait_for(anext(events), 5)

    (address,) = await office.rows(schema.addresses)
    assert [outcome["state"] for outcome in told.data["outcomes"]] == ["failed"]
    assert address["status"] == "rejected"
    assert not any("overtaken" in line["event"] for line in lines)


async def test_what_three_workers_died_of_is_told_as_failed(office: PostOffice) -> None:
    await office.plan_welcomes()
    await _die_with_all_in_hand(office, times=3)

    with structlog.testing.capture_logs() as lines:
        async with office.house.bus.watch(DELIVERY_CHANNEL) as events:
            await office.service().work()
            told = await asyncio.wait_for(anext(events), 5)

    row = await office.delivery()
    (outcome,) = told.data["outcomes"]
    (line,) = [line for line in lines if line["log_level"] == "error"]
    assert (outcome["delivery_id"], outcome["state"]) == (row["id"], "failed")
    assert "3 workers died" in outcome["reason"]
    assert (line["event"], line["delivery_id"]) == ("failed", row["id"])
    assert office.provider.messages == []


async def test_what_two_workers_died_of_is_sent_with_no_other_in_hand(
    office: PostOffice,
) -> None:
    await _plan_a_suspect_and_five(office)
    provider = HeldProvider()

    async with running(office.service(provider=provider, lease_seconds=900, poll_seconds=0.02)):
        await _suspect_joins_the_five(office, provider)
        await register(office.store, "seventh@example.com")
        await office.house.plan()
        await asyncio.sleep(0.2)  # ten polls

        assert provider.started == 5
        assert await office.states() == ["pending", *["sending"] * 6]

        provider.release.set()
        await until(lambda: _all_sent(office))

    assert provider.at_once["suspect@example.com"] == 1
    assert provider.started == 7


async def test_on_stopping_what_waits_to_be_alone_is_given_back(office: PostOffice) -> None:
    await _plan_a_suspect_and_five(office)
    provider = HeldProvider()
    service = office.service(
        provider=provider, lease_seconds=900, poll_seconds=0.02, drain_seconds=0.5
    )
    async with running(service):
        await _suspect_joins_the_five(office, provider)

    rows = await office.rows(schema.deliveries)
    (suspect,) = [row for row in rows if row["address"] == "suspect@example.com"]
    assert (suspect["state"], suspect["lapses"], suspect["tries"]) == ("pending", 2, 0)


async def test_it_ends_in_time_though_database_provider_and_bus_all_hang(
    office: PostOffice, store: TroubledStore
) -> None:
    class HangingBus:
        async def publish(self, *_said: object) -> None:
            await asyncio.Event().wait()

    await office.plan_welcomes(3)
    provider = HeldProvider()
    service = office.service(
        store=store, provider=provider, bus=HangingBus(), poll_seconds=0.02, drain_seconds=0.5
    )
    loop = asyncio.get_running_loop()

    async with running(service) as stopping:
        await until(lambda: provider.started == 3)
        store.hanging = frozenset({"claim", "beat"})
        claims = store.asked["claim"]
        await until(lambda: store.asked["claim"] > claims)
        stopping.set()
        started = loop.time()

    assert loop.time() - started < 2.6
    assert await office.states() == ["pending"] * 3


async def _die_with_all_in_hand(office: PostOffice, *, times: int) -> None:
    for _ in range(times):
        await claim(office.store, limit=100, lease=1)
        office.clock.advance(seconds=2)


async def _plan_a_suspect_and_five(office: PostOffice) -> None:
    """Five are due at once; the one that two workers died of is due a minute later."""
    await register(office.store, "suspect@example.com")
    await office.house.plan()
    await claim(office.store, limit=1, lease=1)
    office.clock.advance(seconds=2)
    await claim(office.store, limit=1, lease=60)
    await office.plan_welcomes(5)


async def _suspect_joins_the_five(office: PostOffice, provider: HeldProvider) -> None:
    await until(lambda: provider.started == 5)
    office.clock.advance(seconds=61)
    await until(lambda: _are_sending(office, 6))


async def _are_sending(office: PostOffice, count: int) -> bool:
    rows = await office.rows(schema.deliveries)
    in_hand = [row["lapses"] for row in rows if row["state"] == "sending"]
    return len(in_hand) == count and max(in_hand) == 2


async def _all_sent(office: PostOffice) -> bool:
    return set(await office.states()) == {"sent"}
