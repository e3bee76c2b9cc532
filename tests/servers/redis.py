"""A private redis-server on a Unix socket, or the one TIDINGS_TEST_REDIS_URL names."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import pytest
import redis

from tests.servers.binaries import find_redis
from tests.servers.missing import unavailable
from tests.servers.process import PrivateServer

VARIABLE = "TIDINGS_TEST_REDIS_URL"


class RedisServer(Protocol):
    """What a test may do with its Redis."""

    @property
    def url(self) -> str: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...
    def restart(self) -> None: ...
    def flush(self) -> None: ...
    def close(self) -> None: ...


class PrivateRedis(PrivateServer):
    """It writes nothing to disk: when it goes, all it held is lost."""

    name = "redis-server"
    stop_signal = signal.SIGTERM

    def __init__(self, binary: Path) -> None:
        super().__init__()
        self._binary = binary
        self._socket = self.folder / "redis.sock"

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    def command(self) -> Sequence[str | Path]:
        options = {
            "--port": "0",
            "--unixsocket": str(self._socket),
            "--save": "",
            "--appendonly": "no",
        }
        return [self._binary, *(word for option in options.items() for word in option)]

    def is_ready(self) -> bool:
        try:
            with redis.Redis.from_url(self.url) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def flush(self) -> None:
        """Forget everything: keys, streams, scripts."""
        self.start()
        with redis.Redis.from_url(self.url) as client:
            client.flushall()
            client.script_flush()


class GivenRedis:
    """Somebody else's server: it may be emptied, never stopped."""

    def __init__(self, url: str) -> None:
        self.url = url

    def start(self) -> None:
        """It runs already."""

    def stop(self) -> None:
        unavailable(f"needs a Redis of its own to stop: unset {VARIABLE}")

    kill = restart = stop

    def flush(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            client.flushdb()

    def close(self) -> None:
        self.flush()


def open_redis() -> RedisServer:
    """The ladder: the variable, the system's binary, the wheel's binary."""
    given = os.environ.get(VARIABLE)
    if given:
        return _given(given)
    binary = find_redis()
    if binary is None:
        unavailable("no Redis: install redis-server, or set " + VARIABLE)
    server = PrivateRedis(binary)
    server.start()
    return server


def _given(url: str) -> RedisServer:
    if os.environ.get("PYTEST_XDIST_WORKER"):
        pytest.fail(f"{VARIABLE} names one server for all workers: add -n 0", pytrace=False)
    with redis.Redis.from_url(url) as client:
        if client.dbsize():
            pytest.fail(f"the Redis in {VARIABLE} is not empty; nothing was touched", pytrace=False)
    return GivenRedis(url)
