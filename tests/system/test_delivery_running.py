"""The delivery engine at work for long: overlap, bell, drain, outages, slow and late workers."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import structlog

from tests.system.post_office import HeldProvider, PostOffice, open_post_office, running, until
from tidings.channels.recording import RecordingProvider
from tidings.core.errors import ConfigurationError, Unavailable
from tidings.core.models import Event
from tidings.core.ports import Store
from tidings.core.work import Claimed, Outcome, Settled
from tidings.store import schema


@pytest.fixture
async def office() -> AsyncIterator[PostOffice]:
    async with open_post_office() as office:
        yield office


class FailingStore:
    """The real store, unreachable for as long as a test says."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.down: set[str] = set()
        self.refused = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def claim(self, *, channel: str, limit: int, lease: float) -> Sequence[Claimed]:
        self._check("claim")
        return await self._store.claim(channel=channel, limit=limit, lease=lease)

    async def settle(self, outcomes: Sequence[Outcome]) -> Sequence[Settled]:
        self._check("settle")
        return await self._store.settle(outcomes)

    def _check(self, verb: str) -> None:
        if verb in self.down:
            self.refused += 1
            raise Unavailable("the database is down")


async def test_sends_overlap_up_to_the_slots_and_all_arrive(office: PostOffice) -> None:
    addresses = await office.plan_welcomes(25)
    provider = HeldProvider()

    async with running(office.service(provider=provider, slots=10)):
        await until(lambda: provider.started == 10)
        provider.release.set()
        await until(lambda: len(provider.messages) == 25)

    assert provider.most_at_once == 10
    assert {message.address for message in provider.messages} == set(addresses)
    assert await office.states() == ["sent"] * 25


async def test_the_bell_saves_the_wait_for_the_next_poll(office: PostOffice) -> None:
    service = office.service(poll_seconds=60)

    async with running(service):
        await asyncio.sleep(0.1)  # it has looked, found nothing, and waits
        await office.plan_welcomes()
        service.ring()
        await until(lambda: len(office.provider.messages) == 1)


async def test_without_a_bell_the_poll_finds_it(office: PostOffice) -> None:
    async with running(office.service(poll_seconds=0.05)):
        await office.plan_welcomes()
        await until(lambda: len(office.provider.messages) == 1)


async def test_on_stopping_what_is_in_hand_is_finished_and_nothing_new_is_claimed(
    office: PostOffice,
) -> None:
    await office.plan_welcomes(5)
    provider = HeldProvider()

    async with running(office.service(provider=provider, slots=3)) as stopping:
        await until(lambda: provider.started == 3)
        stopping.set()
        await asyncio.sleep(0.05)
        provider.release.set()

    assert await office.states() == ["pending", "pending", "sent", "sent", "sent"]


async def test_a_call_that_does_not_end_in_time_is_settled_as_unknown(office: PostOffice) -> None:
    await office.plan_welcomes()
    provider = HeldProvider()
    loop = asyncio.get_running_loop()

    async with running(office.service(provider=provider, drain_seconds=0.5)) as stopping:
        await until(lambda: provider.started == 1)
        stopping.set()
        started = loop.time()

    assert loop.time() - started < 2
    row = await office.delivery()
    (attempt,) = await office.rows(schema.attempts)
    assert (row["state"], attempt["outcome"]) == ("pending", "unknown")
    assert "stopped before the provider answered" in row["reason"]


async def test_what_was_not_called_yet_is_given_back_without_an_attempt(
    office: PostOffice,
) -> None:
    class SlowTemplates:
        async def render(self, version: str, context: object) -> Any:
            await asyncio.sleep(60)

    await office.plan_welcomes()
    service = office.service(drain_seconds=0.3)
    service._couriers["email"]._templates = SlowTemplates()

    async with running(service):
        await until(lambda: _in_state(office, "sending"))

    row = await office.delivery()
    assert (row["state"], row["tries"]) == ("pending", 0)
    assert await office.rows(schema.attempts) == []
    assert await office.service().work() == 1


async def test_an_outcome_outlives_an_outage_and_nothing_is_sent_twice(office: PostOffice) -> None:
    await office.plan_welcomes(20)
    store = FailingStore(office.store)
    store.down = {"settle"}

    with structlog.testing.capture_logs() as lines:
        async with running(office.service(store=store, poll_seconds=0.05)):
            await until(lambda: store.refused >= 4)
            store.down = set()
            await until(lambda: _all_sent(office))

    assert len(office.provider.messages) == 20
    complaints = [line for line in lines if "outcomes can't be written" in line["event"]]
    assert 1 <= len(complaints) <= 2


async def test_claiming_goes_on_when_the_database_is_back(office: PostOffice) -> None:
    store = FailingStore(office.store)
    store.down = {"claim"}

    async with running(office.service(store=store, poll_seconds=0.05)):
        await office.plan_welcomes()
        await until(lambda: store.refused >= 3)
        store.down = set()
        await until(lambda: _all_sent(office))


async def test_a_slow_send_is_held_by_its_heartbeat(office: PostOffice) -> None:
    await office.plan_welcomes()
    slow, other = HeldProvider(), RecordingProvider()

    async with running(office.service(provider=slow, lease_seconds=0.4, beat_seconds=0.1)):
        await until(lambda: slow.started == 1)
        async with running(office.service(provider=other, poll_seconds=0.02)):
            await asyncio.sleep(1.2)  # three leases long
        slow.release.set()
        await until(lambda: _all_sent(office))

    assert other.messages == []
    assert len(slow.messages) == 1


async def test_a_late_outcome_is_kept_as_an_attempt_and_overwrites_nothing(
    office: PostOffice,
) -> None:
    await office.plan_welcomes()
    slow, other = HeldProvider(), RecordingProvider()

    with structlog.testing.capture_logs() as lines:
        async with running(office.service(provider=slow, lease_seconds=5, beat_seconds=60)):
            await until(lambda: slow.started == 1)
            office.clock.advance(seconds=6)
            await office.service(provider=other).work()
            slow.release.set()

    row = await office.delivery()
    attempts = {each["epoch"]: each for each in await office.rows(schema.attempts)}
    assert (row["state"], row["epoch"], row["provider_id"]) == ("sent", 2, "recorded-1")
    assert (attempts[1]["fenced"], attempts[2]["fenced"]) == (True, False)
    assert any("a later claim had overtaken it" in line["event"] for line in lines)


async def test_a_bus_that_is_down_stops_no_mail(office: PostOffice) -> None:
    class DeadBus:
        async def publish(self, bus_channel: str, *events: Event) -> None:
            raise Unavailable("Redis is down")

    await office.plan_welcomes()

    with structlog.testing.capture_logs() as lines:
        await office.service(bus=DeadBus()).work()

    assert await office.states() == ["sent"]
    assert any(line["event"] == "outcomes could not be published" for line in lines)


async def test_a_channel_without_a_provider_is_refused_by_name(office: PostOffice) -> None:
    with pytest.raises(ConfigurationError, match="'sms'"):
        await office.service().run(asyncio.Event(), channels=["sms"])


async def _all_sent(office: PostOffice) -> bool:
    return set(await office.states()) == {"sent"}


async def _in_state(office: PostOffice, state: str) -> bool:
    return await office.states() == [state]
