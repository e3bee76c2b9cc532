"""Messages that end whoever touches them, and the dead letters that come of what was given up."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.faults import crew
from tests.faults.checker import judge
from tests.faults.ends import opened, read_ends, until_settled
from tests.faults.extent import extent
from tests.faults.fleet import Fleet
from tests.faults.provider_script import Answer, Script
from tests.faults.registrations import addresses, register_all

#: those who register beside the poisonous one, and dead letters that two operators replay
NEIGHBOURS, LETTERS = extent(20, 500), extent(50, 1_000)
#: workers that a message may end before it is given up
MOST_DEATHS = 3

pytestmark = [pytest.mark.slow, pytest.mark.full, pytest.mark.timeout(extent(120, 300))]


@pytest.fixture
def fleet(tmp_path: Path, postgres_url: str, redis_url: str) -> Iterator[Fleet]:
    settings = {
        "TIDINGS_DATABASE_URL": postgres_url,
        "TIDINGS_REDIS_URL": redis_url,
        "TIDINGS_LEASE_SECONDS": "2",
        "TIDINGS_BEAT_SECONDS": "0.5",
    }
    with Fleet(tmp_path, settings) as fleet:
        fleet.start_api()
        fleet.start("notification-1", *crew.NOTIFICATION)
        yield fleet


@pytest.mark.fault("F31")
async def test_a_message_that_ends_its_workers_is_given_up_and_its_neighbours_go_out(
    fleet: Fleet, postgres_url: str, tell: list[str]
) -> None:
    asked = await register_all(fleet.url, ["poison@example.com", *addresses(NEIGHBOURS)])

    deaths = 0
    async with opened(postgres_url) as store:
        settled = asyncio.create_task(until_settled(store))
        while not settled.done():
            fleet.start("channel", "tests.faults.fail_point", "poison", "1", *crew.CHANNEL)
            dying = asyncio.create_task(fleet.ended("channel", seconds=60))
            await asyncio.wait({settled, dying}, return_when=asyncio.FIRST_COMPLETED)
            deaths += dying.done()
        dying.cancel()
        await asyncio.to_thread(fleet.kill, "channel")
        before = judge(asked, fleet.provider.taken, await read_ends(store))

        fleet.start("channel", *crew.CHANNEL)
        kept_back = await replay(fleet.url)
        replayed = await replay(fleet.url, in_doubt=True)
        await fleet.until_taken(len(before.explained) + NEIGHBOURS + 1)
        await until_settled(store)
        after = judge(asked, fleet.provider.taken, await read_ends(store))
    tell.append(
        f"F31 a poisonous message among {NEIGHBOURS}: {deaths} deaths, then {before.unsent}; "
        f"replayed {replayed}: {after}"
    )
    assert deaths == MOST_DEATHS
    assert before.unsent == {"poison@example.com": "failed"}
    assert not before.broken
    assert (kept_back, replayed) == (0, 1), "it may have gone out: who replays it must say so"
    assert not after.unsent
    assert not after.broken


@pytest.mark.fault("F32")
async def test_dead_letters_that_two_replay_at_once_go_out_once(
    fleet: Fleet, postgres_url: str, tell: list[str]
) -> None:
    fleet.start("channel", *crew.CHANNEL)
    fleet.provider.play(Script(answer=Answer.REFUSE, status=554))
    asked = await register_all(fleet.url, addresses(LETTERS))
    async with opened(postgres_url) as store:
        await until_settled(store)
        fleet.provider.play(Script())

        replaying = asyncio.gather(replay(fleet.url), replay(fleet.url), return_exceptions=True)
        await fleet.until_taken(1)
        await asyncio.to_thread(fleet.kill, "api")
        await replaying
        await asyncio.to_thread(fleet.start_api)
        rest = await asyncio.gather(replay(fleet.url), replay(fleet.url))
        await fleet.until_taken(LETTERS)
        await until_settled(store)
        verdict = judge(asked, fleet.provider.taken, await read_ends(store))
    tell.append(
        f"F32 {LETTERS} dead letters replayed by two at once, the API killed meanwhile and asked "
        f"again ({sum(rest)} were left): {verdict}"
    )
    assert not verdict.broken
    assert not verdict.explained
    assert not verdict.unsent


async def replay(url: str, *, in_doubt: bool = False) -> int:
    """Replay all dead letters; how many this caller replayed."""
    replayed, before = 0, None
    wanted = {"all": True, "in_doubt": in_doubt}
    async with aiohttp.ClientSession(url) as http:
        while True:
            body = wanted | ({} if before is None else {"before": before})
            async with http.post("/v1/dead-letters/replay", json=body) as answer:
                assert answer.status == 200, await answer.text()
                told = await answer.json()
            replayed, before = replayed + int(told["replayed"]), told["next"]
            if before is None:
                return replayed
