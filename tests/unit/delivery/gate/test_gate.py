"""Gates of several workers on one shared state: what one learns holds for all."""

import asyncio

import pytest

from tests.unit.delivery.gate.workers import Workers
from tidings.core.integrations import Limits
from tidings.core.ports import Change, Result, SharedState
from tidings.delivery.gate.bucket import fresh
from tidings.delivery.gate.gate import Gate
from tidings.delivery.gate.state import State
from tidings.memory_bus.shared_state import MemorySharedState
from tidings.testing.clock import MovableClock


class Slow:
    """A shared state whose answers wait for a word."""

    def __init__(self, shared: SharedState) -> None:
        self._shared = shared
        self.asked, self.word = asyncio.Event(), asyncio.Event()

    async def change(self, key: str, change: Change[Result]) -> Result:
        answer = await self._shared.change(key, change)
        self.asked.set()
        await self.word.wait()
        return answer

    async def read(self, key: str) -> tuple[float, bytes | None]:
        return await self._shared.read(key)

    async def aclose(self) -> None:
        """Nothing to close."""


async def fails(gate: Gate, count: int = 5) -> None:
    """So many calls fail, and the others are told."""
    for _ in range(count):
        gate.ended(gate.term, failed=True)
    await gate.tell()


async def test_one_that_is_well_and_has_no_limits_costs_no_more_than_a_question_now_and_then() -> (
    None
):
    workers = Workers()
    gate = workers.gate("a")

    assert await gate.take(450) == 450
    await workers.shared.aclose()  # whoever asked it now would hear that it is closed
    assert await gate.take(450) == 450
    gate.unused(890, gate.term)
    assert gate.room() == 1_000 - 100 - 10


async def test_a_wish_for_silence_holds_for_a_worker_that_has_not_heard_of_it() -> None:
    workers = Workers()
    one, other = workers.gate("a"), workers.gate("b")

    one.pause(3)
    await one.tell()

    assert await other.take(5) == 0
    assert other.wait() == pytest.approx(3.0, abs=0.1)


async def test_a_rate_is_one_for_all_workers() -> None:
    workers = Workers(Limits(rate=100.0))
    gates = [workers.gate(name) for name in "abcd"]
    for gate in gates:
        await gate.tell()
    workers.clock.advance(seconds=60)

    granted = [await gate.take(50) for gate in gates]

    assert granted == [18, 0, 0, 0]  # two of a burst of twenty are for the critical lane
    assert await gates[3].take(50, reserved=True) == 2


async def test_what_is_not_used_is_another_workers() -> None:
    workers = Workers(Limits(rate=100.0))
    one, other = workers.gate("a"), workers.gate("b")
    await one.tell()
    workers.clock.advance(seconds=60)
    granted = await one.take(50)

    one.unused(granted, one.term)
    await one.tell()

    assert await other.take(50) >= granted


async def test_calls_at_once_are_counted_together_and_a_dead_workers_fade() -> None:
    workers = Workers(Limits(concurrency=10))
    dead, living = workers.gate("dead"), workers.gate("living")

    assert await dead.take(7) == 7
    assert await living.take(7) == 2
    workers.clock.advance(seconds=11)
    assert await living.take(7) == 7


async def test_two_who_ask_at_once_get_no_more_than_a_process_carries() -> None:
    workers = Workers()
    slow = Slow(workers.shared)
    gate = workers.gate("a", slow)
    general = asyncio.create_task(gate.take(900))
    await slow.asked.wait()

    critical = asyncio.create_task(gate.take(1_000, reserved=True))
    await asyncio.sleep(0)
    slow.word.set()

    assert (await general, await critical) == (900, 100)
    assert gate.room(reserved=True) == 0


async def test_a_call_that_is_over_makes_room() -> None:
    workers = Workers(Limits(concurrency=10))
    one, other = workers.gate("a"), workers.gate("b")
    for _ in range(await one.take(9)):
        one.done()
    await one.take(0)

    assert await one.take(3) == 3
    assert await other.take(9) == 6


async def test_what_one_sees_fail_the_others_leave_alone() -> None:
    workers = Workers()
    one, other = workers.gate("a"), workers.gate("b")
    await fails(one)
    other.ended(other.term, failed=False)
    await other.tell()

    assert await other.take(5) == 0
    assert other.wait() == pytest.approx(1.0, abs=0.1)
    assert other.why_not().startswith("smtp was skipped: 5 of its last 5 calls failed (open until ")


async def test_one_worker_tries_it_and_then_all_call_it_again() -> None:
    workers = Workers()
    one, other = workers.gate("a"), workers.gate("b")
    await fails(one)
    other.ended(other.term, failed=False)
    await other.tell()
    workers.clock.advance(seconds=1.1)

    assert await one.take(5) == 1
    assert await other.take(5) == 0
    for _ in range(8):
        granted = await one.take(100) or 1
        for _ in range(granted):
            one.done()
            one.ended(one.term, failed=False)
        await one.tell()

    assert await other.take(5) == 5
    assert workers.metrics.integration_state.labels("email", "smtp")._value.get() == 0


