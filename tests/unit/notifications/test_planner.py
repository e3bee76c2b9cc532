from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.notifications.people import (
    ANN,
    NOW,
    catalog,
    due,
    due_again,
    planned,
    template,
)
from tidings.core.models import DIRECT_MESSAGE, Lane, NotificationState, Recipient, Verdict
from tidings.core.policy import USUAL, OnUnknown, RetryRule, SendPolicy
from tidings.core.work import PlannedNotification
from tidings.notifications.catalog import Catalog
from tidings.notifications.planner import plan_event, plan_on
from tidings.notifications.workflow import ChannelStep, Delay, Email, InApp, Retry, Workflow

HELLO = Workflow(key="hello", on="GREETED", steps=[Email("hello")])
FOLLOW_UP = Workflow(
    key="follow-up",
    on="GREETED",
    steps=[Email("hello"), Delay(hours=2), ChannelStep("sms", "hello")],
)


def rules(notification: PlannedNotification) -> list[tuple[Verdict, str]]:
    return [(each.verdict, each.rule) for each in notification.decisions]


def test_a_channel_step_sends_to_every_address_of_the_channel() -> None:
    notification = planned(HELLO)

    assert notification.state is NotificationState.PLANNED
    assert [each.address for each in notification.deliveries] == [
        "ann@example.com",
        "ann@example.org",
    ]
    assert rules(notification) == [(Verdict.SEND, "default")]
    assert {each.due_at for each in notification.deliveries} == {NOW}
    assert {each.consent_version for each in notification.deliveries} == {3}


def test_a_delivery_pins_the_template_of_the_users_language() -> None:
    templates = [template("hello", "email"), template("hello", "email", "pl")]

    plan = plan_event(due(), catalog(HELLO, templates=templates))

    pinned = {(each.template_version, each.locale) for each in plan.notifications[0].deliveries}
    assert pinned == {("hello/email/pl", "pl")}


def test_everybody_is_reached_in_the_app_under_their_own_id() -> None:
    workflow = Workflow(key="hello", on="GREETED", steps=[InApp("hello")])
    templates = [template("hello", "in_app")]

    plan = plan_event(
        due(recipient=replace(ANN, addresses={})), catalog(workflow, templates=templates)
    )

    [delivery] = plan.notifications[0].deliveries
    assert (delivery.channel, delivery.address) == ("in_app", "ann")


def test_the_feed_can_be_opted_out_of() -> None:
    workflow = Workflow(key="hello", on="GREETED", steps=[InApp("hello")])

    notification = planned(workflow, replace(ANN, preferences={("hello", "in_app"): False}))

    assert rules(notification) == [(Verdict.SKIP, "preference")]


def test_a_user_without_an_address_is_skipped_for_that() -> None:
    notification = planned(HELLO, replace(ANN, addresses={}))

    assert notification.state is NotificationState.SKIPPED
    assert rules(notification) == [(Verdict.SKIP, "no_address")]
    assert notification.decisions[0].reason == "The user has no email address."


def test_a_suppressed_address_is_the_rule_that_skips_even_what_is_critical() -> None:
    suppressed = replace(ANN, addresses={}, suppressed={"email": ("ann@example.com",)})

    for workflow in (HELLO, HELLO.model_copy(update={"critical": True})):
        assert rules(planned(workflow, suppressed)) == [(Verdict.SKIP, "suppressed")]


def test_an_address_that_was_refused_for_good_is_the_rule_that_skips_even_what_is_critical() -> (
    None
):
    rejected = replace(ANN, addresses={}, rejected={"email": ("ann@example.com",)})

    for workflow in (HELLO, HELLO.model_copy(update={"critical": True})):
        notification = planned(workflow, rejected)
        assert rules(notification) == [(Verdict.SKIP, "rejected")]
        assert notification.decisions[0].reason == (
            "A provider refused the email address for good: it is not used any more."
        )


def test_beside_a_suppressed_address_another_one_is_still_used() -> None:
    one = replace(
        ANN,
        addresses={"email": ("ann@example.org",)},
        suppressed={"email": ("ann@example.com",)},
    )

    assert [each.address for each in planned(HELLO, one).deliveries] == ["ann@example.org"]


def test_an_opt_out_is_the_rule_that_skips() -> None:
    notification = planned(HELLO, replace(ANN, preferences={("hello", "email"): False}))

    assert notification.state is NotificationState.SKIPPED
    assert rules(notification) == [(Verdict.SKIP, "preference")]


