"""A provider is down, slow or silent while there is another, and while there is none."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from tests.faults import crew
from tests.faults.checker import judge
from tests.faults.ends import opened, read_ends, until_settled
from tests.faults.extent import extent
from tests.faults.fleet import Fleet
from tests.faults.news import add_people, tell_all
from tests.faults.provider import ScriptedProvider
from tests.faults.provider_ledger import Call
from tests.faults.provider_script import Answer, Script
from tests.faults.registrations import registering

#: registrations a second, and seconds that each trouble lasts
PACE, TROUBLE = extent(50.0, 200.0), extent(3.0, 20.0)
#: what waits in an outage, how long it lasts, and what the provider allows in a second
WAITING, OUTAGE, LIMIT = extent(1_500, 50_000), extent(5.0, 60.0), extent(200, 1_000)
BACK = extent(30.0, 90.0)
#: seconds in which an integration that takes a message must say so, or its answer counts as lost
TIMEOUT = 2.0
#: changes between two integrations: away from the one in trouble, and back once it is well
TURNS = 2

#: answers that may come too late, so that the message is sent again elsewhere
IN_DOUBT = frozenset({Answer.LATE, Answer.SILENT})
#: in doubt are those that were called before the first of them had waited for too long, and probes
DOUBTS = 1.2 * TIMEOUT * PACE

pytestmark = [pytest.mark.slow, pytest.mark.full, pytest.mark.timeout(extent(120, 600))]


@pytest.fixture
def settings(postgres_url: str, redis_url: str) -> dict[str, str]:
    return {"TIDINGS_DATABASE_URL": postgres_url, "TIDINGS_REDIS_URL": redis_url}


@pytest.fixture
def two(tmp_path: Path, settings: dict[str, str]) -> Iterator[Fleet]:
    """East is called as long as it is well, else west."""
    settings["TIDINGS_EMAIL_PROVIDER"] = "east=http, west=http"
    settings["TIDINGS_EAST_TIMEOUT"] = f"{TIMEOUT:g}"
    with Fleet(tmp_path, settings) as fleet:
        fleet.add_provider("east")
        fleet.add_provider("west")
        crew.start(fleet, crew.crew(channel=2))
        fleet.start_api()
        yield fleet


@pytest.fixture
def limited(tmp_path: Path, settings: dict[str, str]) -> Iterator[Fleet]:
    """One integration, with a rate."""
    settings["TIDINGS_EMAIL_PROVIDER"] = "east=http"
    settings["TIDINGS_EAST_RATE"] = f"{LIMIT}/second"
    with Fleet(tmp_path, settings) as fleet:
        fleet.add_provider("east")
        crew.start(fleet, crew.crew(notification=1, channel=2))
        fleet.start_api()
        yield fleet


@pytest.mark.fault("F28")
@pytest.mark.parametrize(
    "trouble",
    [
        Script(down=True),
        Script(answer=Answer.REFUSE, status=500),
        Script(answer=Answer.LATE, seconds=1.5, share=0.2),
        Script(answer=Answer.SILENT),
    ],
    ids=["down", "refusing", "slow", "silent"],
)
async def test_another_integration_takes_over_from_one_in_trouble(
    two: Fleet, postgres_url: str, tell: list[str], trouble: Script, request: pytest.FixtureRequest
) -> None:
    east, west = two.providers["east"], two.providers["west"]
    async with registering(two.url, pace=PACE) as asked:
        await taken_by(two, east, round(PACE))
        east.play(trouble)
        began = time.time()
        await asyncio.sleep(TROUBLE)
        ended = time.time()
        east.play(Script())
        await asyncio.sleep(TROUBLE)

    async with opened(postgres_url) as store:
        await until_settled(store)
        taken = sorted([*east.taken, *west.taken], key=lambda call: call.at)
        verdict = judge(asked, taken, await read_ends(store))
    meanwhile = [call for call in taken if began <= call.at <= ended]
    turns = switches(east.taken, west.taken)
    tell.append(
        f"F28 east {request.node.callspec.id} for {TROUBLE:g} s: {verdict}; meanwhile "
        f"{len(meanwhile) / TROUBLE:.0f}/s of {PACE:g}/s, {turns} changes between the two"
    )
    assert not verdict.broken
    assert not verdict.unsent
    assert trouble.answer in IN_DOUBT or not verdict.explained, "all failed for certain"
    assert verdict.explained.total() <= DOUBTS
    assert turns <= TURNS
    assert turns or trouble.answer is Answer.LATE, "nobody took over"
    assert len(meanwhile) >= 0.6 * PACE * TROUBLE


@pytest.mark.fault("F27")
async def test_after_an_outage_the_waiting_go_out_at_the_rate_that_is_allowed(
    limited: Fleet, postgres_url: str, tell: list[str]
) -> None:
    east = limited.providers["east"]
    await add_people(postgres_url, WAITING)
    east.play(Script(answer=Answer.REFUSE, status=503))
    asked = await tell_all(limited.url, WAITING)
    await asyncio.sleep(OUTAGE)
    tried = len(east.calls)
    east.play(Script())
    back_at = time.time()

    async with opened(postgres_url) as store:
        await until_settled(store, seconds=BACK + 3 * WAITING / LIMIT)
        verdict = judge(asked, east.taken, await read_ends(store))
    calls = [call.at for call in east.calls if call.at >= back_at]
    peak = max(Counter(int(at) for at in calls).values())
    first = min(call.at for call in east.taken) - back_at
    tell.append(
        f"F27 down for {OUTAGE:g} s with {WAITING} waiting and {LIMIT}/s allowed: {tried} calls "
        f"meanwhile; first taken {first:.1f} s after, at most {peak}/s, all in "
        f"{max(calls) - back_at:.0f} s; {verdict}"
    )
    assert not verdict.broken
    assert not verdict.explained
    assert peak <= 1.5 * LIMIT


async def taken_by(fleet: Fleet, provider: ScriptedProvider, number: int) -> None:
    async with asyncio.timeout(30):
        while len(provider.taken) < number:
            await asyncio.sleep(0.02)


def switches(one: Sequence[Call], other: Sequence[Call]) -> int:
    """How often the one that most calls of a second went to was another than a second before."""
    seconds = Counter(int(call.at) for call in one)
    seconds.subtract(Counter(int(call.at) for call in other))
    leads = [seconds[at] > 0 for at in sorted(seconds) if seconds[at]]
    return sum(before is not after for before, after in pairwise(leads))
