"""`FakeSystem`, as users' own tests have it."""

from datetime import timedelta

import pytest

from tidings import Delay, Email, Workflow
from tidings.core.errors import TransientError
from tidings.core.models import NotificationState
from tidings.testing.fake_system import FakeSystem

COURSE = Workflow(
    key="course",
    on="REGISTERED_USER",
    steps=[Email("welcome"), Delay(days=3), Email("welcome"), Delay(days=3), Email("welcome")],
)


async def test_nothing_is_sent_before_it_is_settled_and_all_that_is_due_after() -> None:
    async with FakeSystem() as tidings:
        await tidings.register("ann@example.com", name="Ann")
        tidings.assert_nothing_sent()

        await tidings.settle()

        message = tidings.assert_sent(to="ann@example.com", subject="Welcome", text="Ann")
        assert [message] == list(tidings.sent)


async def test_what_falls_due_while_time_passes_is_done_in_its_time() -> None:
    async with FakeSystem(workflows=[COURSE]) as tidings:
        event_id = await tidings.register("ann@example.com")

        await tidings.advance(days=4)
        after_four_days = len(tidings.sent_to("ann@example.com"))
        await tidings.advance(days=3)

        assert after_four_days == 3  # the welcome, and two mails of the course
        assert len(tidings.sent_to("ann@example.com")) == 4
        notifications = (await tidings.explain(event_id)).notifications
        assert {one.state for one in notifications} == {NotificationState.PLANNED}


async def test_the_clock_stands_where_it_was_moved_to() -> None:
    async with FakeSystem() as tidings:
        before = tidings.clock.now()

        await tidings.advance(hours=5)

        passed = tidings.clock.now() - before
        assert timedelta(hours=5) <= passed < timedelta(hours=5, minutes=1)


async def test_a_failure_that_passes_is_tried_again_when_its_time_comes() -> None:
    async with FakeSystem() as tidings:
        tidings.provider.script([TransientError("busy"), None])
        await tidings.register("ann@example.com")
        await tidings.settle()
        tidings.assert_nothing_sent(to="ann@example.com")

        await tidings.advance(minutes=1)

        tidings.assert_sent(to="ann@example.com")


async def test_assertions_fail_where_they_should() -> None:
    async with FakeSystem() as tidings:
        event_id = await tidings.settled(await tidings.register("ann@example.com"))

        with pytest.raises(AssertionError, match="0 such messages"):
            tidings.assert_sent(to="bob@example.com")
        with pytest.raises(AssertionError, match="sent all the same"):
            tidings.assert_nothing_sent()
        with pytest.raises(AssertionError, match="welcome was not skipped by once"):
            await tidings.assert_skipped(event_id.event_id, "welcome", rule="once")


async def test_two_fake_systems_know_nothing_of_each_other() -> None:
    async with FakeSystem() as one, FakeSystem() as other:
        await one.register("ann@example.com")
        await one.settle()
        await other.settle()

        other.assert_nothing_sent()
