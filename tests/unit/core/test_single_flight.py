import asyncio

import pytest

from tidings.core.errors import Unavailable
from tidings.core.single_flight import SingleFlight


class Question:
    """Counts how often it is asked; answered when a test says so."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.asked = 0
        self.answered = asyncio.Event()
        self._fault = fault

    async def __call__(self) -> int:
        self.asked += 1
        await self.answered.wait()
        if self._fault is not None:
            raise self._fault
        return self.asked


async def test_a_rush_of_callers_asks_once_and_the_next_asks_anew() -> None:
    question = Question()
    flight = SingleFlight(question, seconds=5, what="it")

    rush = [asyncio.create_task(flight.result()) for _ in range(50)]
    await asyncio.sleep(0)
    question.answered.set()

    assert await asyncio.gather(*rush) == [1] * 50
    assert await flight.result() == 2


async def test_every_caller_hears_of_a_fault_and_the_next_asks_anew() -> None:
    question = Question(Unavailable("down"))
    flight = SingleFlight(question, seconds=5, what="it")
    question.answered.set()

    heard = await asyncio.gather(*[flight.result() for _ in range(3)], return_exceptions=True)

    assert [str(each) for each in heard] == ["down"] * 3
    assert question.asked == 1
    with pytest.raises(Unavailable):
        await flight.result()
    assert question.asked == 2


async def test_who_waits_too_long_is_told_and_the_question_goes_on_for_the_others() -> None:
    question = Question()
    flight = SingleFlight(question, seconds=0.01, what="the keys")

    with pytest.raises(Unavailable, match="the keys can't be read in time"):
        await flight.result()
    question.answered.set()

    assert await flight.result() == 1


async def test_a_caller_who_goes_away_takes_the_question_from_nobody() -> None:
    question = Question()
    flight = SingleFlight(question, seconds=5, what="it")
    first, second = (asyncio.create_task(flight.result()) for _ in range(2))
    await asyncio.sleep(0)

    first.cancel()
    question.answered.set()

    assert await second == 1
