"""One lane floods: what is critical goes past a backlog of bulk, at planning and at sending."""

import asyncio
import statistics
from collections.abc import Sequence

import pytest
import sqlalchemy as sa

from tests.faults.bulk import accept, multiply
from tests.faults.extent import extent
from tidings.channel_worker import ChannelWorker
from tidings.core.models import Lane
from tidings.notification_worker import NotificationWorker
from tidings.notifications.workflow import Email, Workflow
from tidings.settings import Settings
from tidings.store import schema
from tidings.system import System
from tidings.wiring import open_system

WAITING = extent(3_000, 1_000_000)
CRITICAL = extent(20, 200)
#: seconds between two critical messages
PAUSE = 0.1
#: calls a second, so that the backlog outlasts the critical messages
RATE = "100/second"

RESET = Workflow(key="reset", on="PASSWORD_RESET", steps=[Email("welcome")], critical=True)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(extent(120, 1200)), pytest.mark.fault("F29")]


async def test_a_critical_message_goes_past_a_backlog_of_bulk(
    migrated_postgres_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch, tell: list[str]
) -> None:
    monkeypatch.setenv("TIDINGS_RECORDING_RATE", RATE)
    settings = Settings(
        database_url=migrated_postgres_url, redis_url=redis_url, email_provider="recording"
    )
    async with open_system(settings, publish=True, workflows=[RESET]) as system:
        await accept(system.store, Lane.BULK)
        await system.notifications.plan_due()
        await multiply(system.store, WAITING - 1)
        workers = [
            asyncio.create_task(worker.run(system.stopping))
            for worker in (NotificationWorker(system), ChannelWorker(system, channels=["email"]))
        ]
        user_id = await system.store.run(lambda to: to.scalar(sa.select(schema.users.c.id)))
        for _ in range(CRITICAL):
            await system.intake.trigger("PASSWORD_RESET", str(user_id))
            await asyncio.sleep(PAUSE)
        seconds = await _until_called(system)
        left = await system.store.run(_waiting)
        system.stopping.set()
        await asyncio.gather(*workers)

    p99 = statistics.quantiles(seconds, n=100, method="inclusive")[98]
    tell.append(
        f"flood: {left:,} of {WAITING:,} bulk still waited; {CRITICAL} critical ones were called "
        f"after {statistics.median(seconds) * 1000:.0f} ms p50, {p99 * 1000:.0f} ms p99"
    )
    assert left > WAITING / 2
    assert p99 < 1.0


async def _until_called(system: System) -> Sequence[float]:
    """How long each critical message took, from being accepted to being taken."""
    async with asyncio.timeout(30):
        while len(seconds := await system.store.run(_seconds)) < CRITICAL:
            await asyncio.sleep(0.05)
    return seconds


def _seconds(connection: sa.Connection) -> Sequence[float]:
    deliveries, events, attempts = schema.deliveries, schema.events, schema.attempts
    query = (
        sa.select(attempts.c.finished_at, events.c.accepted_at)
        .join(deliveries, deliveries.c.id == attempts.c.delivery_id)
        .join(events, events.c.id == deliveries.c.event_id)
        .where(deliveries.c.lane == Lane.CRITICAL)
    )
    return [(taken - accepted).total_seconds() for taken, accepted in connection.execute(query)]


def _waiting(connection: sa.Connection) -> int:
    deliveries = schema.deliveries
    query = (
        sa.select(sa.func.count()).select_from(deliveries).where(deliveries.c.state == "pending")
    )
    return connection.scalar(query) or 0
