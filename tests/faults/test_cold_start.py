"""Every process is started before its database and its bus: all of it comes up by itself."""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

import pytest

from tests.faults.extent import extent
from tests.faults.fleet import Fleet, is_ready, wait_until
from tests.faults.registrations import register_all
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer

#: how long database and bus are away
SECONDS = extent(3.0, 30.0)
WORKERS = {
    "channel-1": ("tidings.channel_worker", "email"),
    "channel-2": ("tidings.channel_worker", "email"),
    "analytics-1": ("tidings.analytics_worker",),
    "analytics-2": ("tidings.analytics_worker",),
    "notification-1": ("tidings.notification_worker",),
    "notification-2": ("tidings.notification_worker",),
}
#: the lines of a start: that it waits at once, and what it finds once all is there
STARTING = 4

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def fleet(
    tmp_path: Path, postgres_url: str, postgres_server: PostgresServer, redis_server: RedisServer
) -> Iterator[Fleet]:
    """The processes to come; database and bus are down until a test starts them."""
    settings = {
        "TIDINGS_DATABASE_URL": postgres_url,
        "TIDINGS_REDIS_URL": redis_server.url,
        "TIDINGS_LOG_LEVEL": "info",
        "TIDINGS_LOG_FORMAT": "json",
    }
    postgres_server.stop()
    redis_server.stop()
    with Fleet(tmp_path, settings) as fleet:
        yield fleet
    postgres_server.start()
    redis_server.start()


async def test_workers_started_before_database_and_bus_come_up_by_themselves_and_quietly(
    fleet: Fleet, postgres_server: PostgresServer, redis_server: RedisServer, tell: list[str]
) -> None:
    urls = {name: fleet.start_with_health(name, *command) for name, command in WORKERS.items()}
    fleet.start("api", "tidings.main")
    urls["api"] = fleet.url
    await until(lambda: all(map(is_waiting, urls.values())), "all wait and say so", fleet)
    await asyncio.sleep(SECONDS)  # what is measured is how much they say meanwhile
    assert not any(map(is_ready, urls.values()))

    postgres_server.start()
    await until(lambda: all(map(is_ready, urls.values())), "all are ready", fleet)
    await asyncio.sleep(SECONDS)  # the bus is still away
    redis_server.start()
    await register_all(fleet.url, ["ann@example.com"])
    await until(lambda: len(fleet.provider.taken) == 1, "the mail arrives", fleet)

    rates = {name: lines_a_second(fleet.log(name)) for name in urls}
    tell.append(
        f"cold start: {len(urls)} processes waited {SECONDS:g} s for each, "
        f"at most {max(rates.values()):.2f} log lines a second and process"
    )
    assert max(rates.values()) <= 1.0, rates


def test_the_count_of_lines_sees_a_process_that_says_too_much() -> None:
    calm = "\n".join(line(second) for second in range(60))
    hasty = "\n".join(line(second / 4) for second in range(60))

    assert lines_a_second(calm) <= 1.0 < lines_a_second(hasty)


def is_waiting(url: str) -> bool:
    """Whether a process lives and says that it waits for the database."""
    try:
        urllib.request.urlopen(f"{url}/readyz", timeout=5)
    except urllib.error.HTTPError as answer:
        return answer.code == 503 and "PostgreSQL" in answer.read().decode()
    except OSError:
        return False
    return False


def lines_a_second(log: str) -> float:
    """Lines by the time from the first to the last, without those of a start."""
    times = [moment(json.loads(one)) for one in log.splitlines() if one.startswith("{")]
    seconds = max(1.0, (max(times) - min(times)).total_seconds())
    return max(0, len(times) - STARTING) / seconds


def moment(entry: Mapping[str, str]) -> datetime:
    return datetime.fromisoformat(entry["timestamp"])


def line(second: float) -> str:
    return json.dumps({"timestamp": datetime.fromtimestamp(second).astimezone().isoformat()})


async def until(condition: Callable[[], bool], what: str, fleet: Fleet) -> None:
    await asyncio.to_thread(wait_until, condition, what, fleet.log)
