"""Two installations that can be backed up, lost and restored, by the commands of the page."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from tests.faults.fleet import ROOT, Fleet
from tests.servers import lifeline
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer
from tidings.core.clock import SystemClock
from tidings.core.ports import Store
from tidings.store.postgres import PostgresStore
from tidings.store.sqlite import SqliteStore

PAGE = ROOT / "docs/howto/production.md"


class Installation(Protocol):
    """What the test of backups does with an installation."""

    def start(self) -> None:
        """Start every process."""
        ...

    def die(self) -> None:
        """End every process by SIGKILL."""
        ...

    def back_up(self) -> None:
        """By the page, while the processes run."""
        ...

    def lose(self) -> None:
        """Everything but the backup is gone."""
        ...

    def restore(self) -> None:
        """By the page."""
        ...

    async def open(self) -> Store:
        """The store; on SQLite only while no process runs."""
        ...


class OnPostgres:
    """Separate processes on PostgreSQL and Redis."""

    def __init__(
        self, fleet: Fleet, tools: Path, url: str, server: PostgresServer, redis: RedisServer
    ) -> None:
        self._fleet = fleet
        self._url = url
        self._server = server
        self._redis = redis
        self._environment = {
            **lifeline.ENVIRONMENT,
            "PATH": f"{tools}:{lifeline.ENVIRONMENT['PATH']}",
            "TIDINGS_DATABASE_URL": url,
            "MAINTENANCE_URL": server.url,
        }

    def start(self) -> None:
        self._fleet.start_api()
        self._fleet.start("notification", "tidings.notification_worker")
        self._fleet.start("channel", "tidings.channel_worker", "email")
        self._fleet.start("analytics", "tidings.analytics_worker")

    def die(self) -> None:
        self._fleet.kill("api", "notification", "channel", "analytics")

    def back_up(self) -> None:
        run_commands("back up PostgreSQL", self._fleet.folder, self._environment)

    def lose(self) -> None:
        self._server.drop_database(self._url)
        self._redis.flush()

    def restore(self) -> None:
        run_commands("restore PostgreSQL", self._fleet.folder, self._environment)

    async def open(self) -> Store:
        return await PostgresStore.open(self._url, clock=SystemClock())


class OnSqlite:
    """The one process on its file."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._folder = fleet.folder
        self._environment = {**lifeline.ENVIRONMENT, "PATH": _path_of_python()}

    def start(self) -> None:
        self._fleet.start_api("tidings.notification_system")

    def die(self) -> None:
        self._fleet.kill("api")

    def back_up(self) -> None:
        run_commands("back up SQLite", self._folder, self._environment)

    def lose(self) -> None:
        """The file is overwritten, and a log of the old one lies beside it."""
        assert (self._folder / "tidings.db-wal").exists()
        (self._folder / "tidings.db").write_bytes(b"lost")

    def restore(self) -> None:
        run_commands("restore SQLite", self._folder, self._environment)

    async def open(self) -> Store:
        return await SqliteStore.open(self._folder / "tidings.db", clock=SystemClock())


def run_commands(purpose: str, folder: Path, environment: Mapping[str, str]) -> None:
    """Run the very commands that the page gives for a purpose."""
    done = subprocess.run(
        ["bash", "-euc", commands_for(purpose, PAGE.read_text(encoding="utf-8"))],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{purpose}: {done.stderr}"


def commands_for(purpose: str, page: str) -> str:
    """The block that stands below the mark of a purpose."""
    found = re.search(rf"^<!-- run: {purpose} -->\n```\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert found, f"the page has no commands to {purpose}"
    return found[1]


def _path_of_python() -> str:
    python = shutil.which("python3")
    assert python
    return f"{Path(python).parent}:{lifeline.ENVIRONMENT['PATH']}"
