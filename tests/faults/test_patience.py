"""A provider that asks for patience gets it: `Retry-After` in all its forms, over HTTP."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.faults import crew
from tests.faults.checker import Asked, judge
from tests.faults.ends import opened, read_ends, until_settled
from tests.faults.extent import FULL, extent
from tests.faults.fleet import Fleet, until
from tests.faults.news import add_people, tell_all
from tests.faults.provider_ledger import Call
from tests.faults.provider_script import Answer, Script
from tidings.store.schema import deliveries

NUMBER = extent(20, 80)
#: seconds asked for
ASKED = 2.0
#: seconds in which a call may come that was under way when patience was asked for
UNDER_WAY = 0.3
#: the longest that anybody is waited for, and what chance may add
LONGEST, JITTER = 86_400.0, 1.25

#: what it asks for; where that is nothing, the usual wait follows, which begins with two seconds
ASKING: Mapping[str, Callable[[], str]] = {
    "seconds": lambda: f"{ASKED:g}",
    "a date": lambda: a_date_in(ASKED + 1.0),
}
NOT_ASKING: Mapping[str, Callable[[], str]] = {
    "junk": lambda: "in a while",
    "0": lambda: "0",
    "the past": lambda: a_date_in(-3600),
}
FORMS = {**ASKING, **NOT_ASKING} if FULL else ASKING

pytestmark = [
    pytest.mark.slow,
    pytest.mark.fault("F25"),
    pytest.mark.timeout(extent(120, 300)),
]


@pytest.fixture
def fleet(tmp_path: Path, postgres_url: str, redis_url: str) -> Iterator[Fleet]:
    settings = {
        "TIDINGS_DATABASE_URL": postgres_url,
        "TIDINGS_REDIS_URL": redis_url,
        "TIDINGS_EMAIL_PROVIDER": "http",
    }
    with Fleet(tmp_path, settings) as fleet:
        crew.start(fleet, crew.crew(channel=2))
        fleet.start_api()
        yield fleet


async def test_nobody_is_called_before_the_time_a_provider_asked_for(
    fleet: Fleet, postgres_url: str, tell: list[str]
) -> None:
    asked: dict[str, Asked] = {}
    told: list[str] = []
    await add_people(postgres_url, NUMBER * (len(FORMS) + 1))
    async with opened(postgres_url) as store:
        for index, (name, form) in enumerate(FORMS.items()):
            seen = len(fleet.provider.calls)
            asked |= await refuse_for_a_moment(fleet, index, form())
            await until_settled(store)
            calls = fleet.provider.calls[seen:]
            waits = waits_after_refusals(calls)
            told.append(f"{name}: waited {min(waits):.2f} to {max(waits):.2f} s")
            assert min(waits) >= ASKED
            assert name not in ASKING or not early(calls), name
        verdict = judge(asked, fleet.provider.taken, await read_ends(store))

        await refuse_for_a_moment(fleet, len(FORMS), "315360000")
        longest = await store.run(longest_wait)
    tell.append(
        f"F25 Retry-After, {NUMBER} messages each: {'; '.join(told)}; ten years: "
        f"{longest / 3600:.1f} h; {verdict}"
    )
    assert not verdict.broken
    assert not verdict.explained
    assert 0.9 * LONGEST <= longest <= LONGEST * JITTER


def a_date_in(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


async def refuse_for_a_moment(fleet: Fleet, index: int, retry_after: str) -> dict[str, Asked]:
    """An event for each of so many people; the provider takes all again as soon as it has spoken.

    So whoever calls earlier than it asked for is seen.
    """
    seen = len(fleet.provider.calls)
    fleet.provider.play(Script(answer=Answer.REFUSE, status=429, retry_afters=[retry_after]))
    asked = await tell_all(fleet.url, NUMBER, first=index * NUMBER)
    await until(lambda: len(fleet.provider.calls) > seen, "it spoke", fleet.log)
    await asyncio.sleep(UNDER_WAY)
    fleet.provider.play(Script())
    return asked


def waits_after_refusals(calls: Sequence[Call]) -> list[float]:
    """Seconds between a refusal and the next call with the same message."""
    times: dict[str, list[float]] = {}
    for call in calls:
        times.setdefault(call.key, []).append(call.at)
    return [later - at for each in times.values() for at, later in pairwise(each)]


def early(calls: Sequence[Call]) -> list[float]:
    """The calls in the time that was asked for, in seconds after it was."""
    first = min(call.at for call in calls)
    after = [call.at - first for call in calls]
    return [seconds for seconds in after if UNDER_WAY < seconds < ASKED]


def longest_wait(connection: sa.Connection) -> float:
    """In how many seconds the last delivery is due."""
    due = sa.func.max(deliveries.c.due_at) - sa.func.now()
    return float(connection.execute(sa.select(sa.func.extract("epoch", due))).scalar_one())
