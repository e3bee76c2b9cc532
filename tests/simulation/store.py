"""The real store on SQLite, without its thread: each process has a line of its own to it."""

import asyncio
import functools
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from tests.simulation.line import Line
from tests.simulation.workflows import TEXTS, WORKFLOWS
from tidings.core.clock import Clock, SystemClock
from tidings.core.work import Installation
from tidings.notifications.catalog import WorkflowSet
from tidings.notifications.workflows import WorkflowService
from tidings.store.migrations import migrate
from tidings.store.sqlite.database import Database
from tidings.store.sqlite.store import SqliteStore
from tidings.store.sqlite.writer import Writer
from tidings.templates.catalog import TemplateCatalog
from tidings.templates.service import TemplateService
from tidings.users.service import UserService

Result = TypeVar("Result")

USERS = ("ada", "ben", "eve")
INSTALLATION = Installation(id="00000000-0000-7000-8000-000000000001", address_key=b"k" * 32)


def address_of(user: str) -> str:
    """Where a user is reached."""
    return f"{user}@example.com"


class InlineWriter(Writer):
    """Does at once what it is given, where the real one has its thread."""

    def __init__(self, line: Line | None = None) -> None:
        self._line = line
        #: what the next call is, in words
        self.verb = ""

    async def call(self, work: Callable[[], Result]) -> Result:
        """Do it: at once, or over the line."""
        return work() if self._line is None else await self._line.call(self.verb, work)


class SimulatedStore(SqliteStore):
    """`SqliteStore` as one process has it; tells its line what each call is."""

    def __init__(self, database: Database, *, writer: InlineWriter, clock: Clock) -> None:
        super().__init__(writer=writer, database=database, installation=INSTALLATION, clock=clock)
        self._inline = writer

    async def _transact(self, work: Callable[[sqlite3.Connection, int], Result]) -> Result:
        self._inline.verb = _verb(work)
        return await super()._transact(work)

    async def run(self, work: Callable[[sa.Connection], Result]) -> Result:
        """Run ordinary SQLAlchemy Core in one transaction."""
        self._inline.verb = _verb(work)
        return await super().run(work)


def _verb(work: Callable[..., Any]) -> str:
    """`claim` for what `SqliteStore.claim` made."""
    names = [name for name in work.__qualname__.split(".") if not name.startswith("<")]
    return next((name for name in reversed(names) if name != "work"), "?")


@functools.cache
def fresh_database() -> tuple[Database, sqlite3.Connection]:
    """The one database of this process, and its connection; `refill` makes it new for each run."""
    database = Database(None)
    database.open()
    connection: sqlite3.Connection = database.transact(lambda each: each)
    database.run(migrate)
    connection.execute(
        "UPDATE installation SET id = ?, address_key = ?",
        (INSTALLATION.id, INSTALLATION.address_key),
    )
    asyncio.run(_furnish(SimulatedStore(database, writer=InlineWriter(), clock=SystemClock())))
    return database, connection


@functools.cache
def _template() -> sqlite3.Connection:
    template = sqlite3.connect(":memory:")
    fresh_database()[1].backup(template)
    return template


def refill() -> tuple[Database, sqlite3.Connection]:
    """A database with workflows, templates and users, and nothing else."""
    database, connection = fresh_database()
    _template().backup(connection)
    return database, connection


class KnownTemplates(TemplateService):
    """The Template Service where nobody changes a template: read once for all runs."""

    _known: TemplateCatalog | None = None

    async def catalog(self) -> TemplateCatalog:
        """The published templates."""
        self._known = self._known or await super().catalog()
        return self._known


class KnownWorkflows(WorkflowService):
    """The workflows where nobody changes one: read once for all runs."""

    _set: WorkflowSet | None = None

    async def read(self) -> WorkflowSet:
        """The published workflows."""
        self._set = self._set or await super().read()
        return self._set

    async def recent(self) -> WorkflowSet:
        """The same, whatever the time."""
        return await self.read()


@functools.cache
def known_definitions() -> tuple[KnownTemplates, KnownWorkflows]:
    """Workflows and templates, as every process of every run sees them."""
    store = SimulatedStore(fresh_database()[0], writer=InlineWriter(), clock=SystemClock())
    templates = KnownTemplates(store, clock=SystemClock())
    return templates, KnownWorkflows(store, clock=SystemClock(), templates=templates)


async def _furnish(store: SimulatedStore) -> None:
    templates = TemplateService(store, clock=SystemClock())
    with tempfile.TemporaryDirectory() as folder:
        for name, text in TEXTS.items():
            place = Path(folder, name)
            place.mkdir()
            (place / "email.txt").write_text(text)
            (place / "email.subject.txt").write_text(name)
        await templates.load(Path(folder))
    await WorkflowService(store, clock=SystemClock(), templates=templates).load((), WORKFLOWS)
    users = UserService(store, clock=SystemClock())
    for user in USERS:
        await users.put(user, email=address_of(user))
