"""The simulated loop keeps what the simulation rests on."""

import asyncio
from collections.abc import Iterator
from random import Random

import pytest

from tests.simulation.loop import START, Process, SimulatedLoop


@pytest.fixture
def loop() -> Iterator[SimulatedLoop]:
    loop = SimulatedLoop(Random(1))
    yield loop
    loop.close()


def test_time_jumps_to_what_happens_next(loop: SimulatedLoop) -> None:
    woken: list[float] = []

    async def sleep_a_day() -> None:
        await asyncio.sleep(86_400)
        woken.append(loop.time())

    loop.start(Process("one"), sleep_a_day())
    loop.run_to(START + 90_000)

    assert woken == [START + 86_400]
    assert loop.time() == START + 90_000


def test_timeouts_and_waits_are_those_of_asyncio(loop: SimulatedLoop) -> None:
    told: list[object] = []

    async def wait() -> None:
        slow = asyncio.create_task(asyncio.sleep(60))
        done, _ = await asyncio.wait([slow], timeout=1)
        told.append(done)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await slow
        told.append(loop.time())

    loop.start(Process("one"), wait())
    loop.run_to(START + 10)

    assert told == [set(), START + 3]


def test_a_dead_process_does_nothing_more_not_even_clean_up(loop: SimulatedLoop) -> None:
    told: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(5)
        finally:
            told.append("cleaned up")

    process = Process("one")
    loop.start(process, work())
    loop.run_to(START + 1)
    process.die()
    loop.run_to(START + 60)

    assert told == []


def test_a_process_that_stands_still_misses_its_hour_and_goes_on(loop: SimulatedLoop) -> None:
    told: list[tuple[str, float]] = []

    async def wake(name: str) -> None:
        await asyncio.sleep(1)
        told.append((name, loop.time() - START))

    slow, quick = Process("slow"), Process("quick")
    for process in (slow, quick):
        loop.start(process, wake(process.name))
    loop.run_to(START + 0.5)
    slow.stands_until = START + 7
    loop.run_to(START + 10)

    assert told == [("quick", 1.0), ("slow", 7.0)]


@pytest.mark.parametrize("in_order", [True, False])
def test_who_goes_next_is_chance_and_what_is_next_within_one_is_not(in_order: bool) -> None:
    orders = {_order(seed, processes=1 if in_order else 3) for seed in range(20)}

    assert (len(orders) == 1) is in_order


def _order(seed: int, *, processes: int) -> tuple[int, ...]:
    loop, told = SimulatedLoop(Random(seed)), list[int]()
    places = [Process(str(number)) for number in range(processes)]

    async def tell(number: int) -> None:
        told.append(number)

    for number in range(6):
        loop.start(places[number % processes], tell(number))
    loop.run_to(START + 1)
    loop.close()
    return tuple(told)