async def test_silence_that_one_was_asked_for_holds_for_all() -> None:
    workers = Workers(Limits(rate=1_000.0))
    one, other = workers.gate("a"), workers.gate("b")
    await other.tell()
    one.pause(60)
    await one.tell()
    workers.clock.advance(seconds=59)

    assert await other.take(5) == 0
    workers.clock.advance(seconds=1.1)
    assert await other.take(5) == 5


async def test_silence_that_others_wrote_over_is_not_forgotten_by_who_heard_it() -> None:
    workers = Workers()
    one, other = workers.gate("a"), workers.gate("b")
    one.pause(60)
    await one.tell()
    workers.lose()

    assert await other.take(1) == 1
    one.ended(one.term, failed=False)
    await one.tell()

    assert await one.take(1) == 0
    assert one.wait() == pytest.approx(60, abs=0.1)
    workers.clock.advance(seconds=1)
    other.ended(other.term, failed=False)
    await other.tell()
    assert await other.take(1) == 0
    assert other.wait() == pytest.approx(59, abs=0.1)
    workers.clock.advance(seconds=60)
    assert (await one.take(1), await other.take(1)) == (1, 1)


async def test_silence_is_told_again_for_as_long_as_it_lasts() -> None:
    workers = Workers()
    one, other = workers.gate("a"), workers.gate("b")
    one.pause(60)
    await one.tell()
    workers.lose()

    await one.tell()

    assert await other.take(1) == 0
    assert other.wait() == pytest.approx(60, abs=0.1)


@pytest.mark.parametrize("until", [1e300, 5e9])
async def test_silence_that_a_stranger_wrote_ends_after_a_day(until: float) -> None:
    workers = Workers()
    one, other = workers.gate("a"), workers.gate("b")
    await workers.write(State(bucket=fresh(0.0), paused_until=until))
    assert (await one.take(1), await other.take(1)) == (0, 0)

    workers.clock.advance(days=1, seconds=1)

    assert (await one.take(1), await other.take(1)) == (1, 1)


async def test_ten_years_of_silence_are_a_day() -> None:
    gate = Workers().gate("a")

    gate.pause(315_360_000)

    assert gate.wait() == pytest.approx(86_400, abs=1)


async def test_without_the_shared_state_each_keeps_to_its_part() -> None:
    workers = Workers(Limits(rate=100.0, concurrency=40))
    gates = [workers.gate(name) for name in "abcd"]
    for gate in gates:
        await gate.tell()
    for gate in gates:  # by now each has seen all four
        workers.clock.advance(seconds=4)
        await gate.take(0)
        await gate.tell()
        granted = await gate.take(1)
        gate.unused(granted, gate.term)
    await workers.shared.aclose()

    at_once = [await gate.take(50) for gate in gates]
    workers.clock.advance(seconds=10)
    later = [await gate.take(50) for gate in gates]

    assert at_once == [0, 0, 0, 0]
    assert sum(later) <= 20


async def test_who_never_saw_the_others_takes_a_tenth() -> None:
    workers = Workers(Limits(rate=100.0))
    gate = workers.gate("a")
    await workers.shared.aclose()
    await gate.take(1)

    total = 0
    for _ in range(1_000):
        workers.clock.advance(seconds=0.01)
        granted = await gate.take(50)
        total += granted
        for _ in range(granted):
            gate.done()

    assert 80 <= total <= 102


async def test_alone_a_worker_still_heeds_what_it_sees_fail() -> None:
    workers = Workers()
    gate = workers.gate("a")
    await workers.shared.aclose()

    await fails(gate)

    assert await gate.take(5) == 0
    workers.clock.advance(seconds=1.1)
    assert await gate.take(5) == 1


async def test_silence_asked_for_while_others_are_asked_is_not_forgotten() -> None:
    workers = Workers()
    slow = Slow(workers.shared)
    gate = workers.gate("a", slow)
    gate.ended(gate.term, failed=False)
    telling = asyncio.create_task(gate.tell())
    await slow.asked.wait()

    gate.pause(60)
    slow.word.set()
    await telling

    assert await gate.take(1) == 0
    assert gate.wait() == pytest.approx(60, abs=1)


async def test_silence_that_is_being_told_to_the_others_is_not_forgotten_meanwhile() -> None:
    workers = Workers()
    slow = Slow(workers.shared)
    gate = workers.gate("a", slow)
    gate.pause(60)
    telling = asyncio.create_task(gate.tell())
    await slow.asked.wait()

    gate.ended(gate.term, failed=True)

    assert gate.wait() == pytest.approx(60, abs=1)
    slow.word.set()
    await telling
    assert gate.wait() == pytest.approx(60, abs=1)


async def test_silence_from_before_a_worker_began_ends_by_the_clock_all_share() -> None:
    workers = Workers()
    fast = MovableClock()
    fast.advance(seconds=30)
    shared = MemorySharedState(clock=fast)
    gate, other = workers.gate("a", shared), workers.gate("b", shared)

    await gate.recall(60)
    await gate.tell()

    assert gate.wait() == pytest.approx(60, abs=1)
    assert await other.take(1) == 0
    assert other.wait() == pytest.approx(60, abs=1)
