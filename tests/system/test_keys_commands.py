"""The commands about keys against a running system, and that a key is nowhere to be found after."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import redis
import sqlalchemy as sa

from tests.faults.fleet import Fleet
from tests.servers import lifeline
from tests.servers.redis import RedisServer
from tidings.core.clock import SystemClock
from tidings.core.ports import Store
from tidings.store.postgres import PostgresStore
from tidings.store.schema import metadata


@pytest.fixture
def settings(migrated_postgres_url: str, redis_url: str) -> Mapping[str, str]:
    return {
        "TIDINGS_DATABASE_URL": migrated_postgres_url,
        "TIDINGS_REDIS_URL": redis_url,
        "TIDINGS_LOG_LEVEL": "debug",
    }


@pytest.fixture
def fleet(tmp_path: Path, settings: Mapping[str, str]) -> Iterator[Fleet]:
    with Fleet(tmp_path, settings) as fleet:
        fleet.start_api()
        fleet.start("notification", "tidings.notification_worker")
        yield fleet


def tidings(fleet: Fleet, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """A command as somebody types it."""
    environment = {**lifeline.ENVIRONMENT, "TIDINGS_URL": fleet.url, **settings}
    command = [sys.executable, "-m", "tidings", *words]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=30, check=False
    )


def make(fleet: Fleet, *words: str, **settings: str) -> str:
    made = tidings(fleet, "keys", "create", *words, "--json", **settings)
    assert made.returncode == 0, made.stderr
    return str(json.loads(made.stdout)["key"])


def test_keys_are_made_used_listed_and_revoked_from_the_command_line(fleet: Fleet) -> None:
    admin = make(fleet, "root", "--scope", "admin")
    shop = make(fleet, "shop", "--scope", "trigger", "--expires", "90d", TIDINGS_API_KEY=admin)

    sent = tidings(fleet, "send", "ann@example.com", "Hello", TIDINGS_API_KEY=shop)
    peeked = tidings(fleet, "keys", "list", TIDINGS_API_KEY=shop)
    listed = tidings(fleet, "keys", "list", TIDINGS_API_KEY=admin)
    ended = tidings(fleet, "keys", "revoke", shop.split("_")[1], TIDINGS_API_KEY=admin)
    refused = tidings(fleet, "send", "ann@example.com", "Hello", TIDINGS_API_KEY=shop)
    keyless = tidings(fleet, "send", "ann@example.com", "Hello")

    assert sent.returncode == 0, sent.stderr
    assert (peeked.returncode, "scope admin" in peeked.stderr) == (1, True)
    assert [line.split()[1:3] for line in listed.stdout.splitlines()] == [
        ["live", "admin"],
        ["live", "trigger"],
    ]
    assert ended.returncode == 0, ended.stderr
    assert (refused.returncode, "revoked" in refused.stderr) == (1, True)
    assert keyless.returncode == 1
    assert "needs a key: set TIDINGS_API_KEY" in keyless.stderr


def test_a_key_is_written_into_the_database_itself_where_none_is_left(
    fleet: Fleet, settings: Mapping[str, str]
) -> None:
    lost = make(fleet, "root", "--scope", "admin")
    tidings(fleet, "keys", "revoke", lost.split("_")[1], TIDINGS_API_KEY=lost)

    found = make(fleet, "rescue", "--scope", "admin", "--direct", **settings)

    listed = tidings(fleet, "keys", "list", TIDINGS_API_KEY=found)
    assert listed.returncode == 0, listed.stderr
    assert "tidings keys create --direct" in tidings_audit(fleet, found)


#: what is asked for, and a part of the sentence that refuses it
REFUSED = (
    (("shop", "--scope", "trigger"), "first key must be an admin's"),
    (("shop", "--scope", "admin", "--expires", "soon"), "--expires must look like"),
    (("shop", "--scope", "everything"), "everything"),
    (("shop",), "--scope"),
    (("", "--scope", "admin"), "name"),
)


def test_what_is_wrong_with_a_wanted_key_is_said_and_none_is_made(fleet: Fleet) -> None:
    for words, sentence in REFUSED:
        refused = tidings(fleet, "keys", "create", *words)

        assert refused.returncode != 0, words
        assert sentence in refused.stderr

    assert "There are no keys yet" in tidings(fleet, "keys", "list").stdout


async def test_no_key_is_found_in_the_database_the_bus_the_logs_or_the_process_list(
    fleet: Fleet, settings: Mapping[str, str], redis_server: RedisServer
) -> None:
    admin = make(fleet, "root", "--scope", "admin")
    shop = make(fleet, "shop", "--scope", "trigger", TIDINGS_API_KEY=admin)
    tidings(fleet, "send", "ann@example.com", "Hello", TIDINGS_API_KEY=shop)
    tidings(fleet, "send", "ann@example.com", "Hello", TIDINGS_API_KEY=shop[:-1])
    store = await PostgresStore.open(settings["TIDINGS_DATABASE_URL"], clock=SystemClock())

    places = {
        "database": await dump(store),
        "bus": everything_in(redis_server),
        "logs": fleet.log(),
        "process list": process_list(),
    }
    await store.aclose()

    assert shop.split("_")[1] in places["database"], "the search looks where keys are kept"
    for place, content in places.items():
        for key in (admin, shop):
            assert key.rpartition("_")[2] not in content, place


def tidings_audit(fleet: Fleet, key: str) -> str:
    """The audit as the API gives it."""
    headers = {"Authorization": f"Bearer {key}"}
    asked = urllib.request.Request(f"{fleet.url}/v1/audit", headers=headers)
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return str(answer.read().decode())


async def dump(store: Store) -> str:
    """Every row of every table."""

    def rows(connection: sa.Connection) -> str:
        found = [connection.execute(sa.select(one)).all() for one in metadata.sorted_tables]
        return str(found)

    return await store.run(rows)


def everything_in(server: RedisServer) -> str:
    with redis.Redis.from_url(server.url) as client:
        return str([client.dump(key) for key in client.scan_iter()])


def process_list() -> str:
    commands = Path("/proc").glob("[0-9]*/cmdline")
    return "\n".join(text for path in commands if (text := _read(path)))


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:
        return ""
