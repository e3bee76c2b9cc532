"""Gates of several workers to one integration, to start from."""

from tests.system.vendors import Vendor
from tidings.core.integrations import UNLIMITED, Limits
from tidings.core.metrics import Metrics
from tidings.core.ports import SharedState
from tidings.core.quiet_log import QuietLog
from tidings.delivery.gate.gate import Gate
from tidings.delivery.gate.state import Terms
from tidings.memory_bus.shared_state import MemorySharedState
from tidings.testing.clock import StoppedClock


class Workers:
    """Makes gates to one integration, one for each worker."""

    def __init__(self, limits: Limits = UNLIMITED) -> None:
        self.clock = StoppedClock()
        #: of all workers that bring none of their own
        self.shared = MemorySharedState(clock=self.clock)
        self.metrics = Metrics()
        self._limits = limits

    def gate(self, worker: str, shared: SharedState | None = None) -> Gate:
        limits = self._limits
        return Gate(
            Vendor().named("smtp", limits=limits),
            key="integration:email:smtp",
            worker=worker,
            shared=shared or self.shared,
            terms=Terms(rate=limits.rate, concurrency=limits.concurrency),
            clock=self.clock,
            gauge=self.metrics.integration_state.labels("email", "smtp"),
            quiet_log=QuietLog("test"),
            urgent=lambda: None,
            chance=lambda: 0.0,
        )
