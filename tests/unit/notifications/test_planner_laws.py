"""What holds of every workflow and every recipient, whatever they are."""

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.notifications.people import ANN, catalog, due_again, planned
from tidings.core.models import NotificationState, Recipient, Verdict
from tidings.core.work import PlannedNotification
from tidings.notifications.planner import plan_on
from tidings.notifications.workflow import ChannelStep, Delay, Email, Workflow

CHANNELS = st.sampled_from(["email", "sms", "push"])
STEPS = st.builds(ChannelStep, CHANNELS, st.sampled_from(["hello", "missing"])) | st.builds(
    Delay, minutes=st.integers(1, 500)
)
WORKFLOWS = st.builds(
    lambda steps, once, critical: Workflow(
        key="any", on="GREETED", steps=[*steps, Email("hello")], once=once, critical=critical
    ),
    st.lists(STEPS, max_size=6),
    st.booleans(),
    st.booleans(),
)
RECIPIENTS = st.builds(
    lambda addresses, preferences: replace(ANN, addresses=addresses, preferences=preferences),
    st.dictionaries(
        CHANNELS, st.lists(st.text("abc", min_size=1), max_size=3, unique=True).map(tuple)
    ),
    st.dictionaries(
        st.tuples(st.sampled_from(["any", "*"]), CHANNELS | st.just("*")), st.booleans()
    ),
)


def whole_life(workflow: Workflow, recipient: Recipient) -> list[PlannedNotification]:
    """The notification as first planned, then after each of its waits."""
    life = [planned(workflow, recipient)]
    while life[-1].state is NotificationState.WAITING:
        assert len(life) <= len(workflow.steps), "it waits without end"
        again = due_again(workflow, life[-1].step, recipient=recipient)
        life.append(plan_on(replace(again, id=life[0].id), catalog(workflow)))
    return life


@given(WORKFLOWS, RECIPIENTS)
def test_planning_twice_plans_the_same(workflow: Workflow, recipient: Recipient) -> None:
    assert whole_life(workflow, recipient) == whole_life(workflow, recipient)


@given(WORKFLOWS, RECIPIENTS)
def test_every_step_ends_in_one_decision(workflow: Workflow, recipient: Recipient) -> None:
    life = whole_life(workflow, recipient)

    decisions = Counter((each.step, each.verdict) for stage in life for each in stage.decisions)
    deliveries = Counter(each.step for stage in life for each in stage.deliveries)
    assert {step for step, _ in decisions} == set(range(len(workflow.steps)))
    for index in range(len(workflow.steps)):
        assert decisions[index, Verdict.SEND] == min(1, deliveries[index])
        others = decisions[index, Verdict.SKIP] + decisions[index, Verdict.WAIT]
        assert others == (0 if deliveries[index] else 1)


@given(WORKFLOWS, RECIPIENTS)
def test_no_two_deliveries_share_an_id(workflow: Workflow, recipient: Recipient) -> None:
    ids = [each.id for stage in whole_life(workflow, recipient) for each in stage.deliveries]

    assert len(set(ids)) == len(ids)


@given(WORKFLOWS, RECIPIENTS)
def test_a_channel_that_was_opted_out_of_never_gets_a_delivery(
    workflow: Workflow, recipient: Recipient
) -> None:
    opted_out = replace(recipient, preferences={("any", "email"): False})

    life = whole_life(workflow.model_copy(update={"critical": False}), opted_out)

    assert "email" not in {each.channel for stage in life for each in stage.deliveries}


@given(WORKFLOWS, RECIPIENTS)
def test_a_notification_is_skipped_only_if_nothing_was_ever_sent(
    workflow: Workflow, recipient: Recipient
) -> None:
    life = whole_life(workflow, recipient)

    sent = any(stage.deliveries for stage in life)
    if life[-1].state is NotificationState.SKIPPED:
        assert not sent
    if sent:
        assert life[-1].state is NotificationState.PLANNED
