"""The delivery engine on a real store: every end of a delivery, and every way to be disturbed."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
import structlog

from tests.system.post_office import PostOffice
from tidings.channels.recording import RecordingProvider
from tidings.core.errors import (
    AddressRejected,
    DeliveryError,
    OutcomeUnknown,
    PermanentError,
    TransientError,
)
from tidings.core.models import DELIVERIES_SETTLED, DELIVERY_CHANNEL, Content, Message, Receipt
from tidings.store import schema
from tidings.users.people import Preference


async def test_a_planned_mail_is_rendered_sent_and_settled(office: PostOffice) -> None:
    (address,) = await office.plan_welcomes()

    assert await office.service().work() == 1

    (message,) = office.provider.messages
    row = await office.delivery()
    (attempt,) = await office.rows(schema.attempts)
    assert (message.address, message.id) == (address, row["id"])
    assert message.recipient_name == "Ada"
    assert message.content.subject
    assert (row["state"], row["provider"], row["provider_id"]) == ("sent", "test", "recorded-1")
    assert (attempt["outcome"], attempt["epoch"], attempt["fenced"]) == ("sent", 1, False)


async def test_outcomes_are_published_and_hold_no_address(
    office: PostOffice,
) -> None:
    await office.plan_welcomes(3)

    async with office.house.bus.watch(DELIVERY_CHANNEL) as events:
        await office.service().work()
        told = [await asyncio.wait_for(anext(events), 5)]
        while sum(len(event.data["outcomes"]) for event in told) < 3:
            told.append(await asyncio.wait_for(anext(events), 5))

    assert {event.type for event in told} == {DELIVERIES_SETTLED}
    outcomes = [outcome for event in told for outcome in event.data["outcomes"]]
    assert len({outcome["delivery_id"] for outcome in outcomes}) == 3
    assert {"delivery_id", "event_id", "user_id", "workflow", "channel", "state", "reason"} == set(
        outcomes[0]
    )
    assert {outcome["state"] for outcome in outcomes} == {"sent"}
    assert {outcome["user_id"] for outcome in outcomes} == {"u-user0", "u-user1", "u-user2"}
    assert "@" not in str(outcomes)


async def test_a_transient_failure_is_tried_again_after_the_back_off(office: PostOffice) -> None:
    await office.plan_welcomes()
    service = office.service()
    office.provider.script([TransientError("greylisted"), TransientError("greylisted")])

    assert await service.work() == 1
    row = await office.delivery()
    assert (row["state"], row["reason"], row["tries"]) == ("pending", "greylisted", 1)
    assert await service.work() == 0
    office.clock.advance(seconds=2)
    assert await service.work() == 1
    office.clock.advance(seconds=3)
    assert await service.work() == 0
    office.clock.advance(seconds=1)
    assert await service.work() == 1

    assert await office.states() == ["sent"]
    outcomes = [attempt["outcome"] for attempt in await office.rows(schema.attempts)]
    assert outcomes == ["transient", "transient", "sent"]


async def test_a_provider_that_asks_for_an_hour_gets_it(office: PostOffice) -> None:
    await office.plan_welcomes()
    service = office.service()
    office.provider.script([TransientError("slow down", retry_after=3600)])

    await service.work()
    office.clock.advance(seconds=3595)
    assert await service.work() == 0
    office.clock.advance(seconds=5)
    assert await service.work() == 1

    assert await office.states() == ["sent"]


async def test_after_hours_of_tries_it_has_failed_with_the_last_reason(office: PostOffice) -> None:
    await office.plan_welcomes()
    service = office.service()
    office.provider.script([TransientError(f"failure {number}") for number in range(1, 50)])

    for _ in range(50):
        await service.work()
        office.clock.advance(minutes=13)

    row = await office.delivery()
    assert (row["state"], row["reason"]) == ("failed", "failure 48")
    assert len(await office.rows(schema.attempts)) == 48


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(PermanentError("spam"), "permanent"), (AddressRejected("no such user"), "rejected")],
)
async def test_a_refusal_for_good_is_not_tried_again(
    office: PostOffice, error: DeliveryError, outcome: str
) -> None:
    await office.plan_welcomes()
    office.provider.script([error])

    await office.service().work()

    row = await office.delivery()
    (attempt,) = await office.rows(schema.attempts)
    assert (row["state"], row["reason"]) == ("failed", str(error))
    assert attempt["outcome"] == outcome


async def test_a_rejected_address_is_dropped(office: PostOffice) -> None:
    await office.plan_welcomes()
    office.provider.script([AddressRejected("no such user")])

    await office.service().work()

    (address,) = await office.rows(schema.addresses)
    assert address["status"] == "rejected"


async def test_an_unknown_outcome_is_kept_as_such_and_tried_again(office: PostOffice) -> None:
    await office.plan_welcomes()
    service = office.service()
    office.provider.script([OutcomeUnknown("no answer")])

    await service.work()
    office.clock.advance(seconds=2)
    await service.work()

    outcomes = [attempt["outcome"] for attempt in await office.rows(schema.attempts)]
    assert outcomes == ["unknown", "sent"]


async def test_a_provider_that_breaks_its_contract_breaks_nothing_else(office: PostOffice) -> None:
    class Broken(RecordingProvider):
        async def send(self, message: Message) -> Receipt:
            raise ZeroDivisionError(message.address)

    await office.plan_welcomes()

    with structlog.testing.capture_logs() as lines:
        await office.service(provider=Broken()).work()

    row = await office.delivery()
    assert row["state"] == "pending"
    assert "ZeroDivisionError" in row["reason"]
    assert "@" not in row["reason"]
    assert any(line["log_level"] == "error" for line in lines)
    assert "@" not in str(lines)


async def test_a_certain_failure_stays_one_whatever_wait_it_asks_for(office: PostOffice) -> None:
    await office.plan_welcomes()
    office.provider.script([TransientError("429", retry_after="30")])  # type: ignore[arg-type]

    await office.service().work()

    row, (attempt,) = await office.delivery(), await office.rows(schema.attempts)
    assert (row["state"], row["lapses"], row["doubt"]) == ("pending", 0, False)
    assert (attempt["outcome"], attempt["error"]) == ("transient", "429")


async def test_an_opt_out_after_planning_wins(office: PostOffice) -> None:
    await office.plan_welcomes()
    choice = Preference(workflow="welcome", channel="email", enabled=False)
    await office.house.users.set_preferences("u-user0", [choice])

    assert await office.service().work() == 1

    row = await office.delivery()
    assert row["state"] == "suppressed"
    assert "turned welcome by email off" in row["reason"]
    assert office.provider.messages == []
    assert await office.rows(schema.attempts) == []


async def test_an_opt_out_while_a_retry_waits_wins(office: PostOffice) -> None:
    await office.plan_welcomes()
    office.provider.script([TransientError("greylisted")])
    service = office.service()
    await service.work()

    choice = Preference(workflow="welcome", channel="email", enabled=False)
    await office.house.users.set_preferences("u-user0", [choice])
    office.clock.advance(seconds=3)
    await service.work()

    assert await office.states() == ["suppressed"]
    assert office.provider.messages == []


async def test_nobody_opts_out_of_the_critical_lane(office: PostOffice) -> None:
    await office.plan_welcomes()
    choice = Preference(workflow="welcome", channel="email", enabled=False)
    await office.house.users.set_preferences("u-user0", [choice])
    await office.change(lane="critical")

    await office.service().work()

    assert await office.states() == ["sent"]


async def test_an_address_that_changed_after_planning_gets_nothing(office: PostOffice) -> None:
    await office.plan_welcomes()
    await office.house.users.put("u-user0", email="new@example.com", name=None, locale=None)

    await office.service().work()

    row = await office.delivery()
    assert row["state"] == "suppressed"
    assert row["rule"] == "address_gone"
    assert office.provider.messages == []


class SlowTemplates:
    """Takes its time, in which a test does something."""

    def __init__(self, office: PostOffice, meanwhile: Callable[[], Awaitable[object]]) -> None:
        self._office = office
        self._meanwhile = meanwhile

    async def render(self, version: str, context: Mapping[str, Any]) -> Content:
        await self._meanwhile()
        await asyncio.sleep(0.3)
        return await self._office.house.templates.render(version, context)


async def test_an_opt_out_while_it_is_being_rendered_wins(office: PostOffice) -> None:
    await office.plan_welcomes()
    choice = Preference(workflow="welcome", channel="email", enabled=False)
    templates = SlowTemplates(
        office, lambda: office.house.users.set_preferences("u-user0", [choice])
    )

    await office.service(templates=templates).work()

    row = await office.delivery()
    assert (row["state"], row["rule"]) == ("suppressed", "preference")
    assert office.provider.messages == []


async def test_being_called_off_while_it_is_being_rendered_wins(office: PostOffice) -> None:
    await office.plan_welcomes()
    (event,) = await office.rows(schema.events)
    templates = SlowTemplates(
        office, lambda: office.house.notifications.cancel(event_id=event["source_id"])
    )

    await office.service(templates=templates).work()

    row = await office.delivery()
    assert (row["state"], row["rule"]) == ("cancelled", "cancelled")
    assert office.provider.messages == []


async def test_what_expires_while_it_is_being_rendered_is_not_sent(office: PostOffice) -> None:
    await office.plan_welcomes()
    await office.change(expires_at=office.clock.now() + timedelta(seconds=60))

    async def a_minute_passes() -> None:
        office.clock.advance(seconds=60)

    await office.service(templates=SlowTemplates(office, a_minute_passes)).work()

    row = await office.delivery()
    assert (row["state"], row["rule"]) == ("expired", "expired")
    assert office.provider.messages == []


async def test_a_template_that_cannot_be_rendered_is_a_failed_delivery(office: PostOffice) -> None:
    await office.plan_welcomes()
    await office.change(template_version="no such version")

    await office.service().work()

    row = await office.delivery()
    assert row["state"] == "failed"
    assert "no such version" in row["reason"]
    assert await office.rows(schema.attempts) == []


async def test_every_line_about_a_delivery_has_the_ids_and_no_address(office: PostOffice) -> None:
    await office.plan_welcomes()
    office.provider.script([TransientError("later")])
    service = office.service()

    with structlog.testing.capture_logs() as lines:
        await service.work()
        office.clock.advance(seconds=3)
        await service.work()

    row = await office.delivery()
    told = [line for line in lines if line.get("delivery_id") == row["id"]]
    assert [line["event"] for line in told if line["log_level"] != "debug"] == [
        "retry in 2.0 s",
        "sent",
    ]
    assert all({"event_id", "user_id"} <= line.keys() for line in told)
    assert "@" not in str(lines)
