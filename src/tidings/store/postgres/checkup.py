"""Checks of a PostgreSQL, over one short connection that reads and changes nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import asyncpg

from tidings.core.checkup import Finding, clock_finding, failure, ok, warning
from tidings.core.clock import Clock
from tidings.core.errors import ConfigurationError
from tidings.store.checkup import SUITS, schema_finding
from tidings.store.migrations.migrate import REVISIONS
from tidings.store.postgres.connections import (
    ACCEPT_CONNECTIONS,
    CONNECT_SECONDS,
    HOT_CONNECTIONS,
    RUN_CONNECTIONS,
    SESSION,
    require_url,
)

if TYPE_CHECKING:
    Session = asyncpg.Connection[asyncpg.Record]

REACHABLE = "database"
#: the major versions the tests run on
OLDEST, NEWEST = 15, 18
#: seconds after which a transaction keeps dead rows from being cleared away
LONG_TRANSACTION = 60.0
#: the most connections one process takes
EACH_PROCESS = ACCEPT_CONNECTIONS + HOT_CONNECTIONS + RUN_CONNECTIONS

_DOWN = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)

_FACTS = """
SELECT current_setting('server_version_num')::int / 10000 AS major,
       current_setting('server_version') AS version,
       current_setting('fsync') AS fsync,
       current_setting('full_page_writes') AS full_page_writes,
       current_setting('synchronous_commit') AS synchronous_commit,
       current_setting('max_connections')::int
         - current_setting('superuser_reserved_connections')::int
         - coalesce(current_setting('reserved_connections', true)::int, 0) AS connections,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS taken,
       (SELECT count(*) FROM pg_stat_activity WHERE application_name = $1) AS ours,
       (SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()
           AND xact_start < clock_timestamp() - make_interval(secs => $2)) AS long_transactions,
       clock_timestamp() AS now
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a server says of itself."""

    major: int
    version: str
    fsync: str
    full_page_writes: str
    #: as a session of ours has it, and as any other has it
    synchronous_commit: str
    usual_synchronous_commit: str
    #: that ordinary users may have, those taken by anybody, and those of them that are ours
    connections: int
    taken: int
    ours: int
    long_transactions: int


async def check_up(
    url: str, *, clock: Clock, long_transaction: float = LONG_TRANSACTION
) -> Sequence[Finding]:
    """Everything worth saying about the database of a URL; a server that is down is a finding."""
    try:
        require_url(url)
        usual = await _connect(url, {})
        try:
            usual_commit = await usual.fetchval("SHOW synchronous_commit")
        finally:
            await usual.close()
        session = await _connect(url, SESSION)
        try:
            return await _examine(session, clock, usual_commit, long_transaction)
        finally:
            await session.close()
    except ConfigurationError as error:
        return [failure(REACHABLE, str(error), "mend that variable")]
    except _DOWN as error:
        return [_unreachable(error)]


async def count_keys(url: str) -> int:
    """How many API keys there are; none where the table or the whole server is missing."""
    try:
        session = await _connect(url, SESSION)
        try:
            return int(await session.fetchval("SELECT count(*) FROM api_keys"))
        finally:
            await session.close()
    except _DOWN:
        return 0


def judge(facts: Facts) -> list[Finding]:
    """What is to be said of these facts."""
    rules: Sequence[Callable[[Facts], Finding]] = (
        _version,
        _fsync,
        _full_page_writes,
        _synchronous_commit,
        _connections,
        _transactions,
    )
    return [rule(facts) for rule in rules]


async def _connect(url: str, settings: dict[str, str]) -> "Session":
    return await asyncpg.connect(
        dsn=url,
        server_settings=settings,
        timeout=CONNECT_SECONDS,
        command_timeout=CONNECT_SECONDS,
    )


async def _examine(
    session: "Session", clock: Clock, usual_commit: str, long_transaction: float
) -> Sequence[Finding]:
    asked = clock.now()
    row = await session.fetchrow(_FACTS, SESSION["application_name"], long_transaction)
    answered = clock.now()
    assert row is not None  # noqa: S101 - a SELECT without FROM has one row
    values = dict(row)
    theirs: datetime = values.pop("now")
    milliseconds = (answered - asked).total_seconds() * 1000
    return [
        ok(REACHABLE, f"answers in {milliseconds:.0f} ms"),
        *judge(Facts(**values, usual_synchronous_commit=usual_commit)),
        clock_finding("PostgreSQL clock", asked=asked, answered=answered, theirs=theirs),
        schema_finding(*await _schema(session)),
    ]


async def _schema(session: "Session") -> tuple[str | None, str | None]:
    """The revision, and the oldest that a newer one serves."""
    if await session.fetchval("SELECT to_regclass('alembic_version')") is None:
        return None, None
    revision = await session.fetchval("SELECT version_num FROM alembic_version")
    if revision is None or revision in REVISIONS:
        return revision, None
    return revision, await session.fetchval(SUITS)


def _unreachable(error: BaseException) -> Finding:
    code = getattr(error, "sqlstate", None) or ""
    found = f"can't be used ({type(error).__name__}{' ' if code else ''}{code})"
    if code.startswith(("28", "3D")):
        return failure(
            REACHABLE,
            found,
            "mend user, password or database name in TIDINGS_DATABASE_URL, or create them",
        )
    if code.startswith("53"):
        return failure(REACHABLE, found, "raise max_connections, or run fewer processes")
    return failure(
        REACHABLE, found, "start it, and see that TIDINGS_DATABASE_URL leads to it from here"
    )


def _version(facts: Facts) -> Finding:
    check = "PostgreSQL version"
    if facts.major < OLDEST:
        return failure(check, facts.version, f"upgrade it to {OLDEST} or newer")
    if facts.major > NEWEST:
        return warning(
            check,
            f"{facts.version}, newer than any this program was tested on",
            f"prefer {OLDEST} to {NEWEST}, or a newer Tidings",
        )
    return ok(check, facts.version)


def _fsync(facts: Facts) -> Finding:
    if facts.fsync == "on":
        return ok("fsync", "on")
    return failure(
        "fsync",
        f"{facts.fsync}: a power cut loses what was accepted",
        "set fsync = on in postgresql.conf and restart it",
    )


def _full_page_writes(facts: Facts) -> Finding:
    if facts.full_page_writes == "on":
        return ok("full_page_writes", "on")
    return warning(
        "full_page_writes",
        f"{facts.full_page_writes}: a power cut may tear pages",
        "set it on, unless the file system rules out torn pages",
    )


def _synchronous_commit(facts: Facts) -> Finding:
    check, ours, usual = (
        "synchronous_commit",
        facts.synchronous_commit,
        facts.usual_synchronous_commit,
    )
    if ours in {"off", "local"} and ours != SESSION[check]:
        return failure(
            check,
            f"{ours}, though our sessions ask for {SESSION[check]}: commits are lost by a crash",
            "let the pooler in between pass session settings on, or set it on at the server",
        )
    if usual == "off":
        return warning(
            check,
            f"{ours} in our sessions, off by default",
            "set it on for this database, so that a pooler in between can't undo it",
        )
    return ok(check, ours)


def _connections(facts: Facts) -> Finding:
    free = facts.connections - facts.taken
    found = (
        f"{free} of {facts.connections} are free, Tidings has {facts.ours}; "
        f"a process takes up to {EACH_PROCESS}"
    )
    if free < EACH_PROCESS:
        return warning("connections", found, "raise max_connections, or run fewer processes")
    return ok("connections", found)


def _transactions(facts: Facts) -> Finding:
    if facts.long_transactions == 0:
        return ok("long transactions", "none")
    return warning(
        "long transactions",
        f"{facts.long_transactions} open for long, which keep dead rows from being cleared away",
        "find them in pg_stat_activity by xact_start, and end them or the program that holds them",
    )
