"""Workers that die at one exact point: what they had in hand is finished, and repeated only there.

Each worker has one delivery in hand, so a repeat belongs to the life that made the call before.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path

import pytest

from tests.faults import crew
from tests.faults.checker import judge
from tests.faults.ends import opened, read_ends, until_settled
from tests.faults.extent import extent
from tests.faults.fail_point import KILLED
from tests.faults.fleet import Fleet
from tests.faults.provider_ledger import Call
from tests.faults.registrations import registering

LIVES, SEED = extent(1, 50), 2
SENDING = (
    "before_intent",
    "after_intent",
    "before_send",
    "after_send",
    "before_result",
    "after_result",
)
PLANNING = ("before_plan", "after_plan", "before_publish", "after_publish", "before_ack")
#: between the provider's yes and its being on record
AMBIGUOUS = frozenset({"after_send", "before_result"})
#: the claim may be that of the reserved slots, which is made while a call is under way
BESIDE_A_CALL = "before_intent"
SAFE = tuple(point for point in SENDING if point not in AMBIGUOUS | {BESIDE_A_CALL})
#: registrations a second: every worker finds work at any time
PACE = extent(25.0, 3.0)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.fault("F2"),
    pytest.mark.timeout(extent(120, 3_600)),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """A worker's, from its start to its end at a point."""

    point: str
    began: float
    ended: float


@pytest.fixture
def fleet(tmp_path: Path, postgres_url: str, redis_url: str) -> Iterator[Fleet]:
    settings = {
        "TIDINGS_DATABASE_URL": postgres_url,
        "TIDINGS_REDIS_URL": redis_url,
        "TIDINGS_SLOTS": "1",
        "TIDINGS_LEASE_SECONDS": "2",
        "TIDINGS_BEAT_SECONDS": "0.5",
    }
    with Fleet(tmp_path, settings) as fleet:
        fleet.start_api()
        yield fleet


async def test_a_worker_may_die_anywhere_and_only_a_call_without_an_answer_is_repeated(
    fleet: Fleet, postgres_url: str, tell: list[str]
) -> None:
    async with registering(fleet.url, pace=PACE) as asked:
        lives, _ = await asyncio.gather(
            live_and_die(fleet, "channel", SENDING, *crew.CHANNEL),
            live_and_die(fleet, "notification", PLANNING, *crew.NOTIFICATION),
        )

    async with opened(postgres_url) as store:
        await until_settled(store, seconds=extent(120, 900))
        verdict = judge(asked, fleet.provider.taken, await read_ends(store))
    repeats = repeated_by(lives, fleet.provider.taken)
    told = ", ".join(f"{point} {repeats[point]}" for point in SENDING)
    tell.append(
        f"F2 each of {len(SENDING) + len(PLANNING)} points × {LIVES}, seed {SEED}: "
        f"{len(asked)} accepted, {verdict}; repeats by point: {told}"
    )
    assert not verdict.broken
    assert set(verdict.unsent.values()) <= {"failed"}, "three workers died with it, and it says so"
    assert repeats.total() == verdict.explained.total()
    assert repeats.total() + len(verdict.unsent) >= LIVES * len(AMBIGUOUS) * 0.9
    assert sum(repeats[point] for point in SAFE) <= LIVES * len(SAFE) * 0.02, (
        "but for what a worker had just sent when it came to its point"
    )


async def live_and_die(fleet: Fleet, name: str, points: Sequence[str], *command: str) -> list[Life]:
    """One worker after the other, each up to its point, passed by a few times before.

    The last one lives on, so that those of the other kind still come by their points.
    """
    chance, lives = random.Random(SEED), []
    for point in chain.from_iterable(repeat(points, LIVES)):
        began = time.time()
        passage = str(chance.randint(1, 4))
        fleet.start(name, "tests.faults.fail_point", point, passage, *command)
        assert await fleet.ended(name) == KILLED
        lives.append(Life(point=point, began=began, ended=time.time()))
    fleet.start(name, *command)
    return lives


def repeated_by(lives: Sequence[Life], taken: Sequence[Call]) -> Counter[str]:
    """By point, the calls that had to be made once more; "afterwards" of those who lived on."""
    last = {call.key: index for index, call in enumerate(taken)}
    earlier = [call for index, call in enumerate(taken) if last[call.key] != index]
    return Counter(
        next((life.point for life in lives if life.began <= call.at <= life.ended), "afterwards")
        for call in earlier
    )