def test_a_template_that_is_missing_is_the_rule_that_skips() -> None:
    plan = plan_event(due(), catalog(HELLO, templates=[]))

    assert rules(plan.notifications[0]) == [(Verdict.SKIP, "no_template")]


def test_a_critical_workflow_overrides_the_opt_out_and_takes_the_critical_lane() -> None:
    critical = HELLO.model_copy(update={"critical": True})

    notification = planned(critical, replace(ANN, preferences={("*", "*"): False}))

    assert notification.lane is Lane.CRITICAL
    assert rules(notification) == [(Verdict.SEND, "critical")]


def test_a_notification_keeps_the_lane_of_its_event() -> None:
    plan = plan_event(due(lane=Lane.BULK), catalog(HELLO))

    assert plan.notifications[0].lane is Lane.BULK


def test_only_a_critical_workflow_makes_a_critical_notification_of_a_critical_event() -> None:
    critical = HELLO.model_copy(update={"key": "alarm", "critical": True})

    plan = plan_event(due(lane=Lane.CRITICAL), catalog(critical, HELLO))

    lanes = {each.workflow: each.lane for each in plan.notifications}
    assert lanes == {"alarm": Lane.CRITICAL, "hello": Lane.NORMAL}


DIRECT = Workflow(key="direct", on=DIRECT_MESSAGE, steps=[Email("hello")])


@pytest.mark.parametrize(
    ("data", "addresses"),
    [
        ({}, ["ann@example.com", "ann@example.org"]),
        ({"to": "ann@example.org"}, ["ann@example.org"]),
        ({"to": "ben@example.com"}, []),
    ],
)
def test_a_direct_message_goes_to_its_own_address_or_nowhere(
    data: dict[str, str], addresses: list[str]
) -> None:
    message = due(DIRECT_MESSAGE)
    message = replace(message, event=replace(message.event, data=data))

    (notification,) = plan_event(message, catalog(DIRECT)).notifications

    assert [each.address for each in notification.deliveries] == addresses
    if not addresses:
        assert rules(notification) == [(Verdict.SKIP, "no_address")]
        assert notification.decisions[0].reason == (
            "The message's address is no longer the user's email address."
        )


@pytest.mark.parametrize(
    ("delay", "words"),
    [
        (Delay(days=7), "7 days"),
        (Delay(hours=25), "1 day 1 hour"),
        (Delay(minutes=90, seconds=1), "1 hour 30 minutes 1 second"),
    ],
)
def test_a_wait_is_told_as_a_person_would_say_it(delay: Delay, words: str) -> None:
    workflow = Workflow(key="late", on="GREETED", steps=[delay, Email("hello")])

    until = NOW + delay.duration
    assert planned(workflow).decisions[-1].reason == (
        f"Waits {words}, until {until:%Y-%m-%d %H:%M:%S} UTC."
    )


def test_a_delay_parks_the_notification_at_the_step_after_it() -> None:
    notification = planned(FOLLOW_UP)

    assert notification.state is NotificationState.WAITING
    assert (notification.step, notification.due_at) == (2, NOW + timedelta(hours=2))
    assert {each.channel for each in notification.deliveries} == {"email"}
    assert rules(notification)[-1] == (Verdict.WAIT, "delay")


def test_after_a_wait_the_rest_is_planned_with_the_user_as_they_are_now() -> None:
    opted_out = replace(ANN, preferences={("*", "sms"): False})

    sent = plan_on(due_again(FOLLOW_UP, 2), catalog(FOLLOW_UP))
    skipped = plan_on(due_again(FOLLOW_UP, 2, recipient=opted_out), catalog(FOLLOW_UP))

    assert [each.address for each in sent.deliveries] == ["+48600700800"]
    assert rules(skipped) == [(Verdict.SKIP, "preference")]
    assert skipped.state is NotificationState.PLANNED, "its first step was sent before the wait"


def test_a_wait_that_nothing_was_sent_before_or_after_ends_skipped() -> None:
    late = Workflow(key="late", on="GREETED", steps=[Delay(hours=1), Email("hello")])

    notification = plan_on(due_again(late, 1, recipient=replace(ANN, addresses={})), catalog(late))

    assert notification.state is NotificationState.SKIPPED


