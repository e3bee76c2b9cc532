"""The delivery engine on a store with the welcome workflow, and providers that can be held up."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from tests.system.house import House, open_house
from tidings.channels.recording import RecordingProvider
from tidings.core.clock import Clock
from tidings.core.ids import Ids
from tidings.core.integrations import Integration
from tidings.core.models import (
    REGISTERED_USER,
    USER_CHANNEL,
    Event,
    Message,
    Receipt,
)
from tidings.core.ports import Provider, SharedState, Store
from tidings.core.work import Acceptance, Registration
from tidings.delivery.courier import Templates
from tidings.delivery.pace import Pace
from tidings.delivery.retry import exponential
from tidings.delivery.service import DeliveryService
from tidings.memory_bus.shared_state import MemorySharedState
from tidings.store import schema
from tidings.store.sqlite import SqliteStore
from tidings.testing.clock import MovableClock

PATIENCE = 10.0
_ids = Ids()


class HeldProvider:
    """Counts calls and answers none before `release`."""

    def __init__(self, *, concurrency: int = 1000) -> None:
        self.concurrency = concurrency
        self.started = 0
        self.most_at_once = 0
        #: how many calls there were at once when that to an address began
        self.at_once: dict[str, int] = {}
        self.messages: list[Message] = []
        self.release = asyncio.Event()
        self._at_once = 0

    async def send(self, message: Message) -> Receipt:
        self.started += 1
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        self.at_once[message.address] = self._at_once
        try:
            await self.release.wait()
        finally:
            self._at_once -= 1
        self.messages.append(message)
        return Receipt()

    async def aclose(self) -> None:
        self.release.set()


@dataclass(kw_only=True)
class PostOffice:
    store: Store
    house: House
    clock: MovableClock
    provider: RecordingProvider = field(default_factory=RecordingProvider)

    def service(
        self,
        *,
        provider: Provider | None = None,
        integrations: Sequence[Integration] = (),
        store: Store | None = None,
        shared: SharedState | None = None,
        bus: Any = None,
        templates: Templates | None = None,
        clock: Clock | None = None,
        **pace: Any,
    ) -> DeliveryService:
        """A delivery service of one more worker, by one provider or by several integrations."""
        alone = Integration(name="test", provider=provider or self.provider)
        return DeliveryService(
            store=store or self.store,
            bus=bus or self.house.bus,
            shared=shared or MemorySharedState(clock=self.clock),
            templates=templates or self.house.templates,
            integrations={"email": integrations or [alone]},
            retry=exponential(chance=lambda: 0.0),
            metrics=self.house.metrics,
            clock=clock or self.clock,
            reject_address=self.house.users.reject_address,
            pace=Pace(**pace),
        )

    async def plan_welcomes(self, count: int = 1) -> list[str]:
        """Register so many users and plan their welcome mails; their addresses."""
        addresses = [f"user{number}@example.com" for number in range(count)]
        for address in addresses:
            await register(self.store, address)
        await self.house.plan()
        return addresses

    async def rows(self, table: sa.Table) -> Sequence[sa.RowMapping]:
        def work(connection: sa.Connection) -> Sequence[sa.RowMapping]:
            return connection.execute(sa.select(table)).mappings().all()

        return await self.store.run(work)

    async def delivery(self) -> sa.RowMapping:
        """The only one there is."""
        (row,) = await self.rows(schema.deliveries)
        return row

    async def states(self) -> list[str]:
        return sorted(row["state"] for row in await self.rows(schema.deliveries))

    async def change(self, **values: Any) -> None:
        """Change every delivery."""
        statement = sa.update(schema.deliveries).values(**values)
        await self.store.run(lambda connection: connection.execute(statement).close())


async def register(store: Store, address: str) -> None:
    """A user of that address, and the event that says so."""
    await store.accept([_acceptance(store, address)])


def _acceptance(store: Store, address: str) -> Acceptance:
    user_id = "u-" + address.partition("@")[0]
    event = Event(
        id=_ids.new(),
        type=REGISTERED_USER,
        source=store.installation.source,
        time=MovableClock().now(),
        user_id=user_id,
    )
    registration = Registration(user_id=user_id, channel="email", address=address, name="Ada")
    return Acceptance(event=event, bus_channel=USER_CHANNEL, registration=registration)


@asynccontextmanager
async def open_post_office() -> AsyncIterator[PostOffice]:
    clock = MovableClock()
    store = await SqliteStore.open(None, clock=clock)
    async with open_house(store, clock=clock) as house:
        yield PostOffice(store=store, house=house, clock=clock)
    await store.aclose()


@asynccontextmanager
async def running(service: DeliveryService) -> AsyncIterator[asyncio.Event]:
    """The service at work; leaving stops it and waits until it has drained."""
    stopping = asyncio.Event()
    task = asyncio.create_task(service.run(stopping))
    try:
        yield stopping
    finally:
        stopping.set()
        await task


async def until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(PATIENCE):
        while True:
            holds = condition()
            if holds if isinstance(holds, bool) else await holds:
                return
            await asyncio.sleep(0.005)


async def plan_more(office: PostOffice, count: int) -> None:
    """So many more users with a welcome mail each."""
    known = len(await office.rows(schema.users))
    for number in range(known, known + count):
        await register(office.store, f"user{number}@example.com")
    await office.house.plan()
