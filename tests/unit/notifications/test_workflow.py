from datetime import timedelta

import orjson
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.core.policy import USUAL, OnUnknown
from tidings.notifications.builtin import BUILT_IN
from tidings.notifications.workflow import ChannelStep, Delay, Email, Retry, Workflow

KEYS = st.from_regex("[a-z0-9][a-z0-9-]{0,20}", fullmatch=True)
TYPES = st.from_regex("[!-~]{1,40}", fullmatch=True)
CHANNEL_STEPS = st.builds(
    ChannelStep,
    st.sampled_from(["email", "sms", "web_push"]),
    KEYS,
    expires_after=st.none() | st.integers(1, 86_400),
)
DELAYS = st.builds(
    Delay,
    days=st.integers(0, 30),
    hours=st.integers(0, 48),
    minutes=st.integers(0, 90),
    seconds=st.integers(1, 90),
)
SECONDS = st.none() | st.integers(1, 86_400)
RETRIES = st.builds(Retry, attempts=st.none() | st.integers(1, 1000), max_age=SECONDS, base=SECONDS)
WORKFLOWS = st.builds(
    lambda key, on, steps, last, once, critical, on_unknown, retry: Workflow(
        key=key,
        on=on,
        steps=[*steps, last],
        once=once,
        critical=critical,
        on_unknown=on_unknown,
        retry=retry,
    ),
    KEYS,
    TYPES,
    st.lists(CHANNEL_STEPS | DELAYS, max_size=6),
    CHANNEL_STEPS,
    st.booleans(),
    st.booleans(),
    st.sampled_from(["retry", "check", "hold"]),
    st.none() | RETRIES,
)


@given(WORKFLOWS)
def test_a_workflow_comes_back_from_json_as_it_went(workflow: Workflow) -> None:
    again = Workflow.model_validate_json(workflow.model_dump_json())

    assert again == workflow
    assert again.version == workflow.version


@given(WORKFLOWS)
def test_a_workflow_comes_back_from_what_is_kept_of_it(workflow: Workflow) -> None:
    again = Workflow.model_validate_json(orjson.dumps(workflow.content))

    assert again == workflow


@given(WORKFLOWS, WORKFLOWS)
def test_two_workflows_share_a_version_only_if_they_are_the_same(
    one: Workflow, other: Workflow
) -> None:
    assert (one.version == other.version) == (one == other)


def test_the_version_does_not_depend_on_how_python_was_started() -> None:
    workflow = Workflow(key="hello", on="GREETED", steps=[Email("hello")])

    assert workflow.version == "31181c4a1e9e93ec44eed81ba69002a3"


EXPIRED_AT_ONCE = {"kind": "channel", "channel": "email", "template": "x", "expires_after": 0}


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("key", {"key": "Order_Shipped"}),
        ("key", {"key": ""}),
        ("on", {"on": "two words"}),
        ("on", {"on": "x" * 256}),
        ("steps", {"steps": []}),
        ("steps", {"steps": [{"kind": "delay", "hours": 1}]}),
        ("steps.0.channel.template", {"steps": [{"kind": "channel", "channel": "email"}]}),
        ("steps.0.delay.hours", {"steps": [{"kind": "delay", "hours": "1"}]}),
        ("steps.0.delay", {"steps": [{"kind": "delay"}]}),
        ("steps.0", {"steps": [{"kind": "digest"}]}),
        ("once", {"once": "yes"}),
        ("on_unknown", {"on_unknown": "guess"}),
        ("retry.attempts", {"retry": {"attempts": 0}}),
        ("retry.max_age", {"retry": {"max_age": 1.5}}),
        ("retry", {"retry": {"base": 60, "cap": 30}}),
        ("retry.base", {"retry": {"base": 0.5}}),
        ("steps.0.channel.expires_after", {"steps": [EXPIRED_AT_ONCE]}),
        ("colour", {"colour": "red"}),
    ],
)
def test_a_wrong_workflow_is_refused_with_the_name_of_the_field(
    field: str, change: dict[str, object]
) -> None:
    good = {
        "key": "hello",
        "on": "GREETED",
        "steps": [{"kind": "channel", "channel": "email", "template": "hello"}],
    }

    with pytest.raises(pydantic.ValidationError) as refused:
        Workflow.model_validate_json(orjson.dumps({**good, **change}))

    places = [".".join(map(str, error["loc"])) for error in refused.value.errors()]
    assert places == [field]


def test_a_delay_adds_up() -> None:
    delay = Delay(days=1, hours=2, minutes=3, seconds=4)

    assert delay.duration == timedelta(days=1, hours=2, minutes=3, seconds=4)


def test_a_whole_number_is_one_however_json_writes_it() -> None:
    delay = pydantic.TypeAdapter(Delay)

    assert delay.validate_json('{"kind": "delay", "days": 2.0}') == Delay(days=2)
    for wrong in ("2.5", "true", '"2"', "1e400"):
        with pytest.raises(pydantic.ValidationError):
            delay.validate_json(f'{{"kind": "delay", "days": {wrong}}}')


def test_a_delay_is_at_most_a_year() -> None:
    with pytest.raises(pydantic.ValidationError, match="at most 366 days"):
        Delay(days=367)


def test_the_built_in_workflows_are_the_welcome_and_the_direct_message() -> None:
    assert {(each.key, each.on, each.once) for each in BUILT_IN} == {
        ("welcome", "REGISTERED_USER", True),
        ("direct", "DIRECT_MESSAGE", False),
    }


def test_a_changed_copy_has_a_version_and_a_policy_of_its_own() -> None:
    first = Workflow(key="hello", on="HELLO", steps=[Email("hello")])
    assert first.policy == USUAL

    other = first.model_copy(update={"on_unknown": "hold"})

    assert other.version != first.version
    assert other.policy.on_unknown is OnUnknown.HOLD
