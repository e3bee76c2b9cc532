"""The channel worker: the bell wakes it, and it starts and ends like any process of ours."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.system.post_office import register, until
from tidings.channel_worker import ChannelWorker
from tidings.channels.recording import RecordingProvider
from tidings.core.errors import ConfigurationError
from tidings.core.models import BELL_CHANNEL, DELIVERIES_PLANNED, Event
from tidings.settings import Settings
from tidings.system import System
from tidings.wiring import open_system


@pytest.fixture
async def system() -> AsyncIterator[System]:
    settings = Settings(database_url="sqlite://", email_provider="recording", poll_seconds=60)
    async with open_system(settings, publish=True) as system:
        yield system


def sent(system: System) -> int:
    (integration,) = system.providers["email"]
    assert isinstance(integration.provider, RecordingProvider)
    return len(integration.provider.messages)


async def test_the_bell_wakes_it_and_stopping_ends_it(system: System) -> None:
    stopping = asyncio.Event()
    running = asyncio.create_task(ChannelWorker(system).run(stopping))
    bell = Event(id="b1", type=DELIVERIES_PLANNED, source="tidings:test", time=system.clock.now())
    await asyncio.sleep(0.1)  # it has looked, found nothing, and waits

    await register(system.store, "ada@example.com")
    await system.notifications.plan_due()
    await system.bus.publish(BELL_CHANNEL, bell)

    await until(lambda: sent(system) == 1)
    stopping.set()
    await asyncio.wait_for(running, 5)


async def test_one_pass_sends_what_is_due(system: System) -> None:
    await register(system.store, "ada@example.com")
    await system.notifications.plan_due()
    worker = ChannelWorker(system, channels=["email"])

    assert (await worker.work(), await worker.work()) == (1, 0)
    assert sent(system) == 1


async def test_a_channel_without_a_provider_stops_the_start(system: System) -> None:
    with pytest.raises(ConfigurationError, match="'sms'"):
        await ChannelWorker(system, channels=["sms"]).run(asyncio.Event())
