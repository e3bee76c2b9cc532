"""What every event bus must do, as tests: inherit `BusContract` and offer its fixtures.

    class TestMyBus(BusContract):
        @pytest.fixture
        async def bus(self): ...        # made with groups=BusContract.groups
        @pytest.fixture
        async def other_bus(self): ...  # another process's bus on the same server

Where one process is all there is, `other_bus` may be `bus` itself. A member that is silent must
count as dead after `lapse` seconds, and one leaving must not be waited for longer.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from tidings.core.errors import TidingsError, Unavailable
from tidings.core.models import DEAD_LETTER, DEAD_LETTER_CHANNEL, Event
from tidings.core.ports import EventBus, Received, Subscription

CHANNEL = "CONTRACT_CHANNEL"
DECLARED_CHANNEL = "DECLARED_CHANNEL"

#: seconds after which what must happen counts as not happening
PATIENCE = 10.0


def an_event(number: int = 0, **changes: Any) -> Event:
    """An event whose id is its number, otherwise as `changes` say."""
    values: dict[str, Any] = {
        "id": f"event-{number}",
        "type": "CONTRACT_TESTED",
        "source": "https://example.com/contract",
        "time": datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC),
        "data": {"number": number},
    }
    return Event(**(values | changes))


def events(count: int) -> list[Event]:
    """So many events, numbered from 0."""
    return [an_event(number) for number in range(count)]


def ids(received: Sequence[Received]) -> list[str]:
    """The ids of the events that were received."""
    return [one.event.id for one in received]


async def hear(subscription: Subscription, count: int = 1) -> list[Received]:
    """The next `count` events or more, not settled; fails when they do not come."""
    heard: list[Received] = []
    async with asyncio.timeout(PATIENCE):
        while len(heard) < count:
            heard += await anext(aiter(subscription))
    return heard


async def handle(subscription: Subscription, count: int = 1) -> list[Received]:
    """The next `count` events or more, settled."""
    heard: list[Received] = []
    while len(heard) < count:
        batch = await hear(subscription)
        await subscription.ack(batch)
        heard += batch
    return heard


async def heard_within(subscription: Subscription, seconds: float) -> Sequence[Received]:
    """The next batch, empty when none comes for so long."""
    try:
        async with asyncio.timeout(seconds):
            return await anext(aiter(subscription))
    except TimeoutError:
        return ()


async def hears_nothing(subscription: Subscription, seconds: float) -> bool:
    """Whether nothing comes for so long."""
    return not await heard_within(subscription, seconds)


class BusContract:
    """The contract of `core.ports.EventBus`."""

    #: to be declared by the bus under test
    groups: Mapping[str, Sequence[str]] = {DECLARED_CHANNEL: ("early", "late")}
    #: seconds after which a silent member of the bus under test is dead
    lapse: float = 0.3

    async def test_every_group_hears_every_event(self, bus: EventBus) -> None:
        """Two groups, all events each."""
        async with (
            bus.subscribe(CHANNEL, group="first") as first,
            bus.subscribe(CHANNEL, group="second") as second,
        ):
            await bus.publish(CHANNEL, *events(20))

            expected = ids_of(events(20))
            assert expected == ids(await handle(first, 20))
            assert expected == ids(await handle(second, 20))

    async def test_members_of_a_group_share_its_events(
        self, bus: EventBus, other_bus: EventBus
    ) -> None:
        """Each event goes to one member, and each member gets some."""
        async with (
            bus.subscribe(CHANNEL, group="group") as one,
            other_bus.subscribe(CHANNEL, group="group") as other,
        ):
            await bus.publish(CHANNEL, an_event(1))
            heard_by_one = await hear(one)
            await bus.publish(CHANNEL, an_event(2))
            heard_by_other = await hear(other)

            assert ids(heard_by_one) == ["event-1"]
            assert ids(heard_by_other) == ["event-2"]

    async def test_many_members_handle_each_event_once(
        self, bus: EventBus, other_bus: EventBus
    ) -> None:
        """Nothing is lost and nothing repeated while all live."""
        handled: list[str] = []

        async def work(member_of: EventBus) -> None:
            async with member_of.subscribe(CHANNEL, group="group") as member:
                while len(handled) < 300:
                    batch = await heard_within(member, 0.1)
                    handled.extend(ids(batch))
                    await member.ack(batch)

        workers = [asyncio.create_task(work(which)) for which in (bus, other_bus, bus)]
        for first in range(0, 300, 10):
            await bus.publish(CHANNEL, *events(300)[first : first + 10])
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*workers)

        assert sorted(ids_of(events(300))) == sorted(handled)

    async def test_what_was_published_before_the_first_subscriber_is_heard(
        self, bus: EventBus
    ) -> None:
        """An undeclared group begins at the beginning."""
        await bus.publish(CHANNEL, *events(3))

        async with bus.subscribe(CHANNEL, group="newcomer") as subscription:
            assert ids_of(events(3)) == ids(await handle(subscription, 3))

    async def test_a_declared_group_hears_what_others_acknowledged_long_ago(
        self, bus: EventBus
    ) -> None:
        """Entries wait for every declared group, members or not."""
        await bus.publish(DECLARED_CHANNEL, *events(3))
        async with bus.subscribe(DECLARED_CHANNEL, group="early") as early:
            await handle(early, 3)
            await asyncio.sleep(self.lapse)

        async with bus.subscribe(DECLARED_CHANNEL, group="late") as late:
            assert ids_of(events(3)) == ids(await handle(late, 3))

    async def test_events_keep_their_order(self, bus: EventBus) -> None:
        """Within one publish and from one publish to the next, also in bulk."""
        async with bus.subscribe(CHANNEL, group="group") as subscription:
            await bus.publish(CHANNEL, *events(2000)[:1500])
            await bus.publish(CHANNEL, *events(2000)[1500:])

            assert ids_of(events(2000)) == ids(await handle(subscription, 2000))

    async def test_an_event_arrives_as_it_was_published(self, bus: EventBus) -> None:
        """Every field, any script, nested data."""
        event = an_event(
            id="Zażółć/1",
            user_id="ユーザー 7",
            data={"nested": {"list": [1, 2.5, None, True, "”\n🙂"]}, "empty": {}},
        )
        bare = an_event(2, user_id=None, data={})
        async with bus.subscribe(CHANNEL, group="group") as subscription:
            await bus.publish(CHANNEL, event, bare)

            assert [event, bare] == [one.event for one in await handle(subscription, 2)]

    async def test_one_subscription_may_hear_several_channels(self, bus: EventBus) -> None:
        """Each event says which channel it came by."""
        async with bus.subscribe(CHANNEL, "SECOND_CHANNEL", group="group") as subscription:
            await bus.publish(CHANNEL, an_event(1))
            await bus.publish("SECOND_CHANNEL", an_event(2))

            heard = await handle(subscription, 2)

        expected = {("event-1", CHANNEL), ("event-2", "SECOND_CHANNEL")}
        assert expected == {(one.event.id, one.bus_channel) for one in heard}

    async def test_acknowledged_events_are_heard_no_more(self, bus: EventBus) -> None:
        """Neither by the next member nor after the lapse."""
        await bus.publish(CHANNEL, *events(3))
        async with bus.subscribe(CHANNEL, group="group") as subscription:
            await handle(subscription, 3)

        async with bus.subscribe(CHANNEL, group="group") as subscription:
            assert await hears_nothing(subscription, self.lapse * 3)

    async def test_unsettled_work_of_a_member_that_left_is_taken_over(
        self, bus: EventBus, other_bus: EventBus
    ) -> None:
        """It is handed out once more, and says that it was."""
        await bus.publish(CHANNEL, *events(3))
        async with other_bus.subscribe(CHANNEL, group="group") as leaving:
            heard = await hear(leaving, 3)
            await leaving.ack(heard[:1])

        async with bus.subscribe(CHANNEL, group="group") as staying:
            taken_over = await handle(staying, 2)

        assert ids(taken_over) == ["event-1", "event-2"]
        assert [one.delivery_count for one in taken_over] == [2, 2]

    async def test_a_member_that_dies_gives_its_events_to_the_others(
        self, bus: EventBus, other_bus: EventBus
    ) -> None:
        """An error in mid-work is a death; a member that waits already takes over."""
        async with bus.subscribe(CHANNEL, group="group") as living:
            with pytest.raises(ZeroDivisionError):
                await self._die_at_work(bus, other_bus)

            assert ids(await handle(living)) == ["event-1"]

    async def test_a_slow_but_living_member_keeps_its_work(
        self, bus: EventBus, other_bus: EventBus
    ) -> None:
        """Work may take many times the lapse."""
        async with bus.subscribe(CHANNEL, group="group") as slow:
            await bus.publish(CHANNEL, *events(3))
            heard = await hear(slow, 3)

            async with other_bus.subscribe(CHANNEL, group="group") as idle:
                assert await hears_nothing(idle, self.lapse * 5)

                await slow.ack(heard)
                assert await hears_nothing(idle, self.lapse * 2)

    async def test_a_buried_event_goes_to_the_dead_letters_with_its_reason(
        self, bus: EventBus
    ) -> None:
        """The letter says what, where, and why."""
        async with bus.subscribe(CHANNEL, group="group") as subscription:
            await bus.publish(CHANNEL, an_event(7, user_id="u7"))
            [received] = await hear(subscription)
            await subscription.bury(received, "no such user\x00")

            letter = await self._letter(bus)
            assert await hears_nothing(subscription, self.lapse * 3)

        assert letter.type == DEAD_LETTER
        assert letter.data["bus_channel"] == CHANNEL
        assert received.entry_id == letter.data["entry_id"]
        assert letter.data["reason"] == "no such user�"
        assert letter.data["entry"]["id"] == "event-7"
        assert letter.data["entry"]["data"] == {"number": 7}

    async def test_burying_in_one_group_takes_nothing_from_another(self, bus: EventBus) -> None:
        """The other group hears the event as if nothing had been."""
        async with (
            bus.subscribe(CHANNEL, group="first") as first,
            bus.subscribe(CHANNEL, group="second") as second,
        ):
            await bus.publish(CHANNEL, an_event(1))
            [received] = await hear(first)
            await first.bury(received, "not for us")

            assert ids(await handle(second)) == ["event-1"]

    async def test_poison_that_kills_every_member_goes_to_the_dead_letters(
        self, bus: EventBus, other_bus: EventBus
    ) -> None:
        """After so many deaths nobody is given it again."""
        await bus.publish(CHANNEL, an_event(1))
        handed_out = 0
        async with bus.subscribe(DEAD_LETTER_CHANNEL, group="undertaker") as undertaker:
            letter = asyncio.create_task(handle(undertaker))
            while not letter.done():
                async with other_bus.subscribe(CHANNEL, group="group") as victim:
                    handed_out += not await hears_nothing(victim, self.lapse)
            [received] = await letter

        assert handed_out >= 2
        assert received.event.data["entry"]["id"] == "event-1"
        assert f"{handed_out} times" in received.event.data["reason"]

    async def test_a_dead_letter_that_is_buried_bears_no_other(self, bus: EventBus) -> None:
        """Or two programs could bury each other's letters for ever."""
        async with bus.subscribe(DEAD_LETTER_CHANNEL, group="undertaker") as undertaker:
            await bus.publish(DEAD_LETTER_CHANNEL, an_event(1))
            [received] = await hear(undertaker)
            await undertaker.bury(received, "unreadable")

            assert await hears_nothing(undertaker, self.lapse * 3)

    async def test_watch_reaches_every_process(self, bus: EventBus, other_bus: EventBus) -> None:
        """From now on, whoever watches hears, groups or not."""
        await bus.publish(CHANNEL, an_event(0))
        async with (
            bus.watch(CHANNEL) as one,
            other_bus.watch(CHANNEL) as other,
            bus.subscribe(CHANNEL, group="group") as subscription,
        ):
            await bus.publish(CHANNEL, an_event(1))
            await other_bus.publish(CHANNEL, an_event(2))

            assert await watched(one, 2) == ["event-1", "event-2"]
            assert await watched(other, 2) == ["event-1", "event-2"]
            assert ids_of(events(3)) == ids(await handle(subscription, 3))

    async def test_publishing_nothing_is_nothing(self, bus: EventBus) -> None:
        """No entry, no error."""
        await bus.publish(CHANNEL)

        async with bus.subscribe(CHANNEL, group="group") as subscription:
            assert await hears_nothing(subscription, self.lapse)

    async def test_a_subscription_to_nothing_is_refused(self, bus: EventBus) -> None:
        """It would wait for ever."""
        with pytest.raises(TidingsError, match="name one"):
            async with bus.subscribe(group="group"):
                pass

    async def test_a_closed_bus_refuses_and_ends_what_is_open(self, bus: EventBus) -> None:
        """Nobody is left waiting."""
        async with bus.subscribe(CHANNEL, group="group") as open_one, bus.watch(CHANNEL) as watch:
            iterating = asyncio.gather(drained(aiter(open_one)), drained(watch))
            await asyncio.sleep(0)
            await bus.aclose()

            async with asyncio.timeout(PATIENCE):
                await iterating
            with pytest.raises(Unavailable):
                await bus.publish(CHANNEL, an_event(1))

    async def _die_at_work(self, bus: EventBus, other_bus: EventBus) -> None:
        async with other_bus.subscribe(CHANNEL, group="group") as dying:
            await bus.publish(CHANNEL, an_event(1))
            await hear(dying)
            raise ZeroDivisionError

    async def _letter(self, bus: EventBus) -> Event:
        async with bus.subscribe(DEAD_LETTER_CHANNEL, group="undertaker") as undertaker:
            [received] = await handle(undertaker)
            return received.event


def ids_of(some: Sequence[Event]) -> list[str]:
    """The ids of events."""
    return [event.id for event in some]


async def watched(watch: AsyncIterator[Event], count: int) -> list[str]:
    """The ids of the next `count` events of a watch."""
    async with asyncio.timeout(PATIENCE):
        return [(await anext(watch)).id for _ in range(count)]


async def drained(iterator: AsyncIterator[object]) -> None:
    """Iterate to the end."""
    async for _ in iterator:
        pass
