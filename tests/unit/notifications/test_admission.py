"""Work is let in while there is room; how much waits is counted now and then, not each time."""

import asyncio
import time
from collections.abc import Callable

import pytest

from tidings.core.errors import Overloaded, Unavailable
from tidings.core.metrics import Metrics
from tidings.notifications.admission import LATEST, SOONEST, Admission, Level


class Rows:
    """What waits, as a database would count it."""

    def __init__(self, waiting: int) -> None:
        self.waiting = waiting
        self.counts = 0
        self.down = False
        self.free = asyncio.Event()
        self.free.set()

    async def count(self, most: int) -> int:
        self.counts += 1
        await self.free.wait()
        if self.down:
            raise Unavailable("no database")
        return min(self.waiting, most)


class Time:
    """Seconds that go by as told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def admission(rows: Rows, limit: int = 10, now: Callable[[], float] = time.monotonic) -> Admission:
    return Admission(limit=limit, count=rows.count, metrics=Metrics(), now=now)


async def admitted(to: Admission, times: int, *, critical: bool = False) -> int:
    """How many of so many are let in."""
    done = 0
    for _ in range(times):
        try:
            await to.admit(critical=critical)
        except Overloaded:
            continue
        done += 1
    return done


async def test_work_is_let_in_until_the_limit_waits() -> None:
    rows = Rows(waiting=7)

    assert await admitted(admission(rows), 20) == 3
    assert rows.counts == 1


async def test_what_came_to_nothing_takes_no_room() -> None:
    door = admission(Rows(waiting=9))
    await door.admit()

    door.end(stored=False)

    assert await admitted(door, 2) == 1


async def test_what_is_stored_takes_room_until_it_is_counted() -> None:
    door = admission(Rows(waiting=8))
    await door.admit()

    door.end(stored=True)

    assert await admitted(door, 2) == 1


async def test_what_is_critical_is_let_in_until_twice_as_much_waits() -> None:
    full, brim_full = admission(Rows(waiting=10)), admission(Rows(waiting=20))

    assert await admitted(full, 5) == 0
    assert await admitted(full, 15, critical=True) == 10
    assert await admitted(brim_full, 5, critical=True) == 0


async def test_a_refusal_is_counted_and_says_when_to_ask_again() -> None:
    rows, metrics = Rows(waiting=10), Metrics()
    full = Admission(limit=10, count=rows.count, metrics=metrics)

    with pytest.raises(Overloaded, match="nothing was stored") as refused:
        await full.admit()

    assert SOONEST <= refused.value.retry_after <= LATEST
    assert metrics.registry.get_sample_value("tidings_refused_total", {"reason": "backlog"}) == 1


async def test_without_a_count_work_is_let_in_and_the_database_has_the_last_word() -> None:
    rows = Rows(waiting=100)
    rows.down = True

    assert await admitted(admission(rows), 3) == 3


async def offer(door: Admission, rows: Rows, times: int, *, critical: bool = False) -> int:
    """So many at once, which are stored where they are let in; how many were."""
    stored = await admitted(door, times, critical=critical)
    for _ in range(stored):
        door.end(stored=True)
    rows.waiting += stored
    return stored


async def test_what_was_stored_is_counted_once_and_room_comes_back() -> None:
    rows, seconds = Rows(waiting=0), Time()
    door = admission(rows, now=seconds)

    for _ in range(5):
        assert await offer(door, rows, 20) == 10
        rows.waiting = 0
        seconds.now += 10


async def test_what_is_critical_stays_bounded_when_nothing_is_finished_any_more() -> None:
    rows, seconds = Rows(waiting=190), Time()
    door = admission(rows, limit=100, now=seconds)

    for second in range(40):
        for _ in range(10):
            rows.waiting -= 5 if second < 10 else 0
            await offer(door, rows, 10, critical=True)
            seconds.now += 0.1

    assert 200 <= rows.waiting <= 250


async def test_where_nobody_can_count_any_more_the_pace_seen_before_is_not_believed_for_ever() -> (
    None
):
    rows, seconds = Rows(waiting=300), Time()
    door = admission(rows, limit=100, now=seconds)
    for waiting in (300, 190):
        rows.waiting = waiting
        assert await offer(door, rows, 10) == 0
        seconds.now += 2
    rows.down = True

    for _ in range(60):
        assert await offer(door, rows, 10) <= 10
        seconds.now += 1

    assert rows.waiting <= 200


async def test_a_slow_count_delays_nobody_who_is_let_in() -> None:
    rows = Rows(waiting=0)
    door = Admission(limit=1_000_000, count=rows.count, metrics=Metrics(), fresh=0.0)
    await door.admit()
    rows.free.clear()

    async with asyncio.timeout(5):
        while rows.counts < 2:
            await door.admit()
            await asyncio.sleep(0)

    assert not rows.free.is_set()
    await door.aclose()


@pytest.mark.parametrize(
    ("before", "stored", "after", "room", "seconds"),
    [
        (1_000, 0, 900, 50, SOONEST),
        (1_000, 0, 900, 500, 5.0),
        (1_000, 400, 1_300, 500, 5.0),
        (1_000, 0, 1_000, 1, LATEST),
        (1_000, 0, 2_000, 1, LATEST),
        (1_000, 0, 999, 1_000_000, LATEST),
    ],
)
def test_when_to_ask_again_follows_from_how_much_was_finished(
    before: int, stored: int, after: int, room: int, seconds: float
) -> None:
    level = Level(waiting=before, at=10.0).after(after, at=11.0, stored=stored)

    assert level.seconds_until(room) == seconds


def test_before_anything_was_seen_it_is_worth_asking_soon() -> None:
    assert Level(waiting=1_000, at=0.0).seconds_until(1_000) == SOONEST


@pytest.mark.parametrize(("at", "expected"), [(11.0, 900), (11.5, 850), (20.5, 0), (60.0, 0)])
def test_between_two_counts_as_much_is_expected_to_be_finished_as_before(
    at: float, expected: int
) -> None:
    level = Level(waiting=1_000, at=10.0).after(900, at=11.0, stored=0)

    assert level.expected(at) == expected


def test_before_two_counts_told_nothing_is_expected_to_be_finished() -> None:
    assert Level(waiting=1_000, at=0.0).expected(60.0) == 1_000
