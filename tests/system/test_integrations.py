"""Several integrations on one channel: who is called, who is left alone, and why."""

import asyncio
import time
from collections import Counter
from typing import Any

from tests.system.post_office import (
    HeldProvider,
    PostOffice,
    plan_more,
    running,
    until,
)
from tests.system.troubled_store import TroubledStore
from tests.system.vendors import Vendor, most_in_a_second
from tidings.core.errors import OutcomeUnknown, TransientError
from tidings.core.integrations import Integration, Limits
from tidings.delivery.confirming import Confirmed
from tidings.store import schema
from tidings.testing.fake_system import FakeSystem


async def routes(office: PostOffice) -> list[tuple[str, str | None]]:
    """Whom the attempts went to, and why."""
    attempts = sorted(await office.rows(schema.attempts), key=lambda row: row["started_at"])
    return [(attempt["provider"], attempt["route"]) for attempt in attempts]


async def test_the_first_is_called_as_long_as_it_is_well(office: PostOffice) -> None:
    first, second = Vendor(), Vendor()
    await office.plan_welcomes(20)

    service = office.service(integrations=[first.named("first"), second.named("second")])
    await service.work()

    assert (len(first.messages), len(second.messages)) == (20, 0)
    assert await routes(office) == [("first", None)] * 20


async def test_what_failed_at_one_for_certain_goes_to_the_other_at_once(
    office: PostOffice,
) -> None:
    first, second = Vendor(), Vendor()
    first.go_down()
    await office.plan_welcomes()

    service = office.service(integrations=[first.named("first"), second.named("second")])
    await service.work()
    await service.work()

    assert len(second.messages) == 1
    assert await routes(office) == [
        ("first", None),
        ("second", "Retried elsewhere after a failure at first."),
    ]


async def test_trouble_of_the_messages_own_waits_for_its_back_off(office: PostOffice) -> None:
    first, second = Vendor(), Vendor()
    first.trouble = TransientError("mailbox full", own=True)
    await office.plan_welcomes()

    service = office.service(integrations=[first.named("first"), second.named("second")])

    assert (await service.work(), await service.work()) == (1, 0)


async def test_what_may_have_been_taken_is_not_called_elsewhere_at_once(
    office: PostOffice,
) -> None:
    first, second = Vendor(), Vendor()
    first.trouble = OutcomeUnknown("no answer")
    await office.plan_welcomes()

    service = office.service(integrations=[first.named("first"), second.named("second")])
    assert (await service.work(), await service.work()) == (1, 0)
    first.come_back()
    office.clock.advance(seconds=2)
    await service.work()

    assert (len(first.messages), len(second.messages)) == (1, 0)


async def test_one_that_fails_is_skipped_and_the_attempts_say_so(office: PostOffice) -> None:
    first, second = Vendor(), Vendor()
    first.go_down()
    await office.plan_welcomes(30)
    service = office.service(integrations=[first.named("first"), second.named("second")], slots=10)

    while await service.work():
        pass

    assert len(second.messages) == 30
    assert len(first.calls) == 10
    skipped = [why for _who, why in await routes(office) if "skipped" in str(why)]
    assert "first was skipped: 5 of its last 5 calls failed (open until" in str(skipped)


async def test_one_that_was_down_is_tried_and_taken_back_without_flapping(
    office: PostOffice,
) -> None:
    first, second = Vendor(), Vendor()
    first.go_down()
    service = office.service(integrations=[first.named("first"), second.named("second")])
    await office.plan_welcomes(10)
    while await service.work():
        pass
    for _ in range(20):  # each minute one probe, whose message the other takes
        office.clock.advance(minutes=1.5)
        await plan_more(office, 3)
        while await service.work():
            pass

    assert len(first.calls) == 10 + 20
    assert len(second.messages) == 70
    first.come_back()
    office.clock.advance(minutes=1.5)
    for _ in range(8):  # rounds of one, two, four …, each with something for it to be tried on
        await plan_more(office, 70)
        while await service.work():
            pass
    before = len(second.messages)
    await plan_more(office, 50)
    while await service.work():
        pass

    assert len(second.messages) == before
    assert set(await office.states()) == {"sent"}


