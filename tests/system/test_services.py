"""Processes that are one of several: each service alone, health of all, and a good end."""

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.fleet import Fleet, is_ready, wait_until
from tests.servers.redis import RedisServer
from tidings.core.errors import ConfigurationError
from tidings.main import SERVICES, create_app
from tidings.notification_system import NotificationSystem

WORKERS = {
    "notification": ("tidings.notification_worker",),
    "channel": ("tidings.channel_worker", "email"),
    "analytics": ("tidings.analytics_worker",),
}


@pytest.fixture
def fleet(tmp_path: Path, migrated_postgres_url: str, redis_url: str) -> Iterator[Fleet]:
    settings = {
        "TIDINGS_DATABASE_URL": migrated_postgres_url,
        "TIDINGS_REDIS_URL": redis_url,
        "TIDINGS_LOG_LEVEL": "info",
        "TIDINGS_LOG_FORMAT": "json",
    }
    with Fleet(tmp_path, settings) as fleet:
        yield fleet


def answer(url: str, method: str = "GET") -> tuple[int, str, Any]:
    """Status, body and headers."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=5) as got:
            return got.status, got.read().decode(), got.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers


async def test_each_service_alone_has_its_own_routes_and_together_they_are_the_whole() -> None:
    async with NotificationSystem(database_url="sqlite://") as system:
        whole = set(create_app(system.services).openapi()["paths"])
        parts = {
            name: set(create_app(system.services, [name]).openapi()["paths"]) for name in SERVICES
        }

    shared = set.intersection(*parts.values())
    assert shared == {"/v1/keys", "/v1/keys/{id}", "/v1/audit", "/healthz", "/readyz", "/metrics"}
    assert set.union(*parts.values()) == whole
    assert sum(len(paths - shared) for paths in parts.values()) == len(whole - shared)
    assert "/v1/users/{id}" in parts["users"]


async def test_an_unknown_service_is_refused_with_those_there_are() -> None:
    async with NotificationSystem(database_url="sqlite://") as system:
        with pytest.raises(ConfigurationError, match="no service mail: use users"):
            create_app(system.services, ["mail"])


def test_every_worker_tells_of_health_readiness_and_metrics_and_drains_when_asked(
    fleet: Fleet,
) -> None:
    urls = {name: fleet.start_with_health(name, *command) for name, command in WORKERS.items()}
    for name, url in urls.items():
        wait_until(lambda url=url: is_ready(url), f"{name} is ready", fleet.log)  # type: ignore[misc]  # bound now

        assert answer(f"{url}/healthz")[0] == 200
        assert json.loads(answer(f"{url}/readyz")[1])["checks"] == {"database": "ok", "bus": "ok"}
        assert "tidings_" in answer(f"{url}/metrics")[1]
        assert answer(f"{url}/v1/keys")[0] == 404
        assert fleet.terminate(name) <= 10
        assert '"event":"stopped"' in fleet.log(name)


def test_a_process_without_its_bus_is_ready_and_says_what_is_missing(
    fleet: Fleet, redis_server: RedisServer
) -> None:
    url = fleet.start_with_health("analytics", *WORKERS["analytics"])
    wait_until(lambda: is_ready(url), "it is ready", fleet.log)

    redis_server.stop()
    status, body, _ = answer(f"{url}/readyz")
    redis_server.start()

    assert status == 200
    assert "TIDINGS_REDIS_URL" in json.loads(body)["checks"]["bus"]


def test_an_api_that_stops_says_so_and_answers_on_while_it_lingers(fleet: Fleet) -> None:
    fleet.start_api(TIDINGS_LINGER_SECONDS="3")

    fleet.ask_to_end("api")
    wait_until(lambda: answer(f"{fleet.url}/readyz")[0] == 503, "it says that it stops", fleet.log)
    said = json.loads(answer(f"{fleet.url}/readyz")[1])
    status, _, headers = answer(f"{fleet.url}/register?email=ann@example.com", "POST")

    assert said["checks"]["process"] == "stopping: ask another one"
    assert status == 202
    assert headers["Connection"] == "close"
    assert fleet.terminate("api") <= 10


@pytest.mark.parametrize("server", ["uvicorn"])
def test_another_server_runs_the_app_by_its_name_and_ends_with_open_streams(
    fleet: Fleet, server: str
) -> None:
    fleet.start_program(
        "api", [sys.executable, "-m", server, "tidings.main:app", "--port", str(fleet.port)]
    )
    wait_until(lambda: is_ready(fleet.url), "it is ready", fleet.log)

    status, _, _ = answer(f"{fleet.url}/register?email=ann@example.com", "POST")
    stream = urllib.request.urlopen(f"{fleet.url}/outbox/stream", timeout=5)

    assert status == 202
    assert fleet.terminate("api") <= 10
    stream.close()


def test_the_app_by_its_name_says_in_a_sentence_what_it_lacks(tmp_path: Path) -> None:
    with Fleet(tmp_path, {"TIDINGS_DATABASE_URL": "sqlite://"}) as fleet:
        fleet.start_program("api", [sys.executable, "-m", "uvicorn", "tidings.main:app"])

        assert fleet.wait("api") != 0
        assert "TIDINGS_REDIS_URL" in fleet.log("api")
        assert "Traceback" not in fleet.log("api")
