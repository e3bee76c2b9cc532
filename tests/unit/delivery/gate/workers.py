"""Gates of several workers to one integration, to start from."""

from tests.system.vendors import Vendor
from tidings.core.integrations import UNLIMITED, Limits
from tidings.core.metrics import Metrics
from tidings.core.ports import SharedState
from tidings.core.quiet_log import QuietLog
from tidings.delivery.gate.gate import Gate
from tidings.delivery.gate.packing import packed, state_key
from tidings.delivery.gate.state import State, Terms
from tidings.memory_bus.shared_state import MemorySharedState
from tidings.testing.clock import StoppedClock

_KEY = state_key("email", "smtp")


class Workers:
    """Makes gates to one integration, one for each worker."""

    def __init__(self, limits: Limits = UNLIMITED) -> None:
        self.clock = StoppedClock()
        #: of all workers that bring none of their own
        self.shared = MemorySharedState(clock=self.clock)
        self.metrics = Metrics()
        self._limits = limits

    def lose(self) -> None:
        """The shared state forgets all."""
        self.shared._values.clear()

    async def write(self, state: State) -> None:
        """A stranger puts that in the state's place."""
        await self.shared.change(_KEY, lambda _now, _old: (packed(state), None))

    def gate(self, worker: str, shared: SharedState | None = None) -> Gate:
        limits = self._limits
        return Gate(
            Vendor().named("smtp", limits=limits),
            key=_KEY,
            worker=worker,
            shared=shared or self.shared,
            terms=Terms(rate=limits.rate, concurrency=limits.concurrency),
            clock=self.clock,
            gauge=self.metrics.integration_state.labels("email", "smtp"),
            quiet_log=QuietLog("test"),
            urgent=lambda: None,
            chance=lambda: 0.0,
        )