def test_a_notification_goes_on_in_the_version_it_began_in() -> None:
    newer = FOLLOW_UP.model_copy(update={"steps": (Email("hello"),)})
    versions = {(FOLLOW_UP.key, FOLLOW_UP.version): FOLLOW_UP}
    known = replace(catalog(newer), by_version=versions)

    notification = plan_on(due_again(FOLLOW_UP, 2), known)

    assert [each.channel for each in notification.deliveries] == ["sms"]


@pytest.mark.parametrize(
    ("recipient", "known", "rule"),
    [(None, catalog(FOLLOW_UP), "no_user"), (ANN, catalog(), "no_workflow")],
)
def test_what_can_not_go_on_after_a_wait_is_cancelled_with_the_reason(
    recipient: Recipient | None, known: Catalog, rule: str
) -> None:
    notification = plan_on(due_again(FOLLOW_UP, 2, recipient=recipient), known)

    assert notification.state is NotificationState.CANCELLED
    assert rules(notification) == [(Verdict.SKIP, rule)]


def test_an_event_nobody_listens_to_says_so() -> None:
    plan = plan_event(due("UNHEARD_OF"), catalog(HELLO))

    assert plan.notifications == ()
    assert plan.reason == "No workflow listens to UNHEARD_OF."


def test_an_event_of_a_user_who_is_gone_says_so() -> None:
    plan = plan_event(due(recipient=None), catalog(HELLO))

    assert plan.notifications == ()
    assert plan.reason == "There is no user ann any more."


def test_every_workflow_that_listens_makes_a_notification() -> None:
    plan = plan_event(due(), catalog(HELLO, FOLLOW_UP))

    assert [each.workflow for each in plan.notifications] == ["follow-up", "hello"]


def test_only_a_registered_user_registers() -> None:
    assert plan_event(due("REGISTERED_USER"), catalog()).registers
    assert not plan_event(due("REGISTERED_USER", recipient=None), catalog()).registers
    assert not plan_event(due("GREETED"), catalog(HELLO)).registers


CODE = Workflow(key="code", on="GREETED", steps=[Email("hello", expires_after=600)])
REMINDER = Workflow(
    key="reminder", on="GREETED", steps=[Delay(days=3), Email("hello", expires_after=600)]
)


def happened(ago: timedelta, workflow: Workflow) -> PlannedNotification:
    """The notification of an event that happened so long ago."""
    event = due()
    event = replace(event, event=replace(event.event, time=NOW - ago))
    (notification,) = plan_event(event, catalog(workflow)).notifications
    return notification


def resumed(ago: timedelta) -> PlannedNotification:
    """The reminder after its wait, of an event that happened so long ago."""
    again = due_again(REMINDER, 1)
    return plan_on(replace(again, event=replace(again.event, time=NOW - ago)), catalog(REMINDER))


def test_a_step_is_of_use_for_so_long_after_its_event() -> None:
    notification = happened(timedelta(seconds=60), CODE)

    assert {each.expires_at for each in notification.deliveries} == {NOW + timedelta(seconds=540)}


def test_what_is_of_no_use_any_more_is_not_planned() -> None:
    notification = happened(timedelta(seconds=600), CODE)

    assert notification.state is NotificationState.SKIPPED
    assert rules(notification) == [(Verdict.SKIP, "expired")]
    assert notification.decisions[0].reason == "It was of use until 2026-11-23 12:00:00 UTC only."


def test_a_workflows_own_delays_do_not_count_against_a_step() -> None:
    in_time = resumed(timedelta(days=3, seconds=599))
    late = resumed(timedelta(days=3, seconds=600))

    assert {each.expires_at for each in in_time.deliveries} == {NOW + timedelta(seconds=1)}
    assert rules(late) == [(Verdict.SKIP, "expired")]


def test_an_event_from_a_clock_that_is_ahead_counts_from_now() -> None:
    notification = happened(timedelta(days=-365 * 7000), CODE)

    assert {each.expires_at for each in notification.deliveries} == {NOW + timedelta(seconds=600)}


def test_a_delivery_carries_what_its_workflow_wants_when_sending_goes_wrong() -> None:
    careful = HELLO.model_copy(update={"on_unknown": "hold", "retry": Retry(attempts=3)})

    policies = {each.policy for each in planned(careful).deliveries}

    wanted = SendPolicy(on_unknown=OnUnknown.HOLD, retry=RetryRule(attempts=3))
    assert policies == {wanted}
    assert SendPolicy.of(wanted.kept) == wanted
    assert {each.policy for each in planned(HELLO).deliveries} == {USUAL}
