"""What is of no use any more ends in its time, also while no worker may claim it."""

import asyncio
from datetime import timedelta

from tests.system.post_office import (
    HeldProvider,
    PostOffice,
    plan_more,
    running,
    until,
)
from tidings import Email, Workflow
from tidings.core.errors import TransientError
from tidings.core.models import DELIVERY_CHANNEL
from tidings.store import schema
from tidings.testing.fake_system import FakeSystem

NOTE = Workflow(key="note", on="NOTE", steps=[Email("welcome")])
CODE = Workflow(key="code", on="CODE", steps=[Email("welcome", expires_after=600)])
SILENCE = TransientError("not today", retry_after=86_400)


async def test_a_code_expires_while_its_integration_asks_for_silence() -> None:
    async with FakeSystem(workflows=[NOTE, CODE]) as tidings:
        await tidings.users.put("ann", email="ann@example.com")
        tidings.provider.script([SILENCE])
        note = await tidings.trigger("NOTE", "ann")
        await tidings.settle()
        code = await tidings.trigger("CODE", "ann")
        await tidings.settle()
        tidings.clock.advance(minutes=10)

        (run,) = (await tidings.settled(code)).notifications

        (delivery,) = run.deliveries
        assert (delivery.state, delivery.rule, delivery.due_at) == ("expired", "expired", None)
        assert delivery.attempts == ()
        assert str(delivery.reason).startswith("It was of use until ")
        (other,) = (await tidings.explain(note)).notifications
        assert other.deliveries[0].state == "pending"
        tidings.assert_nothing_sent()


async def test_a_running_worker_that_may_not_call_ends_and_tells_it(office: PostOffice) -> None:
    office.provider.script([SILENCE])
    await office.plan_welcomes()
    service = office.service()
    await service.work()
    await plan_more(office, 3)
    await office.change(expires_at=office.clock.now() + timedelta(seconds=60))

    async with office.house.bus.watch(DELIVERY_CHANNEL) as events, running(service):
        office.clock.advance(seconds=60)
        told = await asyncio.wait_for(anext(events), 10)

    assert await office.states() == ["expired"] * 4
    assert [outcome["state"] for outcome in told.data["outcomes"]] == ["expired"] * 4
    where = {"channel": "email", "lane": "normal", "provider": "", "state": "expired"}
    registry = office.house.metrics.registry
    assert registry.get_sample_value("tidings_deliveries_total", where) == 4
    assert len(await office.rows(schema.attempts)) == 1


async def test_what_waits_behind_calls_that_hang_expires_and_they_do_not(
    office: PostOffice,
) -> None:
    provider = HeldProvider()
    await office.plan_welcomes(2)

    async with running(office.service(provider=provider, slots=2)):
        await until(lambda: provider.started == 2)
        await plan_more(office, 3)
        await office.change(expires_at=office.clock.now())
        await until(lambda: _has(office, ["expired"] * 3 + ["sending"] * 2))
        provider.release.set()

    assert await office.states() == ["expired"] * 3 + ["sent"] * 2


async def _has(office: PostOffice, states: list[str]) -> bool:
    return await office.states() == states
