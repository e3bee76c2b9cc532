"""A process's line to a server: what it asks may come late, be refused, or lose its answer."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from tests.simulation.loop import Process
from tests.simulation.weather import Fate, Odds
from tests.simulation.world import World
from tidings.core.errors import Unavailable

Result = TypeVar("Result")

#: seconds that what is late may take, there and back
_LATE = (0.001, 0.05, 0.6, 2.5)


class Line:
    """Carries calls to a server, which does what arrives even if the caller is gone by then."""

    def __init__(self, world: World, process: Process, odds: Odds, server: str) -> None:
        self._world = world
        self._process = process
        self._odds = odds
        self._server = server

    async def call(self, what: str, work: Callable[[], Result]) -> Result:
        """Have `work` done over there. Raises Unavailable where it, or its answer, got lost."""
        fate = self._world.fate(self._odds)
        if self._is_down():
            fate = Fate.REFUSED
        if fate is Fate.PROMPT:
            return await self._promptly(what, work)
        self._world.note(self._process, f"{what}: {fate.value}")
        self._world.ledger.trouble(self._process, until=self._world.now)
        if fate is Fate.REFUSED:
            await asyncio.sleep(0)
            raise Unavailable(f"the {self._server} is away")
        return await self._troubled(what, work, fate)

    async def _promptly(self, what: str, work: Callable[[], Result]) -> Result:
        await asyncio.sleep(0)
        result = self._done(what, work)
        await asyncio.sleep(0)
        return result

    async def _troubled(self, what: str, work: Callable[[], Result], fate: Fate) -> Result:
        loop, random = self._world.loop, self._world.random
        answer: asyncio.Future[Result] = loop.create_future()
        there = random.choice(_LATE) if fate is Fate.LATE else 0.0
        back = random.choice(_LATE)

        def arrive() -> None:
            if fate is Fate.DIES_BEFORE:
                self._world.kill(self._process)
                return
            outcome = self._outcome(what, work)
            if fate is Fate.DIES_AFTER:
                self._world.later(random.choice((0.0, back)), lambda: self._die())
            self._world.later(back, lambda: self._give(answer, outcome, fate))

        self._world.ledger.trouble(self._process, until=self._world.now + there + back)
        self._world.later(there, arrive)
        return await answer

    def _die(self) -> None:
        if not self._process.dead:
            self._world.kill(self._process)

    def _outcome(self, what: str, work: Callable[[], Result]) -> Result | Exception:
        try:
            return self._done(what, work)
        except Exception as error:
            return error

    def _done(self, what: str, work: Callable[[], Result]) -> Result:
        result = work()
        told = self._world.ledger.hear(self._process, result, self._world.now)
        self._world.note(self._process, f"{what}{told}")
        return result

    def _give(self, answer: asyncio.Future[Any], outcome: object, fate: Fate) -> None:
        if answer.done() or self._process.dead:
            return
        if fate is Fate.LOST:
            answer.set_exception(Unavailable(f"the answer of the {self._server} was lost"))
        elif isinstance(outcome, Exception):
            answer.set_exception(outcome)
        else:
            answer.set_result(outcome)

    def _is_down(self) -> bool:
        return self._server == "database" and self._world.now < self._world.database_down_until
