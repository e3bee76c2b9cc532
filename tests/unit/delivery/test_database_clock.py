"""What a worker makes of the times that the database tells."""

import asyncio
from datetime import datetime, timedelta

from tidings.delivery.database_clock import DatabaseClock
from tidings.testing.clock import StoppedClock

HOUR = timedelta(hours=1)


def loop_time() -> float:
    return asyncio.get_running_loop().time()


def near(one: datetime, other: datetime) -> bool:
    return abs(one - other) < timedelta(seconds=1)


async def test_before_the_first_answer_it_is_the_workers_own() -> None:
    own = StoppedClock()

    assert DatabaseClock(own).now() == own.now()


async def test_it_is_what_the_database_told_and_runs_on() -> None:
    own = StoppedClock()
    clock, told = DatabaseClock(own), own.now() + HOUR

    clock.heard(told, asked=loop_time())
    first = clock.now()
    await asyncio.sleep(0.01)

    assert told <= first < clock.now()
    assert near(clock.now(), told)


async def test_it_moves_with_the_clock_that_tests_move() -> None:
    own = StoppedClock()
    clock = DatabaseClock(own)
    clock.heard(own.now(), asked=loop_time())

    own.advance(hours=1)

    assert near(clock.now(), own.now())


async def test_an_answer_that_took_long_sets_it_no_further_than_it_must() -> None:
    own = StoppedClock()
    clock, told = DatabaseClock(own), own.now()
    clock.heard(told, asked=loop_time())

    clock.heard(told - timedelta(seconds=30), asked=loop_time() - 60)
    assert near(clock.now(), told)
    clock.heard(told - timedelta(seconds=90), asked=loop_time() - 60)
    assert near(clock.now(), told - timedelta(seconds=30))
    clock.heard(told + HOUR, asked=loop_time() - 60)
    assert near(clock.now(), told + HOUR)


async def test_a_database_whose_clock_is_set_is_believed() -> None:
    own = StoppedClock()
    clock, told = DatabaseClock(own), own.now()

    for now in (told, told - HOUR, told + HOUR):
        clock.heard(now, asked=loop_time())

        assert near(clock.now(), now)
