"""Planning on real databases: workflows, waits, versions, and what is told about it."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from tests.system.house import House, open_house
from tidings.core.errors import ConfigurationError, InvalidInput, NotFound
from tidings.core.models import BELL_CHANNEL, NotificationState
from tidings.core.ports import Store
from tidings.core.work import DueNotification, EventPlan, PlannedNotification
from tidings.delivery.recheck import recheck
from tidings.notifications.builtin import WELCOME
from tidings.notifications.workflow import Delay, Email, Workflow
from tidings.store.postgres import PostgresStore
from tidings.store.sqlite import SqliteStore
from tidings.testing.clock import MovableClock
from tidings.testing.store_contract.given import claim
from tidings.users.people import Preference

REMINDER = Workflow(
    key="reminder", on="BOOKED", steps=[Email("welcome"), Delay(hours=1), Email("welcome")]
)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def house(request: pytest.FixtureRequest, clock: MovableClock) -> AsyncIterator[House]:
    store = await open_store(request, clock)
    async with open_house(store, clock=clock, workflows=[REMINDER]) as opened:
        await opened.users.put("ann", email="ann@example.com", name="Ann", locale=None)
        yield opened
    await store.aclose()


async def open_store(request: pytest.FixtureRequest, clock: MovableClock) -> Store:
    if request.param == "sqlite":
        return await SqliteStore.open(None, clock=clock)
    return await PostgresStore.open(request.getfixturevalue("postgres_url"), clock=clock)


async def states(house: House, event_id: str) -> list[tuple[str, int]]:
    explanation = await house.notifications.explain(event_id)
    return [(each.state, len(each.deliveries)) for each in explanation.notifications]


async def test_a_welcome_is_planned_once_and_says_why_not_again(house: House) -> None:
    first = (await house.intake.register("bob@example.com")).event_id
    await house.plan()
    second = (await house.intake.register("bob@example.com")).event_id
    await house.plan()

    assert await states(house, first) == [("planned", 1)]
    (again,) = (await house.notifications.explain(second)).notifications
    assert (again.state, again.deliveries) == ("skipped", ())
    assert again.decisions[-1].rule == "once"


async def test_a_welcome_that_was_skipped_may_be_tried_again(house: House) -> None:
    first = (await house.intake.register("bob@example.com")).event_id
    user_id = (await house.notifications.explain(first)).user_id
    assert user_id is not None
    off = Preference(workflow="welcome", channel="email", enabled=False)
    await house.users.set_preferences(user_id, [off])
    await house.plan()

    await house.users.set_preferences(user_id, [])
    second = (await house.intake.register("bob@example.com")).event_id
    await house.plan()

    assert await states(house, first) == [("skipped", 0)]
    assert await states(house, second) == [("planned", 1)]


async def test_a_delay_is_waited_for_and_the_rest_follows(
    house: House, clock: MovableClock
) -> None:
    booked = await house.intake.trigger("BOOKED", "ann")
    await house.plan()
    before = await states(house, booked.event_id)

    clock.advance(minutes=59)
    await house.plan()
    too_early = await states(house, booked.event_id)
    clock.advance(minutes=2)
    await house.plan()

    assert before == too_early == [("waiting", 1)]
    assert await states(house, booked.event_id) == [("planned", 2)]


async def test_a_wait_whose_planning_fails_tells_why(house: House, clock: MovableClock) -> None:
    def fail(_due: DueNotification) -> PlannedNotification:
        raise ValueError("no")

    booked = await house.intake.trigger("BOOKED", "ann")
    await house.plan()
    clock.advance(hours=2)
    stamp = (await house.workflows.read()).definitions
    await house.store.resume(limit=10, definitions=stamp, decide=fail)

    (notification,) = (await house.notifications.explain(booked.event_id)).notifications
    assert (notification.state, notification.reason) == ("waiting", "ValueError: no")


async def test_an_opt_out_during_the_wait_counts(house: House, clock: MovableClock) -> None:
    booked = await house.intake.trigger("BOOKED", "ann")
    await house.plan()

    off = Preference(workflow="reminder", channel="*", enabled=False)
    await house.users.set_preferences("ann", [off])
    clock.advance(hours=2)
    await house.plan()

    (notification,) = (await house.notifications.explain(booked.event_id)).notifications
    assert [each.rule for each in notification.decisions] == ["default", "delay", "preference"]
    assert len(notification.deliveries) == 1


async def test_an_opt_out_counts_beside_a_critical_workflow_for_the_same_event(
    house: House,
) -> None:
    await house.workflows.put(
        Workflow(key="alarm", on="ALARM", steps=[Email("welcome")], critical=True)
    )
    await house.workflows.put(Workflow(key="tips", on="ALARM", steps=[Email("welcome")]))
    accepted = await house.intake.trigger("ALARM", "ann")
    await house.plan()
    off = Preference(workflow="*", channel="*", enabled=False)
    await house.users.set_preferences("ann", [off])

    claimed = await claim(house.store)

    refusals = {each.workflow: recheck(each, await house.store.now()) for each in claimed}
    assert refusals["alarm"] is None
    assert refusals["tips"] is not None
    assert refusals["tips"].rule == "preference"
    assert (await house.notifications.explain(accepted.event_id)).lane == "critical"


async def test_a_direct_message_never_reaches_another_who_took_over_the_user(
    house: House,
) -> None:
    first = (await house.intake.send("bob@example.com", "hello")).event_id
    user_id = (await house.notifications.explain(first)).user_id
    assert user_id is not None
    await house.users.put(user_id, email="eve@example.com")

    second = (await house.intake.send("bob@example.com", "hello again")).event_id
    await house.plan()

    assert await states(house, first) == await states(house, second) == [("skipped", 0)]


async def test_each_plan_is_told_after_it_was_committed_as_it_was(house: House) -> None:
    told: list[EventPlan] = []
    for _ in range(2):
        await house.intake.register("bob@example.com")
        await house.notifications.plan_due(tell=told.append)

    states = [each.state for plan in told for each in plan.notifications]
    assert states == [NotificationState.PLANNED, NotificationState.SKIPPED]


async def test_what_waits_goes_on_in_the_version_it_began_in(
    house: House, clock: MovableClock
) -> None:
    old = await house.intake.trigger("BOOKED", "ann")
    await house.plan()

    shorter = REMINDER.model_copy(update={"steps": (Email("welcome"),)})
    changed = await house.workflows.put(shorter)
    new = await house.intake.trigger("BOOKED", "ann")
    clock.advance(hours=2)
    await house.plan()

    assert changed
    assert await states(house, old.event_id) == [("planned", 2)]
    assert await states(house, new.event_id) == [("planned", 1)]
    (notification,) = (await house.notifications.explain(new.event_id)).notifications
    assert notification.workflow_version == shorter.version


async def test_publishing_the_same_workflow_again_changes_nothing(house: House) -> None:
    before = (await house.workflows.read()).definitions

    changed = await house.workflows.put(REMINDER)

    assert not changed
    assert (await house.workflows.read()).definitions == before


async def test_a_workflow_may_go_back_to_an_earlier_version(house: House) -> None:
    await house.workflows.put(REMINDER.model_copy(update={"once": True}))

    await house.workflows.put(REMINDER)

    assert await house.workflows.get("reminder") == REMINDER
    assert [each.key for each in await house.workflows.list()] == ["direct", "reminder", "welcome"]


async def test_an_unknown_workflow_or_event_is_not_found(house: House) -> None:
    with pytest.raises(NotFound):
        await house.workflows.get("nothing")
    with pytest.raises(NotFound):
        await house.notifications.explain("nothing")


async def test_an_event_nobody_listens_to_says_so(house: House) -> None:
    accepted = await house.intake.trigger("UNHEARD_OF", "ann")
    await house.plan()

    explanation = await house.notifications.explain(accepted.event_id)
    assert (explanation.state, explanation.notifications) == ("planned", ())
    assert explanation.reason == "No workflow listens to UNHEARD_OF."


async def test_the_bell_rings_once_for_a_batch(house: House) -> None:
    async with house.bus.watch(BELL_CHANNEL) as rings:
        for number in range(5):
            await house.intake.register(f"u{number}@example.com")
        await house.plan()

        bell = await anext(rings)

    assert bell.data == {"channels": {"email": 5}}


async def test_the_last_events_are_listed_newest_first_with_their_outcomes(
    house: House, clock: MovableClock
) -> None:
    first = (await house.intake.register("bob@example.com")).event_id
    await house.plan()
    clock.advance(seconds=1)
    second = await house.intake.trigger("UNHEARD_OF", "ann")

    newest, oldest = await house.notifications.recent(2)

    assert (newest.event_id, newest.state, newest.outcomes) == (second.event_id, "due", {})
    assert (oldest.event_id, oldest.workflows) == (first, ("welcome",))
    assert oldest.outcomes == {"pending": 1}
    assert (await house.notifications.explain(newest.key)).event_id == second.event_id


async def test_planning_is_counted_by_workflow_and_state(house: House) -> None:
    for _ in range(3):
        await house.intake.register("bob@example.com")
    await house.plan()

    counts = [
        house.metrics.registry.get_sample_value(
            "tidings_notifications_planned_total", {"workflow": "welcome", "state": state}
        )
        for state in ("planned", "skipped")
    ]
    assert counts == [1, 2]


async def test_at_a_start_modules_win_over_what_was_put_and_that_over_the_built_in(
    house: House,
) -> None:
    """And what a module had and has no more is withdrawn, so that the built-in one is back."""
    mine = WELCOME.model_copy(update={"once": False})
    put = WELCOME.model_copy(update={"critical": True})

    versions = []
    for publish in (
        lambda: house.workflows.load((), [mine]),
        lambda: house.workflows.load(()),
        lambda: house.workflows.put(put),
        lambda: house.workflows.load(()),
        lambda: house.workflows.load((), [mine]),
        lambda: house.workflows.load(()),
    ):
        await publish()
        versions.append((await house.workflows.get("welcome")).version)

    expected = [mine, WELCOME, put, put, mine, WELCOME]
    assert versions == [each.version for each in expected]


async def test_a_workflow_that_left_its_module_is_withdrawn_and_what_waits_goes_on(
    house: House, clock: MovableClock
) -> None:
    booked = await house.intake.trigger("BOOKED", "ann")
    await house.plan()

    await house.workflows.load(())
    clock.advance(hours=2)
    await house.plan()

    assert [each.key for each in await house.workflows.list()] == ["direct", "welcome"]
    assert await states(house, booked.event_id) == [("planned", 2)]


async def test_a_start_that_changes_nothing_leaves_the_stamp(house: House) -> None:
    await house.workflows.put(REMINDER.model_copy(update={"key": "put"}))
    before = (await house.workflows.read()).definitions

    await house.workflows.load((), [REMINDER])

    assert (await house.workflows.read()).definitions == before


async def test_a_workflow_put_over_http_that_gives_way_is_told(house: House) -> None:
    await house.workflows.put(REMINDER.model_copy(update={"once": True}))

    with structlog.testing.capture_logs() as logs:
        await house.workflows.load((), [REMINDER])

    (line,) = [line for line in logs if line["log_level"] == "warning"]
    assert line["workflows"] == ["reminder"]


async def test_a_template_that_is_missing_stops_the_start_with_the_file_to_add(
    house: House,
) -> None:
    wrong = REMINDER.model_copy(update={"steps": (Email("welcome"), Email("welcom"))})

    with pytest.raises(ConfigurationError) as refused:
        await house.workflows.load((), [wrong])
    with pytest.raises(InvalidInput) as not_put:
        await house.workflows.put(wrong)

    assert str(refused.value) == (
        "Workflow reminder, step 2: there is no template welcom for email: add "
        "welcom/email.subject.txt and welcom/email.txt to the folder that TIDINGS_TEMPLATES names, "
        "or put one with PUT /v1/templates/{key}/{channel}."
    )
    assert not_put.value.field == "steps.1.template"
    assert await house.workflows.get("reminder") == REMINDER


async def test_workflows_come_from_a_module_of_the_working_directory(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    package = tmp_path / "a_shop"
    package.mkdir()
    (package / "notifications.py").write_text(
        "from tidings.notifications.workflow import Email, Workflow\n"
        "SHIPPED = Workflow(key='shipped', on='SHIPPED', steps=[Email('welcome')])\n"
    )

    await house.workflows.load(["a_shop.notifications"])

    assert (await house.workflows.get("shipped")).on == "SHIPPED"


@pytest.mark.parametrize(
    ("name", "source", "sentence"),
    [
        ("broken_shop", "import nothing_like_it", "No module named 'nothing_like_it'"),
        ("wrong_shop", "from tidings.notifications.workflow import *\nWorkflow(key='A')", "key"),
        ("empty_shop", "", "no Workflow at its top level"),
    ],
)
async def test_a_module_that_can_not_be_used_stops_the_start_with_its_name(
    house: House,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    source: str,
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / f"{name}.py").write_text(source)

    with pytest.raises(ConfigurationError, match=sentence) as refused:
        await house.workflows.load([name])

    assert f"TIDINGS_WORKFLOWS names {name}" in str(refused.value)