async def test_what_is_important_is_not_used_to_try_one_that_failed(office: PostOffice) -> None:
    first, second = Vendor(), Vendor()
    first.go_down()
    service = office.service(integrations=[first.named("first"), second.named("second")])
    await office.plan_welcomes(10)
    while await service.work():
        pass
    office.clock.advance(seconds=2)
    await plan_more(office, 1)
    await office.change(lane="bulk")
    await plan_more(office, 1)
    while await service.work():
        pass

    assert first.asked[-1].address == "user10@example.com"
    assert len(second.messages) == 12


async def test_a_second_is_enough_to_go_over_to_the_other(office: PostOffice) -> None:
    first, second = Vendor(), Vendor()
    first.go_down()
    await office.plan_welcomes(40)

    async with running(office.service(integrations=[first.named("first"), second.named("second")])):
        await until(lambda: len(second.messages) == 40)

    assert second.calls[-1] - first.calls[0] < 1.0


async def test_silence_asked_for_is_kept_by_that_one_alone(office: PostOffice) -> None:
    first, second = Vendor(), Vendor()
    first.trouble = TransientError("429 slow down", retry_after=60)
    await office.plan_welcomes()
    service = office.service(integrations=[first.named("first"), second.named("second")])
    await service.work()
    first.come_back()
    office.clock.advance(seconds=58)
    await plan_more(office, 5)
    while await service.work():
        pass

    assert (len(first.calls), len(second.messages)) == (1, 6)
    assert "first was skipped: it asked for silence until" in str(await routes(office))
    office.clock.advance(seconds=3)
    await plan_more(office, 5)
    while await service.work():
        pass
    assert len(first.messages) == 5


async def test_a_message_waits_for_the_first_of_those_that_asked_for_silence(
    office: PostOffice,
) -> None:
    first, second = Vendor(), Vendor()
    first.trouble = TransientError("429 slow down", retry_after=5)
    second.trouble = TransientError("429 slow down", retry_after=3600)
    await office.plan_welcomes(1)
    service = office.service(integrations=[first.named("first"), second.named("second")])
    while await service.work():
        pass
    first.trouble = None

    office.clock.advance(seconds=3)
    await service.work()
    early = len(first.messages)
    office.clock.advance(seconds=4)
    await service.work()

    assert (early, len(first.messages), len(second.calls)) == (0, 1, 1)


async def test_a_rate_is_kept_and_used_up(office: PostOffice) -> None:
    vendor = Vendor()
    await office.plan_welcomes(120)
    integration = vendor.named("only", limits=Limits(rate=50.0))

    async with running(office.service(integrations=[integration])):
        await until(lambda: len(vendor.messages) == 120)

    took = vendor.calls[-1] - vendor.calls[0]
    assert most_in_a_second(vendor.calls) <= 75
    assert 1.8 <= took <= 4.0


async def test_a_limit_of_calls_at_once_is_kept(office: PostOffice) -> None:
    provider = HeldProvider()
    await office.plan_welcomes(20)
    integration = Integration(name="only", provider=provider, limits=Limits(concurrency=5))

    async with running(office.service(integrations=[integration])):
        await until(lambda: provider.started == 4)  # one is left to the critical lane
        provider.release.set()
        await until(lambda: len(provider.messages) == 20)

    assert provider.most_at_once == 4


async def test_nothing_is_claimed_while_nobody_may_be_called(office: PostOffice) -> None:
    vendor = Vendor()
    vendor.trouble = TransientError("429", retry_after=3600)
    await office.plan_welcomes()
    service = office.service(integrations=[vendor.named("only")])
    await service.work()
    await plan_more(office, 5)

    assert await service.work() == 0

    assert await office.states() == ["pending"] * 6
    assert {row["epoch"] for row in await office.rows(schema.deliveries)} == {0, 1}


async def test_time_without_leave_is_counted_once_for_the_channel(office: PostOffice) -> None:
    vendor = Vendor()
    vendor.trouble = TransientError("429", retry_after=3600)
    await office.plan_welcomes()
    service = office.service(integrations=[vendor.named("only")], poll_seconds=0.05)
    began = time.perf_counter()

    async with running(service):
        await until(lambda: _waited(office) > 0.3)
        waited, took = _waited(office), time.perf_counter() - began

    assert waited <= took


