"""The vendor: takes messages, notes each, and answers as the weather says."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import fields

from tests.simulation.ledger import Call
from tests.simulation.loop import Process
from tests.simulation.settings import CALL_SECONDS, LEASE, SLOTS
from tests.simulation.weather import Vendor
from tests.simulation.world import World
from tidings.core.errors import (
    AddressRejected,
    DeliveryError,
    OutcomeUnknown,
    PermanentError,
    TransientError,
)
from tidings.core.models import Message, Receipt

#: seconds a vendor asks to be left alone
_RETRY_AFTER = 3.0
#: seconds of a prompt answer
_PROMPT = 0.03
_REFUSALS: Mapping[str, Callable[[], DeliveryError]] = {
    "transient": lambda: TransientError("try again"),
    "busy": lambda: TransientError("too many at once", retry_after=_RETRY_AFTER),
    "permanent": lambda: PermanentError("never"),
    "rejected": lambda: AddressRejected("nobody is there"),
    "vanished": lambda: OutcomeUnknown("the line went dead"),
}


class SimulatedProvider:
    """One process's way to the vendor."""

    concurrency = SLOTS

    def __init__(self, world: World, process: Process) -> None:
        self._world = world
        self._process = process

    async def send(self, message: Message) -> Receipt:
        """Hand one message over; how that ends is drawn."""
        call = self._call(message)
        self._world.note(self._process, f"calls {call.delivery[-6:]} for {call.mark}")
        self._world.ledger.begin(call)
        try:
            receipt = await self._served(call)
            call.answer = "sent"
        except (TransientError, PermanentError) as error:
            call.answer = "transient" if isinstance(error, TransientError) else "permanent"
            call.retry_after = getattr(error, "retry_after", None) or 0.0
            raise
        finally:
            call.answered_at = self._world.now
            self._world.ledger.end(call)
        return receipt

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
        if end == "swallowed":
            return await self._swallow(call)
        if end in _REFUSALS:
            await self._pause(_PROMPT)
            raise _REFUSALS[end]()
        return await self._taken(call, LEASE + 1.0 if end == "slow" else _PROMPT)

    async def _taken(self, call: Call, seconds: float) -> Receipt:
        """Taken before the wait or after it: who dies meanwhile does not know."""
        if self._world.random.random() < 0.5:
            await self._pause(seconds)
            return self._take(call)
        receipt = self._take(call)
        await self._pause(seconds)
        return receipt

    async def _swallow(self, call: Call) -> Receipt:
        """Taken, and then silence, or the line breaks."""
        self._take(call)
        await self._pause(self._world.random.choice((0.1, CALL_SECONDS + 1.0)))
        raise OutcomeUnknown("no answer came")

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds * (0.5 + self._world.random.random()))

    def _take(self, call: Call) -> Receipt:
        call.taken = True
        call.receipt = f"r{len(self._world.ledger.calls)}-{self._world.random.getrandbits(32):x}"
        self._world.note("vendor", f"takes {call.delivery[-6:]}")
        return Receipt(provider_id=call.receipt)

    def _end(self) -> str:
        odds = self._world.weather.vendor
        if self._world.calm:
            return "taken"
        chance = self._world.random.random()
        for field in fields(Vendor):
            chance -= getattr(odds, field.name)
            if chance < 0:
                return field.name
        return "taken"
