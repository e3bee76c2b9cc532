"""The main job while workers are killed: what was accepted reaches its address all the same."""

import asyncio
import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.faults import crew
from tests.faults.checker import Asked, judge
from tests.faults.crew import PACE, RESUMED
from tests.faults.ends import opened, read_ends, until_settled
from tests.faults.extent import extent
from tests.faults.fleet import Fleet
from tests.faults.news import add_people, tell_all
from tests.faults.provider_ledger import Call
from tests.faults.registrations import addresses, register_all

NUMBER = extent(1_000, 10_000)
MANY, KILLS, SEED = extent(3_000, 100_000), extent(5, 200), 20_251_126
#: sends one worker has under way at once: the connections of its SMTP provider
IN_FLIGHT = 10
EVERYBODY = crew.crew(notification=2, channel=2, analytics=1)
MORTALS = crew.crew(notification=2, channel=4)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.fault("F1"),
    pytest.mark.timeout(extent(120, 1_200)),
]


@pytest.fixture
def fleet(tmp_path: Path, postgres_url: str, redis_url: str) -> Iterator[Fleet]:
    """An API on PostgreSQL and Redis; the workers are for a test to start."""
    settings = {"TIDINGS_DATABASE_URL": postgres_url, "TIDINGS_REDIS_URL": redis_url, **PACE}
    with Fleet(tmp_path, settings) as fleet:
        fleet.start_api()
        yield fleet


async def test_all_workers_are_killed_and_every_address_is_reached(
    fleet: Fleet, postgres_url: str, tell: list[str]
) -> None:
    crew.start(fleet, EVERYBODY)

    asked = await disturb(fleet, lambda: crew.restart(fleet, EVERYBODY))

    async with opened(postgres_url) as store:
        await until_settled(store)
        verdict = judge(asked, fleet.provider.taken, await read_ends(store))
        waits = await store.run(takeovers)
    silence = longest_silence(fleet.provider.taken)
    tell.append(
        f"F1 all workers killed at once: {len(asked)} accepted, {verdict}; "
        f"for {silence:.1f} s nothing was sent; taken over after {in_words(waits)}"
    )
    assert len(asked) == NUMBER
    assert not verdict.broken
    assert not verdict.unsent
    assert verdict.explained.total() <= IN_FLIGHT * 2
    assert silence <= RESUMED
    assert max(waits, default=0.0) <= RESUMED


@pytest.mark.full
async def test_workers_are_killed_one_after_the_other_and_every_address_is_reached(
    fleet: Fleet, postgres_url: str, tell: list[str]
) -> None:
    crew.start(fleet, MORTALS)
    await add_people(postgres_url, MANY)

    asked, _ = await asyncio.gather(
        tell_all(fleet.url, MANY), kill_again_and_again(fleet, random.Random(SEED))
    )

    async with opened(postgres_url) as store:
        await until_settled(store, seconds=300)
        verdict = judge(asked, fleet.provider.taken, await read_ends(store))
        waits = await store.run(takeovers)
    silence = longest_silence(fleet.provider.taken)
    tell.append(
        f"F1 {KILLS} kills, {len(MORTALS)} workers, seed {SEED}: {len(asked)} accepted, {verdict}; "
        f"for {silence:.1f} s nothing was sent; what the dead had in hand, behind the backlog, "
        f"taken over after {in_words(waits)}"
    )
    assert len(asked) == MANY
    assert not verdict.broken
    assert not verdict.unsent
    assert verdict.explained.total() <= IN_FLIGHT * KILLS
    assert waits, "nobody died with work in hand"
    assert max(waits) <= RESUMED


async def test_the_one_process_on_sqlite_is_killed_and_every_address_is_reached(
    tmp_path: Path, tell: list[str]
) -> None:
    database = tmp_path / "tidings.db"
    with Fleet(tmp_path, {"TIDINGS_DATABASE_URL": f"sqlite:///{database}", **PACE}) as fleet:
        fleet.start_api("tidings.notification_system")

        asked = await disturb(fleet, lambda: restart_system(fleet))
        await fleet.until_sent(NUMBER)
        assert await asyncio.to_thread(fleet.terminate, "api") <= 10

    async with opened(database) as store:
        verdict = judge(asked, fleet.provider.taken, await read_ends(store))
    tell.append(f"F1 the one process on SQLite killed: {len(asked)} accepted, {verdict}")
    assert len(asked) == NUMBER
    assert not verdict.broken
    assert not verdict.unsent
    assert verdict.explained.total() <= IN_FLIGHT


def restart_system(fleet: Fleet) -> None:
    fleet.kill("api")
    fleet.start_api("tidings.notification_system")


async def disturb(fleet: Fleet, fault: Callable[[], None]) -> dict[str, Asked]:
    """Register everybody; the fault strikes once, when 30 to 70 % have arrived."""

    async def strike() -> None:
        await fleet.until_taken(round(NUMBER * 0.4))
        struck_at = len(fleet.provider.taken)
        await asyncio.to_thread(fault)
        assert 0.3 * NUMBER <= struck_at <= 0.7 * NUMBER, f"struck at {struck_at} of {NUMBER}"

    asked, _ = await asyncio.gather(register_all(fleet.url, addresses(NUMBER)), strike())
    return asked


async def kill_again_and_again(fleet: Fleet, chance: random.Random) -> None:
    """One at a time, spread over the whole run; each is started again at once."""
    for taken in sorted(chance.sample(range(1, round(MANY * 0.95)), KILLS)):
        await fleet.until_taken(taken)
        victim = chance.choice(sorted(MORTALS))
        await asyncio.to_thread(fleet.kill, victim)
        await asyncio.to_thread(fleet.start, victim, *MORTALS[victim])


def longest_silence(taken: Sequence[Call]) -> float:
    """The most seconds between two messages in a row."""
    return max(later.at - call.at for call, later in pairwise(taken))


def takeovers(connection: sa.Connection) -> Sequence[float]:
    """Seconds from each claim whose worker died to the next claim of the same delivery.

    That is longer than from the death on, which came after the claim.
    """
    query = """
    SELECT extract(epoch FROM later.started_at - lapsed.started_at)::float8
    FROM attempts lapsed JOIN attempts later
      ON later.delivery_id = lapsed.delivery_id AND later.epoch = lapsed.epoch + 1
    WHERE lapsed.outcome = 'unknown' AND lapsed.finished_at IS NULL
    """
    return connection.scalars(sa.text(query)).all()


def in_words(waits: Sequence[float]) -> str:
    if len(waits) < 2:
        return "nothing to speak of"
    ranks = statistics.quantiles(waits, n=100, method="inclusive")
    return f"p50 {ranks[49]:.1f} s, p99 {ranks[98]:.1f} s, at most {max(waits):.1f} s"
