"""Those outside: clients that repeat until they are answered, users that change their minds."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from tests.simulation.entries import Request
from tests.simulation.installation import Installation
from tests.simulation.loop import Process
from tests.simulation.store import USERS, address_of
from tests.simulation.weather import TROUBLE_SECONDS
from tests.simulation.workflows import KINDS, PLAIN
from tests.simulation.world import World
from tidings.core.errors import InProgress, NotFound, Unavailable
from tidings.core.models import DIRECT_MESSAGE, REGISTERED_USER, USER_CHANNEL, Event
from tidings.notifications.intake import AcceptedEvent
from tidings.store.schema import addresses, preferences, users
from tidings.system import System
from tidings.users.people import Preference

Result = TypeVar("Result")

#: seconds a client waits for an answer, and how often it asks at most
_PATIENCE = 1.5
_TRIES = 30
#: the share of requests that come with a key, and of those that are called off
_KEYED, _CALLED_OFF = 0.7, 0.12
_FOREIGN = "https://shop.example.com"


class Clients:
    """Asks for some things, and changes its mind about others, as the seed has it."""

    def __init__(self, world: World, installation: Installation) -> None:
        self._world = world
        self._installation = installation
        self._process = Process("clients")
        self._stories: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Everybody begins at a time of their own."""
        random = self._world.random
        for number in range(random.randint(3, 7 + 2 * self._world.weather.rush)):
            request = self._request(number)
            self._world.ledger.requests[request.mark] = request
            self._begin(functools.partial(self._requesting, request))
        for _ in range(random.choice((0, 0, 1, 2))):
            self._begin(functools.partial(self._opting_out, random.choice(USERS)))
        if random.random() < 0.2:
            self._begin(functools.partial(self._leaving, random.choice(USERS[:-1])))
        for number in range(random.choice((0, 1, 2, 3))):
            self._begin(functools.partial(self._telling, f"heard{number}"))

    @property
    def done(self) -> bool:
        """Whether nobody wants anything more."""
        return all(story.done() for story in self._stories)

    def _begin(self, story: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def later() -> None:
            seconds = 1.0 if self._world.weather.rush else TROUBLE_SECONDS * 0.7
            await asyncio.sleep(self._world.random.random() * seconds)
            await story()

        self._stories.append(self._world.loop.start(self._process, later()))

    def _request(self, number: int) -> Request:
        random = self._world.random
        kind = random.choice(KINDS)
        mark = f"m{number}"
        user = random.choice(USERS)
        if kind == DIRECT_MESSAGE:
            user = f"direct{number}"
        if kind == REGISTERED_USER:
            mark = user = address_of(f"new{random.randint(0, 1)}")
        if mark in self._world.ledger.requests:
            return self._request(number)
        key = f"key-{number}" if random.random() < _KEYED else None
        return Request(mark=mark, type=kind, user=user, key=key)

    async def _requesting(self, request: Request) -> None:
        """Ask until there is an answer; without a key only once, for nobody could tell a repeat."""
        for _ in range(_TRIES if request.key else 1):
            request.sent = True
            try:
                accepted = await self._asked(lambda system: _place(system, request))
            except NotFound:
                request.refused = True
                return
            if accepted is None:
                continue
            self._world.note("clients", f"{request.mark} is accepted as {accepted.event_id[-6:]}")
            request.accepted = True
            request.answers.add(accepted.event_id)
            self._world.ledger.require(len(request.answers) == 1, "one key, two events", request)
            if self._world.random.random() < 0.7:
                break
            await asyncio.sleep(self._world.random.random())
        if request.accepted and self._world.random.random() < _CALLED_OFF:
            await self._calling_off(request)

    async def _calling_off(self, request: Request) -> None:
        await asyncio.sleep(self._world.random.random() * 3)
        self._world.ledger.called_off[request.mark] = None
        (event_id,) = request.answers
        await self._until_done(lambda system: system.notifications.cancel(event_id=event_id))
        self._world.note("clients", f"{request.mark} is called off")
        self._world.ledger.called_off[request.mark] = self._world.now

    async def _opting_out(self, user: str) -> None:
        self._world.ledger.touched[user] = None
        wish = [Preference(workflow="*", channel="*", enabled=False)]
        await self._until_done(lambda system: system.users.set_preferences(user, wish))
        self._world.note("clients", f"{user} is told that the opt-out holds")
        self._world.ledger.opted_out[user] = self._world.now

    async def _leaving(self, user: str) -> None:
        self._world.ledger.touched[user] = None
        await self._until_done(lambda system: _delete(system, user))
        self._world.note("clients", f"{user} is gone")
        self._world.ledger.opted_out[user] = self._world.now

    async def _telling(self, mark: str) -> None:
        """Somebody else puts an event on the bus, perhaps twice."""
        request = Request(mark=mark, type=PLAIN, user=USERS[-1])  # who never leaves
        self._world.ledger.requests[request.mark] = request
        event = Event(
            id=mark,
            type=PLAIN,
            source=_FOREIGN,
            time=self._world.clock.now(),
            user_id=request.user,
            data={"mark": request.mark},
        )
        request.sent = True
        request.accepted = not self._world.weather.bus_losses
        for _ in range(self._world.random.choice((1, 1, 2))):
            self._installation.bus.bus.put_now(USER_CHANNEL, [event])
            await asyncio.sleep(self._world.random.random())

    async def _until_done(self, work: Callable[[System], Coroutine[Any, Any, object]]) -> None:
        done = None
        while done is None:
            done = await self._asked(work)

    async def _asked(self, work: Callable[[System], Coroutine[Any, Any, Result]]) -> Result | None:
        """The answer; None where none came, after a pause."""
        role = self._world.random.choice(("api-1", "api-2"))
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._installation.ask(role, work)
        except (Unavailable, InProgress, TimeoutError):
            await asyncio.sleep(0.2 + 0.5 * self._world.random.random())
            return None


async def _place(system: System, request: Request) -> AcceptedEvent:
    intake, key = system.intake, request.key
    if request.type == REGISTERED_USER:
        return await intake.register(request.mark, idempotency_key=key)
    if request.type == DIRECT_MESSAGE:
        to = address_of(request.user)
        return await intake.send(to, request.mark, subject="direct", idempotency_key=key)
    return await intake.trigger(
        request.type, request.user, {"mark": request.mark}, idempotency_key=key
    )


async def _delete(system: System, user: str) -> bool:
    def work(connection: Any) -> bool:
        for table, column in ((addresses, "user_id"), (preferences, "user_id"), (users, "id")):
            connection.execute(table.delete().where(table.c[column] == user))
        return True

    return await system.store.run(work)
