"""What waits goes together; what is bad fails alone; nothing taken is lost."""

import asyncio
import time
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.core.errors import Overloaded, Unavailable
from tidings.core.group_commit import GroupCommit


class Ledger:
    """A database that commits whole batches, one at a time, and can be held up."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.free = asyncio.Event()
        self.free.set()
        self.begun = asyncio.Event()
        self.down_after = 1_000_000

    @property
    def committed(self) -> list[int]:
        return [item for batch in self.batches for item in batch]

    async def commit(self, items: Sequence[int]) -> Sequence[str]:
        self.begun.set()
        await self.free.wait()
        if len(self.committed) >= self.down_after:
            raise Unavailable("the database is down", retry_after=7)
        if any(item < 0 for item in items):
            raise ValueError(f"{min(items)} is negative")
        self.batches.append(list(items))
        return [f"answer {item}" for item in items]


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


async def hold_up(ledger: Ledger, group: GroupCommit[int, str]) -> asyncio.Task[str]:
    """Submit item 0 and wait until its commit is under way and held up."""
    ledger.free.clear()
    first = asyncio.create_task(group.submit(0))
    await ledger.begun.wait()
    return first


def submit(group: GroupCommit[int, str], *items: int) -> list[asyncio.Task[str]]:
    return [asyncio.create_task(group.submit(item)) for item in items]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


async def test_an_idle_group_commits_at_once(ledger: Ledger) -> None:
    group = GroupCommit(ledger.commit)

    answer = await group.submit(7)

    assert answer == "answer 7"
    assert ledger.batches == [[7]]


async def test_what_waits_during_a_commit_goes_together_into_the_next(ledger: Ledger) -> None:
    group = GroupCommit(ledger.commit)
    first = await hold_up(ledger, group)
    others = submit(group, 1, 2, 3)
    await asyncio.sleep(0)

    ledger.free.set()
    answers = await asyncio.gather(first, *others)

    assert answers == ["answer 0", "answer 1", "answer 2", "answer 3"]
    assert ledger.batches == [[0], [1, 2, 3]]


async def test_a_batch_is_never_above_the_limit_and_keeps_the_order(ledger: Ledger) -> None:
    group = GroupCommit(ledger.commit, limit=4)
    first = await hold_up(ledger, group)
    others = submit(group, *range(1, 11))
    await asyncio.sleep(0)

    ledger.free.set()
    await asyncio.gather(first, *others)

    assert ledger.batches == [[0], [1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]


async def test_one_bad_item_fails_alone(ledger: Ledger) -> None:
    group = GroupCommit(ledger.commit)
    first = await hold_up(ledger, group)
    others = submit(group, 1, -2, 3)
    await asyncio.sleep(0)

    ledger.free.set()
    await first
    answers = await asyncio.gather(*others, return_exceptions=True)

    assert [str(answer) for answer in answers] == ["answer 1", "-2 is negative", "answer 3"]
    assert isinstance(answers[1], ValueError)
    assert ledger.committed == [0, 1, 3]


async def test_a_database_that_is_down_is_everybodys_answer_and_asked_once(
    ledger: Ledger,
) -> None:
    ledger.down_after = 1
    asked: list[int] = []

    async def commit(items: Sequence[int]) -> Sequence[str]:
        asked.append(len(items))
        return await ledger.commit(items)

    group = GroupCommit(commit)
    first = await hold_up(ledger, group)
    others = submit(group, 1, 2, 3)
    await asyncio.sleep(0)

    ledger.free.set()
    await first
    answers = await asyncio.gather(*others, return_exceptions=True)

    assert [getattr(answer, "retry_after", None) for answer in answers] == [7, 7, 7]
    assert asked == [1, 3]


async def test_all_that_waits_fails_at_once_when_the_database_is_down(ledger: Ledger) -> None:
    ledger.down_after = 0
    asked: list[int] = []

    async def commit(items: Sequence[int]) -> Sequence[str]:
        asked.append(len(items))
        return await ledger.commit(items)

    group = GroupCommit(commit, limit=2)
    first = await hold_up(ledger, group)
    others = submit(group, *range(1, 8))
    await asyncio.sleep(0)

    ledger.free.set()
    answers = await asyncio.gather(first, *others, return_exceptions=True)

    assert [type(answer) for answer in answers] == [Unavailable] * 8
    assert asked == [1]


async def test_one_bad_item_of_many_costs_few_commits(ledger: Ledger) -> None:
    asked: list[int] = []

    async def commit(items: Sequence[int]) -> Sequence[str]:
        asked.append(len(items))
        return await ledger.commit(items)

    group = GroupCommit(commit)

    answers = await asyncio.gather(*submit(group, *range(255), -1), return_exceptions=True)

    assert [answer for answer in answers if isinstance(answer, Exception)] == answers[-1:]
    assert len(asked) == 17


async def test_above_the_limit_nothing_new_is_taken_until_what_waits_is_committed(
    ledger: Ledger,
) -> None:
    group = GroupCommit(ledger.commit, most_waiting=3)
    first = await hold_up(ledger, group)
    others = submit(group, 1, 2, 3)
    await asyncio.sleep(0)

    with pytest.raises(Overloaded, match="3 wait"):
        await group.submit(4)
    ledger.free.set()
    await asyncio.gather(first, *others)

    assert await group.submit(5) == "answer 5"
    assert ledger.committed == [0, 1, 2, 3, 5]


async def test_a_database_that_goes_down_between_single_items_is_the_answer_of_the_rest(
    ledger: Ledger,
) -> None:
    ledger.down_after = 1
    group = GroupCommit(ledger.commit)

    answers = await asyncio.gather(*submit(group, 1, -2, 3), return_exceptions=True)

    assert [type(answer) for answer in answers] == [str, Unavailable, Unavailable]
    assert ledger.committed == [1]


async def test_after_an_outage_the_group_goes_on(ledger: Ledger) -> None:
    ledger.down_after = 0
    group = GroupCommit(ledger.commit)
    with pytest.raises(Unavailable):
        await group.submit(1)

    ledger.down_after = 1_000_000

    assert await group.submit(2) == "answer 2"


@pytest.mark.parametrize("under_way", [True, False])
async def test_a_waiter_that_gives_up_neither_breaks_nor_loses_anything(
    ledger: Ledger, under_way: bool
) -> None:
    group = GroupCommit(ledger.commit)
    first = await hold_up(ledger, group)
    others = submit(group, 1, 2)
    await asyncio.sleep(0)
    giving_up = first if under_way else others[0]

    giving_up.cancel()
    await asyncio.gather(giving_up, return_exceptions=True)
    ledger.free.set()
    await asyncio.gather(first, *others, return_exceptions=True)

    assert giving_up.cancelled()
    assert await others[1] == "answer 2"
    assert ledger.committed == [0, 1, 2]


async def test_closing_waits_for_everything_taken_and_takes_nothing_new(ledger: Ledger) -> None:
    group = GroupCommit(ledger.commit)
    first = await hold_up(ledger, group)
    others = submit(group, 1, 2)
    await asyncio.sleep(0)

    closing = asyncio.create_task(group.aclose())
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await group.submit(3)
    assert not closing.done()
    ledger.free.set()
    await closing

    assert ledger.committed == [0, 1, 2]
    assert await asyncio.gather(first, *others) == ["answer 0", "answer 1", "answer 2"]


async def test_a_waiter_is_never_left_waiting_when_the_commit_itself_is_cancelled(
    ledger: Ledger,
) -> None:
    group = GroupCommit(ledger.commit)
    first = await hold_up(ledger, group)
    other = submit(group, 1)[0]
    await asyncio.sleep(0)

    (committing,) = (task for task in asyncio.all_tasks() if task.get_name() == "group-commit")
    committing.cancel()

    async with asyncio.timeout(5):
        await asyncio.gather(first, other, return_exceptions=True)
    assert (first.cancelled(), other.cancelled()) == (True, True)


async def test_a_commit_that_answers_too_little_is_an_error_for_all() -> None:
    async def commit(items: Sequence[int]) -> Sequence[str]:
        return [""] * (len(items) - 1)

    group = GroupCommit(commit)

    answers = await asyncio.gather(*submit(group, 1, 2), return_exceptions=True)

    assert [type(answer) for answer in answers] == [ValueError, ValueError]


async def test_what_waits_too_long_is_taken_back_and_never_happens(ledger: Ledger) -> None:
    group = GroupCommit(ledger.commit, patience=0.1)
    first = await hold_up(ledger, group)

    with pytest.raises(Unavailable, match="nothing of it is"):
        await group.submit(1)
    ledger.free.set()

    assert await first == "answer 0"
    assert await group.submit(2) == "answer 2"
    assert ledger.committed == [0, 2]


async def test_the_lag_is_that_of_who_has_waited_longest(ledger: Ledger) -> None:
    group = GroupCommit(ledger.commit)
    assert (group.waiting, group.lag) == (0, 0.0)
    tasks = [await hold_up(ledger, group)]
    tasks += submit(group, 1)
    await until(lambda: group.lag > 0.05)

    tasks += submit(group, 2)
    await until(lambda: group.waiting == 2)

    assert group.lag > 0.05
    ledger.free.set()
    await asyncio.gather(*tasks)
    assert (group.waiting, group.lag) == (0, 0.0)


async def test_whose_commit_takes_too_long_is_told_that_nobody_knows(ledger: Ledger) -> None:
    group = GroupCommit(ledger.commit, longest=0.1)
    first = await hold_up(ledger, group)

    with pytest.raises(Unavailable, match="may be stored or not"):
        await first
    assert list(group.under_way) == [0]
    ledger.free.set()
    await group.aclose()

    assert ledger.committed == [0]
    assert list(group.under_way) == []


async def test_a_loop_that_stood_still_is_not_taken_for_a_slow_commit(ledger: Ledger) -> None:
    group = GroupCommit(ledger.commit, patience=0.3, longest=0.3)
    tasks = [await hold_up(ledger, group), *submit(group, 1)]
    await until(lambda: group.waiting == 1)

    def commit_while_the_loop_stands_still() -> None:
        asyncio.get_running_loop().call_soon(ledger.free.set)
        time.sleep(0.6)  # standing still is the fault

    asyncio.get_running_loop().call_soon(commit_while_the_loop_stands_still)

    assert await asyncio.gather(*tasks) == ["answer 0", "answer 1"]


async def test_after_the_loop_stood_still_a_commit_has_its_time_all_the_same(
    ledger: Ledger,
) -> None:
    group = GroupCommit(ledger.commit, patience=0.5, longest=0.5)
    tasks = [await hold_up(ledger, group), *submit(group, 1)]
    await until(lambda: group.waiting == 1)

    time.sleep(0.6)  # noqa: ASYNC251  # standing still is the fault
    asyncio.get_running_loop().call_later(0.15, ledger.free.set)

    assert await asyncio.gather(*tasks) == ["answer 0", "answer 1"]


async def test_a_slow_commit_is_one_though_the_loop_stands_still_again_and_again(
    ledger: Ledger,
) -> None:
    group = GroupCommit(ledger.commit, patience=0.05)
    first = await hold_up(ledger, group)
    loop, stalls = asyncio.get_running_loop(), iter(range(10))

    def stand_still() -> None:
        time.sleep(0.4)
        if not refused.done() and next(stalls, None) is not None:
            loop.call_soon(stand_still)

    refused = asyncio.create_task(group.submit(1))
    loop.call_soon(stand_still)
    with pytest.raises(Unavailable, match="nothing of it is"):
        await refused
    ledger.free.set()

    assert next(stalls, None) is not None, "only refused once the loop went on"
    assert await first == "answer 0"
    assert ledger.committed == [0]


@given(items=st.lists(st.integers(-3, 30), max_size=60), limit=st.integers(1, 9))
def test_whatever_comes_the_good_is_committed_once_in_order(items: list[int], limit: int) -> None:
    ledger, answers = asyncio.run(_commit_all(items, limit))

    assert ledger.committed == [item for item in items if item >= 0]
    assert max(map(len, ledger.batches), default=0) <= limit
    assert [str(answer) for answer in answers] == [
        f"answer {item}" if item >= 0 else f"{item} is negative" for item in items
    ]


async def _commit_all(items: list[int], limit: int) -> tuple[Ledger, list[str | BaseException]]:
    ledger = Ledger()
    group = GroupCommit(ledger.commit, limit=limit)
    answers = await asyncio.gather(*submit(group, *items), return_exceptions=True)
    await group.aclose()
    return ledger, answers
