"""How many registrations a client may ask for: `POST /register` is public by nature."""

import ipaddress
import math
import time

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from tidings.core.errors import ConfigurationError, Overloaded
from tidings.core.metrics import Metrics
from tidings.settings import NO_LIMIT


class RateLimit:
    """Counts per client in this process's memory; `rate` as in `60/minute`, `off` for no limit.

    Raises ConfigurationError for a rate of another form.
    """

    def __init__(self, rate: str, metrics: Metrics) -> None:
        self._metrics = metrics
        self._rate = None if rate == NO_LIMIT else _parsed(rate)
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def take(self, client: str) -> None:
        """Count one request. Raises Overloaded, with the seconds to wait, above the limit."""
        counted = _counted(client)
        if self._rate is None or await self._limiter.hit(self._rate, counted):
            return
        self._metrics.refused.labels(reason="rate").inc()
        reset_at, _left = await self._limiter.get_window_stats(self._rate, counted)
        raise Overloaded(
            f"more than {self._rate} from this client: slow down",
            retry_after=max(1, math.ceil(reset_at - time.time())),
        )


def _counted(client: str) -> str:
    """Who is counted: an IPv6 client by its /64, since it may take any address in that."""
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return client
    if address.version == 4:
        return client
    return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))


def _parsed(rate: str) -> RateLimitItem:
    try:
        return parse(rate)
    except ValueError as error:
        raise ConfigurationError(
            f"TIDINGS_REGISTER_RATE={rate} is no rate: use a form like 60/minute, or off"
        ) from error
