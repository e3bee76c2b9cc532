"""A process's line to a server: what it asks may come late, be refused, or lose its answer."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import TypeVar

from tests.simulation.loop import Process
from tests.simulation.settings import LATEST
from tests.simulation.weather import Answering, Asking
from tests.simulation.world import World
from tidings.core.errors import Unavailable

Result = TypeVar("Result")

#: seconds that what is late may take
_LATE = (0.001, 0.05, 0.6, LATEST)
#: what is asked again and again, mostly in vain; it goes wrong less often in proportion
_LOOKS = frozenset({"claim", "plan", "reread", "resume", "sweep"})
_RARELY = 0.15


class Line:
    """Carries calls to a server, which does what arrives even if the caller is gone by then."""

    def __init__(
        self, world: World, process: Process, server: str, *, asking: Asking, answering: Answering
    ) -> None:
        self._world = world
        self._process = process
        self._server = server
        self._asking = asking
        self._answering = answering

    async def call(self, what: str, work: Callable[[], Result]) -> Result:
        """Have `work` done over there. Raises Unavailable where it, or its answer, got lost."""
        trouble = self._trouble(what, self._asking.draw, rarely=what in _LOOKS)
        if trouble == "refused" or self._is_down():
            await asyncio.sleep(0)
            raise Unavailable(f"the {self._server} is away")
        if trouble:
            result, told = await self._late(what, work, dies=trouble == "fatal")
        else:
            await asyncio.sleep(0)
            result, told = self._do(what, work)
        await self._answered(what, told)
        return result

    async def _late(
        self, what: str, work: Callable[[], Result], *, dies: bool
    ) -> tuple[Result, str]:
        """It arrives some time, whether the caller still waits for it or not."""
        done: asyncio.Future[tuple[Result, str]] = self._world.loop.create_future()

        def arrive() -> None:
            if dies:
                self._die()
                return
            try:
                result = self._do(what, work)
            except Exception as error:
                if not done.done():
                    done.set_exception(error)
            else:
                if not done.done():
                    done.set_result(result)

        self._world.later(self._delay(), arrive)
        return await done

    async def _answered(self, what: str, told: str) -> None:
        """What happens between the deed and the moment its caller knows of it."""
        rarely = not told and what in _LOOKS
        trouble = self._trouble(what, self._answering.draw, rarely=rarely)
        if trouble == "fatal":
            self._world.later(self._world.random.choice((0.0, self._delay())), self._die)
        if trouble == "stunning":
            self._world.stun(self._process)
        await asyncio.sleep(self._delay() if trouble in ("late", "lost") else 0)
        if trouble == "lost":
            raise Unavailable(f"the answer of the {self._server} was lost")

    def _do(self, what: str, work: Callable[[], Result]) -> tuple[Result, str]:
        result = work()
        told = self._world.ledger.hear(self._process, result, self._world.now)
        self._world.note(self._process, f"{what}{told}")
        return result, told

    def _trouble(self, what: str, draw: Callable[[Random, float], str], *, rarely: bool) -> str:
        if self._world.calm:
            return ""
        trouble = draw(self._world.random, _RARELY if rarely else 1.0)
        if trouble:
            self._world.note(self._process, f"{what}: {trouble}")
            self._suffer(0.0)
        return trouble

    def _delay(self) -> float:
        seconds = self._world.random.choice(_LATE)
        self._suffer(seconds)
        return seconds

    def _suffer(self, seconds: float) -> None:
        self._world.ledger.trouble(self._process, until=self._world.now + seconds)

    def _die(self) -> None:
        if not self._process.dead:
            self._world.kill(self._process)

    def _is_down(self) -> bool:
        down = self._server == "database" and self._world.now < self._world.database_down_until
        if down:
            self._suffer(0.0)
        return down
