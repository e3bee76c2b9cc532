"""The vendor: takes messages, notes each, and answers as the weather says."""

import asyncio
from collections.abc import Callable, Mapping

from tests.simulation.entries import Call
from tests.simulation.loop import Process
from tests.simulation.settings import CALL_SECONDS, LEASE
from tests.simulation.world import World
from tidings.core.errors import (
    AddressRejected,
    DeliveryError,
    OutcomeUnknown,
    PermanentError,
    TransientError,
)
from tidings.core.models import Message, Receipt
from tidings.core.work import AttemptOutcome
from tidings.delivery.outcomes import attempt_outcome

#: seconds a vendor asks to be left alone
_RETRY_AFTER = 3.0
#: seconds of a prompt answer
_PROMPT = 0.03
_STROKES = frozenset({"fatal", "stunning", "parting"})
_SLOW = frozenset({"slow", "parting"})
_REFUSALS: Mapping[str, Callable[[], DeliveryError]] = {
    "transient": lambda: TransientError("try again"),
    "busy": lambda: TransientError("too many at once", retry_after=_RETRY_AFTER),
    "permanent": lambda: PermanentError("never"),
    "rejected": lambda: AddressRejected("nobody is there"),
    "vanished": lambda: OutcomeUnknown("the line went dead"),
}


class SimulatedProvider:
    """One process's way to the vendor."""

    concurrency = 50

    def __init__(self, world: World, process: Process, account: str) -> None:
        self._world = world
        self._process = process
        self._account = account

    async def send(self, message: Message) -> Receipt:
        """Hand one message over; how that ends is drawn."""
        call = self._call(message)
        self._world.note(self._process, f"calls {call.delivery[-6:]} for {call.mark}")
        self._world.ledger.begin(call)
        try:
            receipt = await self._served(call)
            call.answer = AttemptOutcome.SENT
        except (TransientError, PermanentError) as error:
            call.answer = attempt_outcome(error)
            call.retry_after = getattr(error, "retry_after", None) or 0.0
            raise
        finally:
            call.answered_at = self._world.now
            self._world.ledger.end(call)
        return receipt

    async def find(self, message: Message) -> Receipt | None:
        """Whether it was taken; while it is still on its way nobody can tell."""
        self._world.note(self._process, f"asks for {message.id[-6:]}")
        await self._pause(_PROMPT)
        if self._world.now < self._world.vendor_down_until:
            raise TransientError("the vendor is down")
        arrived = [
            call
            for call in self._world.ledger.calls_of(message.id)
            if call.arrived and call.account == self._account
        ]
        taken = [call for call in arrived if call.taken]
        if arrived and not taken:
            raise TransientError("it is being worked on")
        return Receipt(provider_id=taken[0].receipt) if taken else None

    async def aclose(self) -> None:
        """Nothing is held."""

    def _call(self, message: Message) -> Call:
        epoch, claimed_at = self._world.ledger.hand(self._process, message.id)
        template, mark = message.content.text.split()
        return Call(
            delivery=message.id,
            mark=mark,
            template=template,
            address=message.address,
            account=self._account,
            process=self._process,
            began_at=self._world.now,
            started_at=self._world.clock.now(),
            epoch=epoch,
            claimed_at=claimed_at,
        )

    async def _served(self, call: Call) -> Receipt:
        if self._world.now < self._world.vendor_down_until:
            await self._pause(_PROMPT)
            raise TransientError("the vendor is down")
        end = self._end()
        if end in _STROKES:
            self._strike(end)
        if end == "swallowed":
            return await self._swallow(call)
        if end in _REFUSALS:
            await self._pause(_PROMPT)
            raise _REFUSALS[end]()
        slow = end in _SLOW or (end == "stunning" and self._world.random.random() < 0.5)
        return await self._taken(call, LEASE + 1.0 if slow else _PROMPT)

    async def _taken(self, call: Call, seconds: float) -> Receipt:
        """Taken before its answer, whatever becomes meanwhile of who asked."""
        seconds = self._spread(seconds)
        self._take_after(call, seconds * self._world.random.choice((0.0, 0.9)))
        await asyncio.sleep(seconds)
        return Receipt(provider_id=call.receipt)

    def _strike(self, end: str) -> None:
        """Something happens to the caller while it waits for the answer."""
        world, process = self._world, self._process
        strike = {"fatal": world.kill, "stunning": world.stun, "parting": world.stop}[end]
        moment = _PROMPT * world.random.random()
        world.later(moment, lambda: None if process.dead else strike(process))

    async def _swallow(self, call: Call) -> Receipt:
        """Taken, and then silence, or the line breaks."""
        self._take_after(call, 0.0)
        await self._pause(self._world.random.choice((0.1, CALL_SECONDS + 1.0)))
        raise OutcomeUnknown("no answer came")

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(self._spread(seconds))

    def _spread(self, seconds: float) -> float:
        return seconds * (0.5 + self._world.random.random())

    def _take_after(self, call: Call, seconds: float) -> None:
        call.arrived = True
        call.receipt = f"r{len(self._world.ledger.calls)}"
        self._world.later(seconds, lambda: self._take(call))

    def _take(self, call: Call) -> None:
        call.taken = True
        self._world.note("vendor", f"takes {call.delivery[-6:]}")

    def _end(self) -> str:
        world = self._world
        return "" if world.calm else world.weather.calling.draw(world.random)
