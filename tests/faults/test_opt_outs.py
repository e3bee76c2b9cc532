"""Opting out, calling off and suppressing against sending: once confirmed, they have won.

What may still arrive is what a worker had taken in hand before, and by then was about to call.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa

from tests.faults.extent import FULL
from tests.system.house import open_house
from tests.system.post_office import PATIENCE, PostOffice, running, until
from tidings.core.ids import Ids
from tidings.core.integrations import Integration, Limits
from tidings.core.models import REGISTERED_USER, USER_CHANNEL, Event, Lane, Message, Receipt
from tidings.core.ports import Store
from tidings.core.work import Acceptance, Registration
from tidings.notifications.cancel_rows import Cancelled
from tidings.store import schema
from tidings.store.postgres import PostgresStore
from tidings.store.sqlite import SqliteStore
from tidings.testing.clock import MovableClock
from tidings.users.people import Preference
from tidings.users.suppressions import SuppressionService

COUNT = 10_000 if FULL else 300
SEED = 42
#: seconds between a worker's last look and its call, as the guarantee has it
LOOK = 0.05
#: seconds more for what the guarantee excepts, a database that answers late, and for our clock:
#: "confirmed" is noted by the loop that carries the workers too, once it comes to that
SLACK = 0.2
UNDER_WAY = LOOK + SLACK
SECONDS = 1800
_ids = Ids()


class Slow:
    """Notes when each call begins, and takes a while."""

    concurrency = 10

    def __init__(self, chance: random.Random) -> None:
        self.calls: dict[str, list[float]] = {}
        self._chance = chance
        self._called = asyncio.Event()

    async def send(self, message: Message) -> Receipt:
        self.calls.setdefault(message.address, []).append(_now())
        self._called.set()
        await asyncio.sleep(self._chance.uniform(0, 0.02))
        return Receipt()

    async def next_call(self, seconds: float) -> None:
        """Until another call begins, but no longer than that."""
        self._called.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._called.wait(), seconds)

    async def aclose(self) -> None:
        pass


@dataclass(slots=True, kw_only=True)
class Wish:
    """One person who wants to hear nothing, and when that was confirmed."""

    number: int
    confirmed: float = 0.0
    cancelled: Cancelled | None = None

    @property
    def address(self) -> str:
        return f"user{self.number}@example.com"

    @property
    def user_id(self) -> str:
        return f"u-{self.number}"

    @property
    def cancel_key(self) -> str:
        return f"order-{self.number}"


@dataclass(slots=True, kw_only=True)
class Race:
    office: PostOffice
    chance: random.Random
    wishes: list[Wish] = field(default_factory=list)

    async def opt_out(self, wish: Wish) -> None:
        off = Preference(workflow="welcome", channel="email", enabled=False)
        await self.office.house.users.set_preferences(wish.user_id, [off])

    async def suppress(self, wish: Wish) -> None:
        service = SuppressionService(self.office.store, clock=self.office.clock, channels=["email"])
        await service.put("email", wish.address)

    async def call_off(self, wish: Wish) -> None:
        wish.cancelled = await self.office.house.notifications.cancel(cancel_key=wish.cancel_key)

    async def confirm_all(self, wishes: Sequence[Wish], provider: Slow) -> None:
        """Three after each call or so: one opts out, one is suppressed, one is called off."""
        shuffled = self.chance.sample(wishes, len(wishes))
        for start in range(0, len(shuffled), 3):
            await provider.next_call(0.05 if start else PATIENCE)
            await asyncio.gather(*map(self.confirm, shuffled[start : start + 3]))

    async def confirm(self, wish: Wish) -> None:
        """This person opts out, is suppressed or called off."""
        ways: list[Callable[[Wish], Awaitable[None]]] = [self.opt_out, self.suppress, self.call_off]
        await ways[wish.number % 3](wish)
        wish.confirmed = _now()
        self.wishes.append(wish)

    async def plan(self) -> None:
        """As the notification worker does, until nothing is left."""
        while await self.office.house.notifications.plan_due():
            await asyncio.sleep(0)


@asynccontextmanager
async def opened(store: Store) -> AsyncIterator[PostOffice]:
    clock = MovableClock()
    async with open_house(store, clock=clock) as house:
        yield PostOffice(store=store, house=house, clock=clock)


pytestmark = [pytest.mark.fault("F42"), pytest.mark.timeout(2 * SECONDS)]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def office(request: pytest.FixtureRequest) -> AsyncIterator[PostOffice]:
    store: Any
    if request.param == "sqlite":
        store = await SqliteStore.open(None, clock=MovableClock())
    else:
        url = request.getfixturevalue("migrated_postgres_url")
        store = await PostgresStore.open(url, clock=MovableClock())
    async with opened(store) as office:
        yield office
    await store.aclose()


async def test_after_it_was_confirmed_only_calls_under_way_arrive(
    office: PostOffice, tell: list[str]
) -> None:
    race = Race(office=office, chance=random.Random(SEED))
    wishes = [Wish(number=number) for number in range(COUNT)]
    await accept(office.store, wishes)
    provider = Slow(race.chance)

    service = office.service(provider=provider, poll_seconds=0.02)
    async with asyncio.timeout(SECONDS), running(service):
        await asyncio.gather(race.plan(), race.confirm_all(wishes, provider))
        await until(lambda: _is_done(office))

    late = [wish for wish in race.wishes if _last(provider, wish) > wish.confirmed]
    wrong = [wish for wish in late if _last(provider, wish) > wish.confirmed + UNDER_WAY]
    stopped = [wish for wish in race.wishes if wish.address not in provider.calls]
    tell.append(
        f"F42, seed {SEED}, {COUNT} against sending: {len(stopped)} stopped, {len(late)} called "
        f"within {UNDER_WAY:g} s of the answer, {len(wrong)} later"
    )
    assert wrong == []
    assert {wish.number % 3 for wish in stopped} == {0, 1, 2}, "each of the three stopped some"
    assert 0 < len(provider.calls) < COUNT
    assert [one for one in race.wishes if not _is_as_told(provider, one)] == []
    assert sum(map(len, provider.calls.values())) == len(provider.calls)


async def test_of_two_hundred_behind_a_limit_of_one_a_second_none_is_called_after_an_opt_out(
    office: PostOffice, tell: list[str]
) -> None:
    provider = Slow(random.Random(SEED))
    limited = Integration(name="test", provider=provider, limits=Limits(rate=1.0))
    wish = Wish(number=0)
    await accept(office.store, [wish])
    await office.house.plan()
    await copy_delivery(office, 200)
    race = Race(office=office, chance=random.Random(SEED))

    async with running(office.service(integrations=[limited])):
        await until(lambda: len(provider.calls.get(wish.address, ())) >= 2)
        await race.opt_out(wish)
        confirmed = _now()
        await until(lambda: _is_refused(office))
    async with running(office.service(provider=provider)):
        await until(lambda: _is_done(office))

    calls, states = provider.calls[wish.address], await office.states()
    late = [at for at in calls if at > confirmed]
    tell.append(
        f"F42, 200 of one person behind one a second: {len(calls)} called, {len(late)} of "
        f"them after the opt-out, {states.count('suppressed')} stopped"
    )
    assert len(late) <= 1, "the one that was in hand"
    assert all(at <= confirmed + UNDER_WAY for at in late)
    assert len(calls) < 20
    assert states.count("sent") == len(calls)
    assert set(states) == {"sent", "suppressed"}


async def accept(store: Store, wishes: list[Wish]) -> None:
    """A registration for each of them."""
    for start in range(0, len(wishes), 500):
        await store.accept([_acceptance(store, wish) for wish in wishes[start : start + 500]])


def _acceptance(store: Store, wish: Wish) -> Acceptance:
    event = Event(
        id=_ids.new(),
        type=REGISTERED_USER,
        source=store.installation.source,
        time=MovableClock().now(),
        user_id=wish.user_id,
    )
    return Acceptance(
        event=event,
        bus_channel=USER_CHANNEL,
        lane=Lane.NORMAL,
        registration=Registration(user_id=wish.user_id, channel="email", address=wish.address),
        cancel_key=wish.cancel_key,
    )


async def copy_delivery(office: PostOffice, count: int) -> None:
    """So many deliveries of one notification, where there is one."""
    row = dict(await office.delivery())
    rows = [row | {"id": _ids.new()} for _ in range(count - 1)]
    statement = schema.deliveries.insert()
    await office.store.run(lambda to: to.execute(statement, rows).close())


async def _is_refused(office: PostOffice) -> bool:
    return (await office.states()).count("suppressed") >= 2


async def _is_done(office: PostOffice) -> bool:
    left = sa.select(sa.func.count()).where(schema.deliveries.c.state.in_(["pending", "sending"]))
    return await office.store.run(lambda to: to.scalar(left)) == 0


def _last(provider: Slow, wish: Wish) -> float:
    """When the last call to them began; long ago if there was none."""
    return max(provider.calls.get(wish.address, [0.0]))


def _is_as_told(provider: Slow, wish: Wish) -> bool:
    """Whoever was told that it was called off, and not under way, is not called at all."""
    if wish.cancelled is None or wish.cancelled.under_way:
        return True
    was_called_off = wish.cancelled.events + wish.cancelled.deliveries
    return not (was_called_off and wish.address in provider.calls)


def _now() -> float:
    return asyncio.get_running_loop().time()
