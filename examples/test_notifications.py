"""Tests of your own notifications: `pytest examples/test_notifications.py`. Nothing is sent."""

from tidings import Delay, Email, Workflow
from tidings.testing.fake_system import FakeSystem
from tidings.users.people import Preference

SHIPPED = Workflow(
    key="order-shipped",
    on="ORDER_SHIPPED",
    steps=[Email("welcome"), Delay(days=7), Email("welcome")],
)


async def test_a_shipped_order_is_told_at_once_and_asked_about_after_a_week() -> None:
    async with FakeSystem(workflows=[SHIPPED]) as system:
        await system.users.put("u1", email="ann@example.com", name="Ann")

        await system.trigger("ORDER_SHIPPED", "u1")
        await system.settle()
        system.assert_sent(to="ann@example.com", subject="Welcome, Ann!")

        await system.advance(days=7)
        assert len(system.sent_to("ann@example.com")) == 2


async def test_who_opted_out_is_not_told_and_the_reason_is_kept() -> None:
    async with FakeSystem(workflows=[SHIPPED]) as system:
        await system.users.put("u1", email="ann@example.com")
        off = Preference(workflow="order-shipped", channel="*", enabled=False)
        await system.users.set_preferences("u1", [off])

        event_id = await system.trigger("ORDER_SHIPPED", "u1")
        await system.settle()

        system.assert_nothing_sent()
        await system.assert_skipped(event_id, "order-shipped", rule="preference")
