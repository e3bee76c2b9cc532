"""A provider's wish for silence holds for a worker that begins when nobody else remembers it."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from tests.system.post_office import PostOffice, plan_more, running, until
from tests.system.troubled_store import TroubledStore
from tests.system.vendors import Vendor
from tidings.core.errors import OutcomeUnknown, TransientError, Unavailable
from tidings.core.models import Content
from tidings.core.ports import Change, Result
from tidings.delivery.courier import Templates
from tidings.delivery.service import DeliveryService
from tidings.store import schema


async def hear_a_wish(office: PostOffice, vendor: Vendor, seconds: float) -> None:
    """A worker hears it with its first call, and is gone."""
    vendor.trouble = TransientError("429 slow down", retry_after=seconds)
    await office.plan_welcomes()
    await office.service(integrations=[vendor.named("only")]).work()
    vendor.come_back()


async def passes(service: DeliveryService, count: int = 3) -> None:
    for _ in range(count):
        await service.work()


@pytest.mark.parametrize("error", [TransientError, OutcomeUnknown])
async def test_a_new_worker_that_shares_nothing_but_the_database_keeps_the_silence(
    office: PostOffice, error: type[TransientError | OutcomeUnknown]
) -> None:
    vendor = Vendor()
    vendor.trouble = error("slow down", retry_after=3600)
    await office.plan_welcomes()
    await office.service(integrations=[vendor.named("only")]).work()
    vendor.come_back()
    office.clock.advance(seconds=3590)
    await plan_more(office, 3)

    service = office.service(integrations=[vendor.named("only")])
    await passes(service)
    early = len(vendor.calls)
    office.clock.advance(seconds=12)
    await passes(service)

    assert (early, len(vendor.messages)) == (1, 4)


async def test_a_running_worker_writes_it_and_the_next_claims_nothing_before_it_has_read_it(
    office: PostOffice,
) -> None:
    vendor, store = Vendor(), TroubledStore(office.store)
    vendor.trouble = TransientError("429 slow down", retry_after=60)
    await office.plan_welcomes()
    async with running(office.service(integrations=[vendor.named("only")])):
        await until(lambda: len(vendor.calls) == 1)
    vendor.come_back()
    await plan_more(office, 3)
    store.down = frozenset({"run"})

    service = office.service(integrations=[vendor.named("only")], store=store, poll_seconds=0.02)
    async with running(service):
        await until(lambda: store.asked["run"] >= 2)
        assert store.asked["claim"] == 0
        store.down = frozenset()
        await until(lambda: service.leave_in > 30)
        assert len(vendor.calls) == 1
        office.clock.advance(seconds=62)
        await until(lambda: len(vendor.messages) == 4)


@pytest.mark.parametrize("trouble", ["down", "hanging"])
async def test_a_wish_that_cannot_be_written_holds_up_no_call(
    office: PostOffice, trouble: str
) -> None:
    first, second, store = Vendor(), Vendor(), TroubledStore(office.store)
    first.trouble = TransientError("429 slow down", retry_after=60)
    service = office.service(
        integrations=[first.named("first"), second.named("second")], store=store, poll_seconds=0.02
    )
    async with running(service):
        await until(lambda: store.answered["claim"] > 0)
        setattr(store, trouble, frozenset({"run"}))
        await office.plan_welcomes(5)
        async with asyncio.timeout(5):
            await until(lambda: len(second.messages) == 5)
            await until(partial(_are_sent, office))

    assert len(first.calls) <= 5
    assert await office.rows(schema.integration_pauses) == []


async def test_a_wish_is_written_when_the_database_is_back(office: PostOffice) -> None:
    vendor, store = Vendor(), TroubledStore(office.store)
    vendor.trouble = TransientError("429 slow down", retry_after=60)
    service = office.service(integrations=[vendor.named("only")], store=store, poll_seconds=0.02)
    async with running(service):
        await until(lambda: store.answered["claim"] > 0)
        store.down = frozenset({"run"})
        await office.plan_welcomes()
        await until(lambda: store.asked["run"] >= 2)
        store.down = frozenset()
        await until(lambda: _is_written(office))


async def test_a_short_silence_is_not_worth_a_row(office: PostOffice) -> None:
    await hear_a_wish(office, Vendor(), 2)

    assert await office.rows(schema.integration_pauses) == []


async def test_the_silence_of_an_integration_is_no_other_ones(office: PostOffice) -> None:
    vendor, other = Vendor(), Vendor()
    await hear_a_wish(office, vendor, 60)
    await plan_more(office, 2)

    await passes(office.service(integrations=[other.named("other")]))

    assert len(other.messages) == 2


async def _are_sent(office: PostOffice) -> bool:
    return set(await office.states()) == {"sent"}


async def _is_written(office: PostOffice) -> bool:
    return bool(await office.rows(schema.integration_pauses))


class Gone:
    """Shared state that can't be reached."""

    async def change(self, _key: str, _change: Change[Result]) -> Result:
        raise Unavailable("Redis is away")

    async def read(self, _key: str) -> tuple[float, bytes | None]:
        raise Unavailable("Redis is away")

    async def aclose(self) -> None:
        pass


async def test_a_worker_that_runs_already_keeps_it_though_the_shared_state_is_away(
    office: PostOffice,
) -> None:
    heard, other = Vendor(), Vendor()  # one integration, seen by either worker
    runs_already = office.service(integrations=[other.named("only")], shared=Gone())
    await runs_already.work()
    heard.trouble = TransientError("429 slow down", retry_after=3600)
    await office.plan_welcomes()
    await office.service(integrations=[heard.named("only")], shared=Gone()).work()
    office.clock.advance(seconds=60)
    await plan_more(office, 3)

    await passes(runs_already)
    early = len(other.calls)
    office.clock.advance(seconds=3545)
    await passes(runs_already)

    assert (early, len(other.messages)) == (0, 4)


class HeldTemplates:
    """Renders one user's messages when it is told to."""

    def __init__(self, templates: Templates, user_id: str) -> None:
        self._templates = templates
        self._user_id = user_id
        self.is_asked, self.release = asyncio.Event(), asyncio.Event()

    async def render(self, version: str, context: Mapping[str, Any]) -> Content:
        if context["user"]["id"] == self._user_id:
            self.is_asked.set()
            await self.release.wait()
        return await self._templates.render(version, context)


async def test_a_call_that_has_leave_is_not_made_once_its_worker_has_heard_it(
    office: PostOffice,
) -> None:
    vendor = Vendor()
    vendor.trouble = TransientError("429 slow down", retry_after=3600)
    templates = HeldTemplates(office.house.templates, "u-user1")
    await office.plan_welcomes(2)

    async with running(office.service(integrations=[vendor.named("only")], templates=templates)):
        await templates.is_asked.wait()
        await until(lambda: len(vendor.calls) == 1)
        templates.release.set()
        await until(lambda: _is_given_back(office))

    assert [each.address for each in vendor.asked] == ["user0@example.com"]
    assert len(await office.rows(schema.attempts)) == 1


async def _is_given_back(office: PostOffice) -> bool:
    rows = await office.rows(schema.deliveries)
    return {each["state"] for each in rows} == {"pending"} and all(
        each["due_at"] > office.clock.now() + timedelta(seconds=3500) for each in rows
    )
