"""Integrations with weights: who gets which share of a channel's calls."""

from tests.system.post_office import PostOffice, plan_more
from tests.system.vendors import Vendor
from tidings.core.errors import TransientError


async def test_weights_split_the_calls(office: PostOffice) -> None:
    east, west = Vendor(), Vendor()
    await office.plan_welcomes(400)
    service = office.service(
        integrations=[east.named("east", weight=80), west.named("west", weight=20)], slots=25
    )

    while await service.work():
        pass

    assert len(east.messages) + len(west.messages) == 400
    assert 300 <= len(east.messages) <= 340


async def test_weights_split_single_calls_too(office: PostOffice) -> None:
    east, west = Vendor(), Vendor()
    service = office.service(
        integrations=[east.named("east", weight=3), west.named("west", weight=1)]
    )
    for _ in range(20):
        await plan_more(office, 1)
        await service.work()

    assert (len(east.messages), len(west.messages)) == (15, 5)


async def test_a_standby_has_nothing_while_the_other_is_only_busy(office: PostOffice) -> None:
    main, standby = Vendor(), Vendor()
    await office.plan_welcomes(60)
    service = office.service(
        integrations=[main.named("main", weight=100), standby.named("standby", weight=0)], slots=7
    )

    while await service.work():
        pass
    served, stood_by = len(main.messages), len(standby.messages)
    main.go_down()
    await plan_more(office, 20)
    while await service.work():
        pass

    assert (served, stood_by) == (60, 0)
    assert len(standby.messages) == 20


async def test_while_one_of_two_weighted_is_down_the_other_has_all(office: PostOffice) -> None:
    east, west = Vendor(), Vendor()
    east.go_down()
    await office.plan_welcomes(100)
    service = office.service(
        integrations=[east.named("east", weight=80), west.named("west", weight=20)], slots=20
    )

    while await service.work():
        pass

    assert len(west.messages) == 100
    assert len(east.calls) < 30


async def test_shares_leave_one_that_fails_now_and_then(office: PostOffice) -> None:
    east, west = Vendor(), Vendor()
    service = office.service(
        integrations=[east.named("east", weight=50), west.named("west", weight=50)]
    )

    for minute in range(6):
        for each in range(20):
            east.trouble = TransientError("busy") if each % 5 < 2 else None
            await plan_more(office, 1)
            await service.work()
        office.clock.advance(minutes=1)
        await service.work()
        share = office.house.metrics.integration_share.labels("email", "east")
        assert minute < 1 or share._value.get() < 50

    assert len(west.messages) > len(east.calls)
