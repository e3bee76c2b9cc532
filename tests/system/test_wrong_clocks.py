"""A worker whose clock is wrong goes by the database's."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.system.house import open_house
from tests.system.post_office import PostOffice
from tidings.core.errors import TransientError
from tidings.core.ports import Store
from tidings.store import schema
from tidings.testing.clock import MovableClock

AHEAD = pytest.mark.parametrize("minutes", [11, -11])


@pytest.fixture
async def office(store: Store) -> AsyncIterator[PostOffice]:
    """On each database."""
    clock = MovableClock()
    async with open_house(store, clock=clock) as house:
        yield PostOffice(store=store, house=house, clock=clock)


def off_by(minutes: float) -> MovableClock:
    clock = MovableClock()
    clock.advance(minutes=minutes)
    return clock


async def expire_in(office: PostOffice, minutes: float) -> None:
    """What is planned is of use for so long still, by the database's clock."""
    await office.change(expires_at=await office.store.now() + timedelta(minutes=minutes))


@AHEAD
async def test_what_is_still_of_use_is_sent(office: PostOffice, minutes: int) -> None:
    await office.plan_welcomes()
    await expire_in(office, 10)

    await office.service(clock=off_by(minutes)).work()

    assert (await office.states(), len(office.provider.messages)) == (["sent"], 1)


@AHEAD
async def test_what_is_of_no_use_any_more_is_not_sent(office: PostOffice, minutes: int) -> None:
    await office.plan_welcomes()
    await expire_in(office, -5)

    await office.service(clock=off_by(minutes)).work()

    assert (await office.states(), office.provider.messages) == (["expired"], [])


@AHEAD
async def test_how_long_it_is_tried_counts_from_when_it_was_planned(
    office: PostOffice, minutes: int
) -> None:
    await office.plan_welcomes()
    await office.change(policy={"retry": {"max_age": 600}})
    office.provider.script([TransientError("421 busy")])

    await office.service(clock=off_by(minutes)).work()

    assert await office.states() == ["pending"]


@AHEAD
async def test_its_calls_are_on_record_at_the_time_of_the_database(
    office: PostOffice, minutes: int
) -> None:
    await office.plan_welcomes()
    before = await office.store.now()

    await office.service(clock=off_by(minutes)).work()

    (call,) = await office.rows(schema.attempts)
    near = timedelta(seconds=5)
    assert before - near < call["started_at"] <= call["finished_at"]
    assert call["finished_at"] < await office.store.now() + near
