"""What a workflow wants when sending goes wrong, from its definition to the end of a delivery."""

from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa

from tidings import Delay, Email, Retry, Workflow
from tidings.core.errors import DeliveryError, OutcomeUnknown, TransientError
from tidings.notifications.explanation import ExplainedDelivery, ExplainedNotification
from tidings.store.schema import addresses
from tidings.testing.fake_system import FakeSystem

CODE = Workflow(key="code", on="CODE", steps=[Email("welcome", expires_after=600)])
REMINDER = Workflow(
    key="reminder", on="REMIND", steps=[Delay(days=3), Email("welcome", expires_after=600)]
)
ONCE = Workflow(key="once", on="ONCE", steps=[Email("welcome")], on_unknown="hold")
CHECKED = Workflow(key="checked", on="CHECK", steps=[Email("welcome")], on_unknown="check")
HASTY = Workflow(
    key="hasty", on="HURRY", steps=[Email("welcome")], retry=Retry(attempts=3, base=10, cap=10)
)
SHORT = Workflow(
    key="short", on="SHORT", steps=[Email("welcome")], retry=Retry(max_age=60, base=20, cap=20)
)
BUSY = TransientError("busy")


@pytest.fixture
async def tidings() -> AsyncIterator[FakeSystem]:
    workflows = [CODE, REMINDER, ONCE, CHECKED, HASTY, SHORT]
    async with FakeSystem(workflows=workflows) as tidings:
        await tidings.users.put("ann", email="ann@example.com")
        yield tidings


async def only(tidings: FakeSystem, event_id: str) -> ExplainedNotification:
    (notification,) = (await tidings.settled(event_id)).notifications
    return notification


async def delivery(tidings: FakeSystem, event_id: str) -> ExplainedDelivery:
    (delivery,) = (await only(tidings, event_id)).deliveries
    return delivery


async def fails(tidings: FakeSystem, event_type: str, *errors: DeliveryError | None) -> str:
    """An event whose calls end so; its id."""
    tidings.provider.script(errors)
    event_id = await tidings.trigger(event_type, "ann")
    await tidings.settle()
    return event_id


async def test_a_workflow_says_how_often_it_is_tried(tidings: FakeSystem) -> None:
    event_id = await fails(tidings, "HURRY", BUSY, BUSY, BUSY)

    await tidings.advance(minutes=1)

    ended = await delivery(tidings, event_id)
    assert (ended.state, ended.rule, ended.reason) == ("failed", "gave_up", "busy")
    assert len(ended.attempts) == 3


async def test_a_workflow_says_how_long_it_is_tried(tidings: FakeSystem) -> None:
    event_id = await fails(tidings, "SHORT", *[BUSY] * 10)

    await tidings.advance(minutes=5)

    ended = await delivery(tidings, event_id)
    assert (ended.state, ended.rule) == ("failed", "too_old")
    assert len(ended.attempts) in {2, 3}, "chance lengthens waits of 20 s in a minute"


async def test_at_most_once_is_held_with_the_reason(tidings: FakeSystem) -> None:
    event_id = await fails(tidings, "ONCE", OutcomeUnknown("no answer"))

    await tidings.advance(days=1)

    held = await delivery(tidings, event_id)
    assert (held.state, held.rule, held.reason) == ("held", "unknown_outcome", "no answer")
    tidings.assert_nothing_sent()


async def test_a_provider_that_can_tell_is_asked_before_another_call(tidings: FakeSystem) -> None:
    event_id = await fails(tidings, "CHECK", OutcomeUnknown("no answer"))

    await tidings.advance(minutes=1)

    tidings.assert_sent(to="ann@example.com")
    sent = await delivery(tidings, event_id)
    assert [attempt.outcome for attempt in sent.attempts] == ["unknown", "absent", "sent"]


async def test_of_three_addresses_only_the_one_that_failed_is_tried_again(
    tidings: FakeSystem,
) -> None:
    await add_addresses(tidings, "ann@example.org", "ann@example.net")

    event_id = await fails(tidings, "HURRY", None, BUSY, None)
    await tidings.advance(minutes=1)

    assert sorted(message.address for message in tidings.sent) == [
        "ann@example.com",
        "ann@example.net",
        "ann@example.org",
    ]
    deliveries = (await only(tidings, event_id)).deliveries
    assert sorted(len(each.attempts) for each in deliveries) == [1, 1, 2]


async def add_addresses(tidings: FakeSystem, *more: str) -> None:
    now = tidings.clock.now()
    rows = [
        {"user_id": "ann", "channel": "email", "address": each, "created_at": now} for each in more
    ]
    await tidings.services.store.run(lambda to: to.execute(sa.insert(addresses), rows).close())


async def test_a_code_that_waited_too_long_to_be_planned_is_not_sent(tidings: FakeSystem) -> None:
    event_id = await tidings.trigger("CODE", "ann")
    tidings.clock.advance(minutes=10)

    await tidings.settle()

    await tidings.assert_skipped(event_id, "code", rule="expired")
    tidings.assert_nothing_sent()


async def test_a_code_whose_next_try_would_come_too_late_ends_at_once(tidings: FakeSystem) -> None:
    event_id = await fails(tidings, "CODE", TransientError("full", retry_after=600))

    ended = await delivery(tidings, event_id)

    assert (ended.state, ended.rule, ended.due_at) == ("expired", "expired", None)
    assert [attempt.error for attempt in ended.attempts] == ["full"]


async def test_a_code_that_waited_too_long_for_a_worker_is_not_sent(tidings: FakeSystem) -> None:
    event_id = await tidings.trigger("CODE", "ann")
    await tidings.services.notifications.plan_due()
    tidings.clock.advance(minutes=10)

    ended = await delivery(tidings, event_id)

    assert (ended.state, ended.attempts) == ("expired", ())
    tidings.assert_nothing_sent()


async def test_a_workflows_own_delay_does_not_count_against_its_step(tidings: FakeSystem) -> None:
    await tidings.trigger("REMIND", "ann")

    await tidings.advance(days=3, minutes=1)

    tidings.assert_sent(to="ann@example.com")
