"""Registrations through the HTTP API to the console provider: one process on SQLite.

    make bench            or            .venv/bin/python bench/bench_end_to_end.py --runs 3

Prints, as medians of the runs: registrations accepted a second (each a durable 202), registrations
delivered a second (first request to last mail), and milliseconds from request to 202. The load
runs on the same machine.
"""

import argparse
import asyncio
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

URL = "http://127.0.0.1:8765"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    accepted_per_second: float
    delivered_per_second: float
    #: milliseconds
    p50: float
    p99: float


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--number", type=int, default=5_000, help="registrations in a run")
    options.add_argument("--connections", type=int, default=50)
    chosen = options.parse_args()
    runs = [_run(chosen.number, chosen.connections) for _ in range(chosen.runs)]
    print(f"{chosen.runs} runs of {chosen.number}, {chosen.connections} connections; medians:")
    print(f"  accepted a second   {_median(run.accepted_per_second for run in runs):8,.0f}")
    print(f"  delivered a second  {_median(run.delivered_per_second for run in runs):8,.0f}")
    print(f"  request to 202, ms  {_median(run.p50 for run in runs):8.1f} p50", end="")
    print(f" {_median(run.p99 for run in runs):8.1f} p99")


def _run(number: int, connections: int) -> Run:
    with tempfile.TemporaryDirectory() as folder, _system(Path(folder)):
        return asyncio.run(_measure(number, connections))


@contextmanager
def _system(folder: Path) -> Iterator[None]:
    environment = os.environ | {
        "TIDINGS_DATABASE_URL": f"sqlite:///{folder}/tidings.db",
        "TIDINGS_PORT": URL.rpartition(":")[2],
        "TIDINGS_REGISTER_RATE": "off",
        "TIDINGS_LOG_LEVEL": "warning",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tidings", "up"], env=environment, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


async def _measure(number: int, connections: int) -> Run:
    limit = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(URL, connector=limit) as http:
        await _until_ready(http)
        began, times = time.perf_counter(), list[float]()
        people = iter(range(number))
        await asyncio.gather(*(_register(http, people, times) for _ in range(connections)))
        accepted = time.perf_counter() - began
        await _until_delivered(http, number)
        delivered = time.perf_counter() - began
    hundredths = statistics.quantiles(times, n=100)
    return Run(
        accepted_per_second=number / accepted,
        delivered_per_second=number / delivered,
        p50=hundredths[49] * 1000,
        p99=hundredths[98] * 1000,
    )


async def _register(http: aiohttp.ClientSession, people: Iterator[int], times: list[float]) -> None:
    for person in people:
        began = time.perf_counter()
        async with http.post("/register", json={"email": f"person-{person}@example.com"}) as answer:
            assert answer.status == 202, await answer.text()
        times.append(time.perf_counter() - began)


async def _until_ready(http: aiohttp.ClientSession) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            async with http.get("/readyz") as answer:
                if answer.status == 200:
                    return
        except aiohttp.ClientError:
            await asyncio.sleep(0.05)
    raise SystemExit("the system did not come up")


async def _until_delivered(http: aiohttp.ClientSession, number: int) -> None:
    while True:
        async with http.get("/v1/analytics/summary") as answer:
            summary = await answer.json()
        if summary["totals"]["sent"] >= number:
            return
        await asyncio.sleep(0.02)


def _median(values: Iterator[float]) -> float:
    return statistics.median(values)


if __name__ == "__main__":
    main()
