"""`NotificationSystem` as a library inside somebody's own program."""

import asyncio
import threading

import pytest

from tidings import Email, NotificationSystem, Workflow
from tidings.core.errors import ConfigurationError, InvalidInput, NotFound, Unavailable
from tidings.settings import Settings

MEMORY = "sqlite://"


async def test_an_event_is_sent_and_explained() -> None:
    async with NotificationSystem(database_url=MEMORY) as tidings:
        event_id = await tidings.register("ann@example.com", name="Ann")
        explanation = await tidings.settled(event_id)

        [message] = await tidings.services.outbox.recent()

    assert [one.workflow for one in explanation.notifications] == ["welcome"]
    assert (message.address, message.recipient_name) == ("ann@example.com", "Ann")


async def test_a_text_is_sent_without_any_workflow_of_ones_own() -> None:
    async with NotificationSystem(database_url=MEMORY) as tidings:
        await tidings.settled(await tidings.send("ann@example.com", "Dinner", subject="Now"))

        [message] = await tidings.services.outbox.recent()

    assert (message.content.subject, message.content.text.strip()) == ("Now", "Dinner")


async def test_wrong_input_is_refused_with_an_error_of_ours() -> None:
    async with NotificationSystem(database_url=MEMORY) as tidings:
        with pytest.raises(NotFound):
            await tidings.trigger("ORDER_SHIPPED", "nobody")
        with pytest.raises(InvalidInput):
            await tidings.send("nobody", "hi")
        with pytest.raises(NotFound):
            await tidings.explain("no-such-event")


async def test_a_workflow_without_its_template_stops_the_start() -> None:
    lost = Workflow(key="lost", on="X", steps=[Email("no-such-template")])

    with pytest.raises(ConfigurationError, match="no-such-template"):
        async with NotificationSystem(database_url=MEMORY, workflows=[lost]):
            pass


async def test_it_is_opened_once_and_closed_for_good() -> None:
    tidings = NotificationSystem(database_url=MEMORY)
    async with tidings:
        with pytest.raises(RuntimeError):
            await tidings.__aenter__()

    with pytest.raises(RuntimeError):
        _ = tidings.services
    with pytest.raises(RuntimeError):
        await tidings.__aenter__()


async def test_a_system_that_is_stopping_accepts_nothing() -> None:
    stopping = asyncio.Event()
    async with NotificationSystem(database_url=MEMORY, stopping=stopping) as tidings:
        stopping.set()

        with pytest.raises(Unavailable):
            await tidings.register("ann@example.com")


async def test_settings_and_single_fields_do_not_mix() -> None:
    with pytest.raises(TypeError):
        NotificationSystem(Settings(), database_url=MEMORY)


async def test_opening_and_closing_leaves_no_thread_and_no_task() -> None:
    async with NotificationSystem(database_url=MEMORY):
        pass
    threads, tasks = threading.active_count(), len(asyncio.all_tasks())

    for _ in range(5):
        async with NotificationSystem(database_url=MEMORY) as tidings:
            await tidings.register("ann@example.com")

    assert threading.active_count() <= threads
    assert len(asyncio.all_tasks()) == tasks


async def test_five_systems_open_at_once_in_one_process() -> None:
    async def greet() -> int:
        async with NotificationSystem(database_url=MEMORY) as tidings:
            await tidings.settled(await tidings.register("ann@example.com"))
            return len(await tidings.services.outbox.recent())

    assert await asyncio.gather(*(greet() for _ in range(5))) == [1] * 5
