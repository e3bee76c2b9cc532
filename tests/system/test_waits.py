"""What is still to be sent says what it waits for."""

import asyncio
import json
from dataclasses import replace
from datetime import datetime, timedelta

import orjson
import pytest

from tests.system.vendors import Vendor
from tidings.cli.asking import story
from tidings.core.clock import moment
from tidings.core.errors import TransientError
from tidings.delivery.closed import ClosedChannels
from tidings.memory_bus.shared_state import MemorySharedState
from tidings.notifications.explanation import ExplainedDelivery
from tidings.notifications.waiting import with_waits
from tidings.testing.clock import MovableClock
from tidings.testing.fake_system import FakeSystem
from tidings.web.timeline import timeline


async def waiting(system: FakeSystem, event_id: str) -> ExplainedDelivery:
    (run,) = (await system.explain(event_id)).notifications
    (delivery,) = run.deliveries
    assert delivery.state == "pending"
    return delivery


async def silenced(system: FakeSystem) -> tuple[str, str]:
    """The event whose call was answered by a wish for silence, and one that was not tried."""
    system.provider.script([TransientError("429 slow down", retry_after=3600)])
    tried = await system.register("ada@example.com")
    await system.settle()
    untried = await system.register("bob@example.com")
    await system.settle()
    return tried, untried


async def test_a_message_not_tried_yet_waits_for_the_end_of_a_silence(system: FakeSystem) -> None:
    _tried, untried = await silenced(system)

    waits = (await waiting(system, untried)).waits or ""

    assert waits.startswith("It waits: recording asked for silence until ")
    assert waits.endswith(" UTC.")


async def test_a_message_that_met_the_silence_says_what_it_met(system: FakeSystem) -> None:
    tried, _untried = await silenced(system)

    waits = str((await waiting(system, tried)).waits)

    assert waits.startswith("It waits: recording asked for silence until ")
    assert waits.endswith(" UTC. The last call failed: 429 slow down")


@pytest.mark.parametrize(("seconds", "is_told"), [(-1, False), (0, False), (1, True)])
async def test_when_it_is_due_is_told_where_its_channel_opens_before(
    system: FakeSystem, seconds: int, is_told: bool
) -> None:
    tried, _untried = await silenced(system)
    (run,) = (await system.explain(tried)).notifications
    due_at = run.deliveries[0].due_at
    assert due_at is not None

    async def shut(_channel: str) -> tuple[str, datetime]:
        return "it asked for silence", due_at - timedelta(seconds=seconds)

    (told,) = await with_waits([run], shut, system.clock.now())

    assert ("The next call is due at " in str(told.deliveries[0].waits)) is is_told


@pytest.mark.parametrize(("seconds", "is_told"), [(0.9, False), (1, True)])
async def test_what_is_due_and_lies_there_says_that_it_waits_for_its_turn(
    system: FakeSystem, seconds: float, is_told: bool
) -> None:
    tried, _untried = await silenced(system)
    (run,) = (await system.explain(tried)).notifications
    due_at = run.deliveries[0].due_at
    assert due_at is not None

    async def well(_channel: str) -> None:
        return None

    (told,) = await with_waits([run], well, due_at + timedelta(seconds=seconds))

    line = (
        f"It is due since {moment(due_at, due_at)}: it waits for its turn within the limits "
        "of its integration, or for a worker. "
    )
    failure = "The last call failed: 429 slow down"
    assert told.deliveries[0].waits == (f"{line}{failure}" if is_told else failure)


async def test_what_is_called_again_says_what_the_last_call_met(system: FakeSystem) -> None:
    tried, _untried = await silenced(system)
    (run,) = (await system.explain(tried)).notifications
    sending = replace(run.deliveries[0], state="sending")

    async def shut(_channel: str) -> None:
        return None

    (told,) = await with_waits([replace(run, deliveries=(sending,))], shut, system.clock.now())

    assert told.deliveries[0].waits == (
        "A worker has it in hand for another call. The last call failed: 429 slow down"
    )


async def test_a_message_waits_for_an_open_breaker(system: FakeSystem) -> None:
    system.provider.script([TransientError("503")] * 5)
    for number in range(5):
        await system.register(f"user{number}@example.com")
    await system.settle()
    untried = await system.register("bob@example.com")
    await system.settle()

    waits = (await waiting(system, untried)).waits or ""

    assert waits.startswith("It waits: recording is not called until ")
    assert waits.endswith(" UTC: 5 of its last 5 calls failed.")


async def test_a_message_whose_channel_is_well_waits_for_its_back_off_alone(
    system: FakeSystem,
) -> None:
    system.provider.script([TransientError("503 busy")])
    tried = await system.register("ada@example.com")
    await system.settle()

    waits = (await waiting(system, tried)).waits or ""

    assert waits.startswith("The next call is due at ")
    assert waits.endswith(" UTC. The last call failed: 503 busy")


async def test_a_message_that_was_sent_waits_for_nothing(system: FakeSystem) -> None:
    event_id = await system.register("ada@example.com")
    await system.settle()

    (run,) = (await system.explain(event_id)).notifications

    assert run.deliveries[0].waits is None


async def test_the_timeline_the_command_and_the_page_say_it(system: FakeSystem) -> None:
    _tried, untried = await silenced(system)
    explained = await system.explain(untried)
    run = explained.notifications[0].id

    told = (await system.services.notifications.timeline(run)).timeline[-1]

    assert (told.kind, told.result) == ("wait", "pending")
    assert "asked for silence" in str(told.reason)
    assert timeline(explained)[-1].why == told.reason
    assert f"email: pending: {told.reason}" in story(json.loads(orjson.dumps(explained)))


async def test_one_of_two_integrations_that_may_be_called_is_no_reason_to_wait() -> None:
    async with FakeSystem(email_provider="east=recording, west=recording") as system:
        system.providers["east"].script([TransientError("429", retry_after=3600)])
        await system.register("ada@example.com")
        await system.settle()
        one = await system.services.notifications._closed("email")
        system.providers["west"].script([TransientError("429", retry_after=3600)])
        await system.register("bob@example.com")
        await system.settle()
        both = await system.services.notifications._closed("email")

    assert one is None
    assert both is not None
    assert [part.split(" until")[0] for part in both[0].split("; ")] == [
        "east asked for silence",
        "west asked for silence",
    ]


class Stuck(MemorySharedState):
    """Answers nobody who reads."""

    async def read(self, key: str) -> tuple[float, bytes | None]:
        await asyncio.Event().wait()
        raise AssertionError(key)


async def test_a_shared_state_that_is_lost_or_slow_gives_no_reason_and_fails_nobody() -> None:
    clock = MovableClock()
    lost, stuck = MemorySharedState(clock=clock), Stuck(clock=clock)
    await lost.aclose()
    integrations = {"email": [Vendor().named("smtp")]}

    assert [await ClosedChannels(each, integrations)("email") for each in (lost, stuck)] == [
        None,
        None,
    ]
