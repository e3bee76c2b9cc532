"""A private PostgreSQL on a Unix socket, or the one TIDINGS_TEST_DATABASE_URL names."""

import asyncio
import os
import signal
import uuid
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from tests.servers import lifeline
from tests.servers.binaries import find_postgres
from tests.servers.missing import unavailable
from tests.servers.process import PrivateServer
from tests.servers.relocate import reachable_by_nobody

VARIABLE = "TIDINGS_TEST_DATABASE_URL"
OBJECTS = """
SELECT count(*) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
"""
T = TypeVar("T")


class PostgresServer(Protocol):
    """What a test may do with its PostgreSQL."""

    @property
    def url(self) -> str: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...
    def restart(self) -> None: ...
    def create_database(self, template: str = "template0") -> str: ...
    def drop_database(self, url: str) -> None: ...
    def close(self) -> None: ...


class Databases:
    """Databases made and dropped by way of the maintenance database `url` names."""

    url: str

    def create_database(self, template: str = "template0") -> str:
        """A fresh database, empty or the copy of another by name or address; its address."""
        name = f"test_{uuid.uuid4().hex}"
        origin = urlsplit(template).path.removeprefix("/")
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{origin}"')
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))

    def drop_database(self, url: str) -> None:
        """Drop it, cutting off whoever is still connected."""
        name = urlsplit(url).path.removeprefix("/")
        self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _execute(self, statement: str) -> None:
        ask(self.url, lambda connection: connection.execute(statement))


class PrivatePostgres(Databases, PrivateServer):
    """What is committed survives every restart, as in production."""

    name = "postgres"
    stop_signal = signal.SIGINT
    as_nobody = True

    def __init__(self, binaries: Path) -> None:
        super().__init__()
        self._binaries = reachable_by_nobody(binaries, beside=self.folder)
        self._initdb()

    @property
    def url(self) -> str:  # type: ignore[override]  # read-only here, a plain field elsewhere
        return f"postgresql://tidings@/postgres?host={self.folder}"

    def command(self) -> Sequence[str | Path]:
        settings = ["listen_addresses=", "max_connections=200"]
        options = [word for setting in settings for word in ("-c", setting)]
        return [self._binaries / "postgres", "-D", self._data, "-k", self.folder, *options]

    def kill(self) -> None:
        """End every process of it: one that outlives the first would answer for a moment."""
        children = self._children()
        super().kill()
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)

    def _children(self) -> Sequence[int]:
        if self._process is None:
            return ()
        listed = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return [int(child) for child in listed.read_text().split()] if listed.exists() else ()

    def is_ready(self) -> bool:
        probe: Sequence[str | Path] = [self._binaries / "pg_isready", "-q", "-h", self.folder]
        return lifeline.run(probe, folder=self.folder, as_nobody=True) == 0

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _initdb(self) -> None:
        options = ["-U", "tidings", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]
        command: Sequence[str | Path] = [self._binaries / "initdb", "-D", self._data, *options]
        if lifeline.run(command, folder=self.folder, as_nobody=True) != 0:
            raise RuntimeError(f"initdb failed:\n{self.log()[-2000:]}")


class GivenPostgres(Databases):
    """Somebody else's server: databases are made beside the given one; it is never stopped."""

    def __init__(self, url: str) -> None:
        self.url = url

    def start(self) -> None:
        """It runs already."""

    def stop(self) -> None:
        unavailable(f"needs a PostgreSQL of its own to stop: unset {VARIABLE}")

    kill = restart = stop

    def close(self) -> None:
        """It stays."""


def open_postgres() -> PostgresServer:
    """The ladder: the variable, the system's binaries, the wheel's binaries."""
    given = os.environ.get(VARIABLE)
    if given:
        if ask(given, lambda connection: connection.fetchval(OBJECTS)):
            pytest.fail(
                f"the database in {VARIABLE} is not empty; it was left alone", pytrace=False
            )
        return GivenPostgres(given)
    binaries = find_postgres()
    if binaries is None:
        unavailable("no PostgreSQL: install it, or set " + VARIABLE)
    server = PrivatePostgres(binaries)
    server.start()
    return server


def ask(url: str, question: Callable[[Any], Awaitable[T]]) -> T:
    """Put one question on a connection of its own; on a thread, for a loop may be running here."""

    async def connect_and_ask() -> T:
        connection = await asyncpg.connect(url)
        try:
            return await question(connection)
        finally:
            await connection.close()

    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, connect_and_ask()).result()
