"""How we connect: sessions pinned to what the statements were measured with, and bounded waits."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import asyncpg
import orjson
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tidings.core.errors import ConfigurationError
from tidings.store.rows import json_text

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = PoolConnectionProxy[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]

#: seconds to wait for a connection, and for one statement of a hot verb, of `run`, of a migration
CONNECT_SECONDS = 5.0
COMMAND_SECONDS = 10.0
RUN_SECONDS = 30.0
MIGRATION_SECONDS = 3600.0

#: seconds for which accepting waits for a lock: whoever waits for the answer has a caller too
LOCK_SECONDS = 1.0

#: most connections of one process: accepting, the other hot verbs, and `run`
ACCEPT_CONNECTIONS = 2
HOT_CONNECTIONS = 6
RUN_CONNECTIONS = 4

#: what every session of ours is set to
SESSION = {
    "application_name": "tidings",
    "synchronous_commit": "on",
    "default_transaction_isolation": "read committed",
    "TimeZone": "UTC",
    # A process that stands still, or is cut off, must not hold its rows for as long as a lease.
    "idle_in_transaction_session_timeout": "5s",
}

#: A plan made while the tables were empty scans them whole once they have grown, so the planner
#: is left nothing but the indexes.
PINNED_PLANNER = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}


def hot_pool(
    url: str, *, connections: int = HOT_CONNECTIONS, settings: Mapping[str, str] = SESSION
) -> "Pool":
    """The pool of the hot verbs; it connects when first used, and again by itself."""
    options = _options(url, {**settings, **PINNED_PLANNER}, COMMAND_SECONDS)
    return asyncpg.create_pool(
        **options, init_size=0, min_size=0, max_size=connections, reset=_keep
    )


def accept_pool(url: str) -> "Pool":
    """The pool of accepting: no worker's batch is in its way, and no lock holds it for long."""
    settings = {**SESSION, "lock_timeout": f"{LOCK_SECONDS:g}s"}
    return hot_pool(url, connections=ACCEPT_CONNECTIONS, settings=settings)


def run_engine(url: str, *, seconds: float = RUN_SECONDS) -> AsyncEngine:
    """The SQLAlchemy engine of `run`, with the planner as the server has it.

    A statement may take so many `seconds`.
    """
    options = _options(url, SESSION, seconds)

    async def connect() -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(**options)

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_size=RUN_CONNECTIONS,
        max_overflow=0,
        pool_timeout=CONNECT_SECONDS,
        pool_pre_ping=True,
        hide_parameters=True,
        json_serializer=json_text,
        json_deserializer=orjson.loads,
    )


def require_url(url: str) -> None:
    """Raise ConfigurationError unless this is a PostgreSQL URL; never quotes it."""
    try:
        parts = urlsplit(url)
        fits = parts.scheme in {"postgresql", "postgres"} and parts.port != 0
    except ValueError:
        fits = False
    if not fits:
        raise ConfigurationError(
            "TIDINGS_DATABASE_URL is no PostgreSQL address: write "
            "postgresql://user:password@host:5432/database, with what is special in a password "
            "percent-encoded"
        )


def require_durable(connection: sa.Connection) -> None:
    """Raise ConfigurationError when the server confirms commits that are not on its disk."""
    if connection.scalar(sa.text("SHOW fsync")) == "off":
        raise ConfigurationError(
            "PostgreSQL runs with fsync=off, so that a power cut loses what was accepted: set "
            "fsync=on in postgresql.conf and restart it"
        )


def _options(url: str, settings: Mapping[str, str], seconds: float) -> dict[str, Any]:
    return {
        "dsn": url,
        "server_settings": dict(settings),
        "timeout": CONNECT_SECONDS,
        "command_timeout": seconds,
    }


async def _keep(_connection: object) -> None:
    # Nothing is set on a session after it began, so there is nothing to reset; an open
    # transaction is rolled back by the pool itself.
    return
