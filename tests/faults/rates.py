"""How fast things go: what the provider took in a second, and what the logs said."""

import asyncio
import math
import statistics
from collections.abc import Sequence

from tests.faults.fleet import Fleet
from tests.faults.provider_ledger import Call


async def until_back(fleet: Fleet, since: float, pace: float, *, seconds: float = 30) -> None:
    """Wait until nine tenths of the pace are reached again."""
    async with asyncio.timeout(seconds):
        while back_after(since, fleet.provider.taken, pace) == math.inf:
            await asyncio.sleep(0.1)


def back_after(since: float, taken: Sequence[Call], pace: float) -> float:
    """Seconds until the first second in which nine tenths of the pace were taken."""
    times = [call.at for call in taken if call.at >= since]
    enough = round(pace * 0.9)
    found = (
        first - since
        for first, last in zip(times, times[enough - 1 :], strict=False)
        if last - first <= 1.0
    )
    return next(found, math.inf)


def most_talkative(fleet: Fleet, seconds: float) -> float:
    """Log lines a second of the process that wrote most."""
    logs = [path for path in fleet.folder.glob("*.log") if path.name != "provider.log"]
    return max(path.read_bytes().count(b"\n") for path in logs) / seconds


def percentile(values: Sequence[float], rank: int) -> float:
    """The value that so many hundredths do not exceed."""
    return statistics.quantiles(values, n=100, method="inclusive")[rank - 1]
