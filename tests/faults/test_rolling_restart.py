"""Every process is replaced by one of the next release, one after the other, under load."""

import asyncio
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.faults.balancer import Balancer, Ledger
from tests.faults.checker import Asked, judge
from tests.faults.ends import opened, read_ends, until_settled
from tests.faults.extent import extent
from tests.faults.fleet import Fleet, is_ready, wait_until
from tests.faults.next_release import REVISION, make_release
from tests.servers.ports import free_port

#: how long the load lasts, and its registrations a second
SECONDS, PACE = extent(5.0, 60.0), extent(100.0, 500.0)
#: seconds an API answers on while the balancer learns of its end: on a busy machine it takes longer
LINGER = str(extent(3.0, 1.5))
WORKERS = {
    "notification-1": ("tidings.notification_worker",),
    "notification-2": ("tidings.notification_worker",),
    "channel-1": ("tidings.channel_worker", "email"),
    "channel-2": ("tidings.channel_worker", "email"),
    "analytics-1": ("tidings.analytics_worker",),
    "analytics-2": ("tidings.analytics_worker",),
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]


class Roll:
    """The fleet, each process with its health at a known address."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self.apis = {name: free_port() for name in ("api-1", "api-2")}
        self.urls = {name: f"http://127.0.0.1:{port}" for name, port in self.apis.items()}

    def start(self, name: str, **settings: str) -> None:
        """Start a process by its name and wait until it is ready."""
        if name in self.apis:
            port = str(self.apis[name])
            self._fleet.start(
                name, "tidings.main", TIDINGS_PORT=port, TIDINGS_LINGER_SECONDS=LINGER, **settings
            )
        else:
            self.urls[name] = self._fleet.start_with_health(name, *WORKERS[name], **settings)
        wait_until(lambda: is_ready(self.urls[name]), f"{name} is ready", self._fleet.log)

    async def replace_all(self, number: int, release: Path) -> list[float]:
        """Replace the process of that number of each kind, at once; seconds the ends took."""
        names = [name for name in self.urls if name.endswith(f"-{number}")]
        return await asyncio.gather(
            *(asyncio.to_thread(self.replace, name, release) for name in names)
        )

    def replace(self, name: str, release: Path) -> float:
        """End a process in good order, then start the next release of it; seconds the end took."""
        took = self._fleet.terminate(name)
        self.start(name, PYTHONPATH=str(release))
        return took


@pytest.fixture
def fleet(tmp_path: Path, postgres_url: str, redis_url: str) -> Iterator[Fleet]:
    settings = {"TIDINGS_DATABASE_URL": postgres_url, "TIDINGS_REDIS_URL": redis_url}
    with Fleet(tmp_path, settings) as fleet:
        yield fleet


async def test_every_process_is_replaced_by_the_next_release_and_nobody_notices(
    fleet: Fleet, postgres_url: str, tmp_path: Path, tell: list[str]
) -> None:
    roll, release = Roll(fleet), make_release(tmp_path / "next")
    for name in (*roll.apis, *WORKERS):
        await asyncio.to_thread(roll.start, name)
    balancer = Balancer([roll.urls[name] for name in roll.apis])
    replaced = asyncio.Event()
    load = asyncio.create_task(balancer.run(pace=PACE, seconds=SECONDS, until=replaced))

    ends = [end for number in (1, 2) for end in await roll.replace_all(number, release)]
    replaced.set()
    ledger = await load

    async with opened(postgres_url) as store:
        await until_settled(store)
        asked = dict.fromkeys(ledger.accepted, Asked.OK)
        verdict = judge(asked, fleet.provider.taken, await read_ends(store))
        version = sa.text("SELECT version_num FROM alembic_version")
        assert await store.run(lambda to: to.scalar(version)) == REVISION
    tell.append(
        f"rolling restart of {len(ends)} processes to a release with a migration, "
        f"{PACE:g}/s: {len(ledger.accepted)} accepted ({in_words(ledger)}): {verdict}; "
        f"an end took at most {max(ends):.1f} s"
    )
    assert len(ledger.accepted) >= int(SECONDS * PACE)
    assert set(ledger.again) <= {"503"}
    assert not verdict.broken


def in_words(ledger: Ledger) -> str:
    again = ", ".join(f"{how} {count} times" for how, count in ledger.again.items())
    slow = [seconds * 1000 for seconds in statistics.quantiles(ledger.seconds, n=100)]
    return f"asked again: {again or 'nobody'}; p50 {slow[49]:.0f} ms, p99 {slow[98]:.0f} ms"
