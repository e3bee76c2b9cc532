"""Consent: the most specific choice wins, whatever else was chosen."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.core.models import Recipient
from tidings.core.rules import Rule
from tidings.users.consent import Consent, consent

Choices = Mapping[tuple[str, str], bool]

NAMES = st.sampled_from(["*", "welcome", "order-shipped"])
CHANNELS = st.sampled_from(["*", "email", "sms"])
CHOICES = st.dictionaries(st.tuples(NAMES, CHANNELS), st.booleans())


def asked(choices: Choices, *, critical: bool = False) -> Consent:
    recipient = Recipient(id="ann", preferences=choices)
    return consent(recipient, "welcome", "email", critical=critical)


def oracle(choices: Choices) -> bool:
    """Rank every choice that applies by how much it names; the workflow counts for more."""
    applying = [
        ((workflow != "*") * 2 + (channel != "*"), enabled)
        for (workflow, channel), enabled in choices.items()
        if workflow in {"*", "welcome"} and channel in {"*", "email"}
    ]
    return max(applying, default=(0, True))[1]


@given(CHOICES)
def test_the_most_specific_choice_wins(choices: Choices) -> None:
    assert asked(choices).allowed is oracle(choices)


@given(CHOICES)
def test_nobody_opts_out_of_what_is_critical(choices: Choices) -> None:
    answer = asked(choices, critical=True)

    assert (answer.allowed, answer.rule) == (True, "critical")


@given(CHOICES, st.sampled_from([("order-shipped", "*"), ("order-shipped", "email"), ("*", "sms")]))
def test_choices_about_something_else_change_nothing(
    choices: Choices, other: tuple[str, str]
) -> None:
    assert asked({**choices, other: False}) == asked({**choices, other: True})


def test_without_a_choice_it_is_on_by_default() -> None:
    assert asked({}) == Consent(
        allowed=True,
        rule=Rule.DEFAULT,
        reason="Nothing was chosen for welcome by email, so it is on.",
    )


@pytest.mark.parametrize(
    ("scope", "enabled", "reason"),
    [
        (("welcome", "email"), False, "The user turned welcome by email off."),
        (("welcome", "*"), False, "The user turned welcome on every channel off."),
        (("*", "email"), False, "The user turned all notifications by email off."),
        (("*", "*"), False, "The user turned all notifications on every channel off."),
        (("welcome", "email"), True, "The user turned welcome by email on."),
    ],
)
def test_the_reason_tells_which_choice_decided(
    scope: tuple[str, str], enabled: bool, reason: str
) -> None:
    assert asked({scope: enabled}) == Consent(allowed=enabled, rule=Rule.PREFERENCE, reason=reason)
