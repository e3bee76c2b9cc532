"""The workflows of an installation: kept as JSON, by version, changed at start or over HTTP."""

import importlib
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import orjson
import sqlalchemy as sa

from tidings.core.clock import Clock
from tidings.core.errors import ConfigurationError, NotFound, Unavailable
from tidings.core.logs import get_logger
from tidings.core.ports import Store
from tidings.notifications.builtin import BUILT_IN
from tidings.notifications.catalog import WorkflowSet
from tidings.notifications.workflow import Workflow
from tidings.store import definitions
from tidings.store.schema import workflows as table
from tidings.store.upsert import insert

_log = get_logger("workflows")

#: seconds after which a process asks whether another one changed the workflows
_FRESH = 5.0


class WorkflowService:
    """Keeps workflows; every version stays for what waits in it."""

    def __init__(self, store: Store, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._known: WorkflowSet | None = None
        self._read_at = 0.0

    async def put(self, workflow: Workflow) -> bool:
        """Publish a workflow in place of what its key had; tells whether anything changed."""
        return workflow.key in await self.register([workflow])

    async def register(self, workflows: Sequence[Workflow]) -> Sequence[str]:
        """Publish several workflows in one transaction; the keys of those that changed."""
        now = self._clock.now()
        changed = await self._store.run(lambda connection: _publish(connection, workflows, now))
        if changed:
            self._known = None
            _log.info("workflows published", workflows=changed)
        return changed

    async def load(self, modules: Sequence[str], workflows: Sequence[Workflow] = ()) -> None:
        """Register the built-in ones, those of the named modules, and `workflows`; later ones win.

        Raises ConfigurationError for a module that can't be imported or holds none.
        """
        found = [*BUILT_IN, *load_modules(modules), *workflows]
        await self.register(list({workflow.key: workflow for workflow in found}.values()))

    async def get(self, key: str) -> Workflow:
        """The published workflow of a key. Raises NotFound."""
        for workflow in (await self.read()).published:
            if workflow.key == key:
                return workflow
        raise NotFound(f"there is no workflow {key}", field="key")

    async def list(self) -> Sequence[Workflow]:
        """The published workflows, in the order of their keys."""
        return (await self.read()).published

    async def read(self) -> WorkflowSet:
        """All workflows as they are now."""
        known = await self._store.run(_read)
        self._known, self._read_at = known, time.monotonic()
        return known

    async def recent(self) -> WorkflowSet:
        """All workflows as they were at most some seconds ago, cheaply; old ones if need be."""
        known = self._known
        if known is None:
            return await self.read()
        if time.monotonic() - self._read_at >= _FRESH:
            self._read_at = time.monotonic()
            return await self._refreshed(known)
        return known

    async def _refreshed(self, known: WorkflowSet) -> WorkflowSet:
        try:
            stamp = await self._store.run(definitions.read)
            return known if stamp == known.definitions else await self.read()
        except Unavailable:
            return known


def load_modules(names: Sequence[str]) -> Sequence[Workflow]:
    """Every workflow at the top level of the named modules; the working directory is importable.

    Raises ConfigurationError naming the module and the cause.
    """
    return [workflow for name in names for workflow in _load_module(name)]


def _load_module(name: str) -> Sequence[Workflow]:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(name)
    except Exception as error:
        raise ConfigurationError(
            f"TIDINGS_WORKFLOWS names {name}, which can't be imported from {here}: "
            f"{type(error).__name__}: {error}"
        ) from error
    found = [value for value in vars(module).values() if isinstance(value, Workflow)]
    if not found:
        raise ConfigurationError(
            f"TIDINGS_WORKFLOWS names {name}, which has no Workflow at its top level."
        )
    return found


def _publish(
    connection: sa.Connection, workflows: Sequence[Workflow], now: datetime
) -> Sequence[str]:
    if not _changed(connection, workflows):
        return []
    definitions.bump(connection)  # first of all: its row lock lets one process publish at a time
    changed = _changed(connection, workflows)
    for workflow in changed:
        _replace(connection, workflow, now)
    return [workflow.key for workflow in changed]


def _changed(connection: sa.Connection, workflows: Sequence[Workflow]) -> Sequence[Workflow]:
    current = _published_versions(connection)
    return [each for each in workflows if current.get(each.key) != each.version]


def _published_versions(connection: sa.Connection) -> dict[str, str]:
    rows = connection.execute(
        sa.select(table.c.key, table.c.version).where(table.c.status == "published")
    )
    return {row.key: row.version for row in rows}


def _replace(connection: sa.Connection, workflow: Workflow, now: datetime) -> None:
    connection.execute(
        sa.update(table)
        .where(table.c.key == workflow.key, table.c.status == "published")
        .values(status="archived")
    )
    row = insert(connection, table).values(
        key=workflow.key,
        version=workflow.version,
        content=workflow.model_dump(mode="json"),
        status="published",
        created_at=now,
    )
    connection.execute(
        row.on_conflict_do_update(
            index_elements=[table.c.key, table.c.version], set_={"status": "published"}
        )
    )


def _read(connection: sa.Connection) -> WorkflowSet:
    stamp = definitions.read(connection)
    rows = connection.execute(sa.select(table).order_by(table.c.key, table.c.created_at)).all()
    found = [(row.status, Workflow.model_validate_json(orjson.dumps(row.content))) for row in rows]
    return WorkflowSet(
        definitions=stamp,
        published=tuple(each for status, each in found if status == "published"),
        versions={(each.key, each.version): each for _, each in found},
    )