async def test_a_vendor_that_confirms_nothing_is_not_called_any_more(office: PostOffice) -> None:
    silent, other = Vendor(), Vendor()
    limits = Limits(receipt_seconds=60.0)
    service = office.service(
        integrations=[silent.named("silent", limits=limits), other.named("other")]
    )
    await office.plan_welcomes(8)
    await service.work()
    office.clock.advance(seconds=61)
    await service.work()
    await plan_more(office, 3)
    await service.work()

    assert (len(silent.messages), len(other.messages)) == (8, 3)


async def test_what_is_confirmed_is_delivered_and_speaks_for_the_vendor(
    office: PostOffice,
) -> None:
    vendor = Vendor()
    limits = Limits(receipt_seconds=60.0)
    service = office.service(integrations=[vendor.named("good", limits=limits)])
    await office.plan_welcomes(8)
    await service.work()
    ids = tuple(message.id for message in vendor.messages)

    assert await service.confirm("other", ids) == Confirmed(delivered=(), unknown=ids)
    for _ in range(2):
        assert await service.confirm("good", ids) == Confirmed(delivered=ids, unknown=())

    office.clock.advance(seconds=61)
    await service.work()
    await plan_more(office, 3)
    await service.work()

    assert Counter(await office.states()) == {"delivered": 8, "sent": 3}


async def test_a_whole_system_goes_over_and_tells_it_in_the_explanation() -> None:
    async with FakeSystem(email_provider="east=recording, west=recording") as tidings:
        tidings.providers["east"].script([TransientError("503")] * 50)
        first = await tidings.register("ada@example.com")
        await tidings.settle()

        tidings.assert_sent(to="ada@example.com")
        explanation = await tidings.explain(first)
        (delivery,) = explanation.notifications[0].deliveries
        assert [attempt.provider for attempt in delivery.attempts] == ["east", "west"]
        assert delivery.attempts[1].route == "Retried elsewhere after a failure at east."


async def test_a_system_whose_only_integration_is_down_comes_to_rest_and_goes_on() -> None:
    async with FakeSystem() as tidings:
        tidings.provider.script([TransientError("503")] * 12)
        for number in range(10):
            await tidings.register(f"user{number}@example.com")
        await tidings.settle()
        tidings.assert_nothing_sent()

        await tidings.advance(minutes=30)

        assert len(tidings.sent) == 10


async def test_silence_asked_for_during_a_claim_holds_for_what_was_claimed(
    office: PostOffice,
) -> None:
    vendor = Vendor()
    store: Any = TroubledStore(office.store)
    service = office.service(integrations=[vendor.named("only")], store=store, poll_seconds=0.05)
    await office.plan_welcomes()
    store.withheld = frozenset({"claim"})
    async with running(service):
        await until(lambda: store.done["claim"] == 1)
        service._channels["email"]._routes._gates["only"].pause(60)
        store.released.set()
        await until(lambda: _is_given_back(office))

    assert vendor.calls == []


async def test_what_was_claimed_for_one_that_is_not_to_be_called_any_more_goes_to_the_other(
    office: PostOffice,
) -> None:
    first, second = Vendor(), Vendor()
    store: Any = TroubledStore(office.store)
    service = office.service(
        integrations=[first.named("first"), second.named("second")], store=store
    )
    await office.plan_welcomes()
    store.withheld = frozenset({"claim"})
    passing = asyncio.create_task(service.work())
    await until(lambda: store.done["claim"] == 1)
    service._channels["email"]._routes._gates["first"].pause(60)
    store.released.set()
    await passing
    while await service.work():
        pass

    assert (len(first.calls), len(second.messages)) == (0, 1)


async def test_what_waits_for_the_rate_of_the_only_one_left_is_not_claimed_over_and_over(
    office: PostOffice,
) -> None:
    first, second = Vendor(), Vendor()
    first.go_down()
    slowly = second.named("second", limits=Limits(rate=1))
    await office.plan_welcomes(2)
    async with running(office.service(integrations=[first.named("first"), slowly])):
        await until(lambda: len(second.messages) == 2)

    epochs = [row["epoch"] for row in await office.rows(schema.deliveries)]
    assert max(epochs) < 10


def _waited(office: PostOffice) -> float:
    labels = {"channel": "email"}
    found = office.house.metrics.registry.get_sample_value(
        "tidings_leave_wait_seconds_total", labels
    )
    return found or 0.0


async def _is_given_back(office: PostOffice) -> bool:
    row = await office.delivery()
    return bool(row["state"] == "pending" and row["epoch"] == 1)
