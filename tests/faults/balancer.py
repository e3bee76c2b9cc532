"""Load of a steady pace through a balancer that asks each API whether it is ready."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp

#: seconds between two looks at an API, and those a client asks again
LOOK, PATIENCE = 0.25, 30.0


@dataclass(kw_only=True)
class Ledger:
    """What became of the requests: the accepted, and how often and how others had to ask again."""

    accepted: list[str] = field(default_factory=list)
    again: Counter[str] = field(default_factory=Counter)
    #: seconds from the moment it was due to the moment it was accepted
    seconds: list[float] = field(default_factory=list)


class Balancer:
    """Sends each registration to the next API that is ready, as often as it takes."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = urls
        self._ready: Sequence[str] = ()
        self._turn = 0
        self.ledger = Ledger()

    async def run(self, *, pace: float, seconds: float, until: asyncio.Event) -> Ledger:
        """Register so many a second, whether or not those before were answered.

        For so many `seconds` at least, and then until the event is set.
        """
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            await self._look(session)
            looking = asyncio.create_task(self._keep_looking(session))
            began = time.monotonic()
            async with asyncio.TaskGroup() as group:
                for index in itertools.count():
                    due = began + index / pace
                    if due > began + seconds and until.is_set():
                        break
                    await asyncio.sleep(due - time.monotonic())
                    address = f"person-{index}@example.com"
                    group.create_task(self._register(session, address, due))
            looking.cancel()
        return self.ledger

    async def _keep_looking(self, session: aiohttp.ClientSession) -> None:
        while True:
            await asyncio.sleep(LOOK)
            await self._look(session)

    async def _look(self, session: aiohttp.ClientSession) -> None:
        answers = await asyncio.gather(*[_is_ready(session, url) for url in self._urls])
        self._ready = [url for url, ready in zip(self._urls, answers, strict=True) if ready]

    async def _register(self, session: aiohttp.ClientSession, address: str, due: float) -> None:
        while (result := await self._try(session, address)) != "accepted":
            self.ledger.again[result] += 1
            assert time.monotonic() < due + PATIENCE, f"{address} was never accepted: {result}"
            await asyncio.sleep(0.1)
        self.ledger.accepted.append(address)
        self.ledger.seconds.append(time.monotonic() - due)

    async def _try(self, session: aiohttp.ClientSession, address: str) -> str:
        if not self._ready:
            return "nobody is ready"
        self._turn += 1
        url = self._ready[self._turn % len(self._ready)]
        try:
            async with session.post(f"{url}/register", json={"email": address}) as answer:
                await answer.read()
                return "accepted" if answer.status == 202 else str(answer.status)
        except aiohttp.ClientError as error:
            return type(error).__name__


async def _is_ready(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(f"{url}/readyz") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False
