"""The delivery engine at work for long: overlap, bell, drain, a bus that is down."""

import asyncio
from typing import Any

import pytest
import structlog

from tests.system.post_office import HeldProvider, PostOffice, running, until
from tests.system.troubled_store import TroubledStore
from tidings.core.errors import ConfigurationError, TransientError, Unavailable
from tidings.core.models import Event
from tidings.store import schema


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


async def test_no_more_is_claimed_than_the_provider_carries_at_once(office: PostOffice) -> None:
    await office.plan_welcomes(10)
    provider = HeldProvider(concurrency=4)

    async with running(office.service(provider=provider, slots=100, poll_seconds=0.02)):
        await until(lambda: provider.started == 3)  # one is left to the critical lane
        await asyncio.sleep(0.1)
        assert await office.states() == ["pending"] * 7 + ["sending"] * 3
        provider.release.set()
        await until(lambda: len(provider.messages) == 10)

    assert provider.most_at_once == 3


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
    service = office.service(templates=SlowTemplates(), drain_seconds=0.3)

    async with running(service):
        await until(lambda: _in_state(office, "sending"))

    row = await office.delivery()
    assert (row["state"], row["tries"]) == ("pending", 0)
    assert await office.rows(schema.attempts) == []
    assert await office.service().work() == 1


async def test_a_silence_that_can_not_be_written_holds_up_the_end_for_a_second(
    office: PostOffice,
) -> None:
    await office.plan_welcomes()
    office.provider.script([TransientError("429 slow down", retry_after=60)])
    store = TroubledStore(office.store)
    store.hanging = frozenset({"now"})
    loop = asyncio.get_running_loop()

    async with running(office.service(store=store)) as stopping:
        await until(lambda: store.answered["settle"] == 1)
        stopping.set()
        started = loop.time()

    assert loop.time() - started < 1.8


async def test_a_bus_that_is_down_stops_no_mail(office: PostOffice) -> None:
    class DeadBus:
        async def publish(self, bus_channel: str, *events: Event) -> None:
            raise Unavailable("Redis is down")

    await office.plan_welcomes(30)

    with structlog.testing.capture_logs() as lines:
        async with running(office.service(bus=DeadBus(), slots=1)):
            await until(lambda: _all_sent(office))

    complaints = [line for line in lines if line["event"] == "outcomes could not be published"]
    assert 1 <= len(complaints) <= 5


async def test_a_channel_without_a_provider_is_refused_by_name(office: PostOffice) -> None:
    with pytest.raises(ConfigurationError, match="'sms'"):
        await office.service().run(asyncio.Event(), channels=["sms"])


async def _all_sent(office: PostOffice) -> bool:
    return set(await office.states()) == {"sent"}


async def _in_state(office: PostOffice, state: str) -> bool:
    return await office.states() == [state]
