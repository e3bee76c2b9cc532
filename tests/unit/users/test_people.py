"""Rules for ids, names and choices."""

import pytest

from tidings.core.errors import InvalidInput
from tidings.users.choices import LIMIT, check_preferences
from tidings.users.people import Preference, check_name, check_user_id


@pytest.mark.parametrize(
    "user_id", ["1", "u_abc", "ann@example.com", "Žofie Nová", "山田", "a" * 255, "..."]
)
def test_any_line_without_a_slash_is_an_id(user_id: str) -> None:
    assert check_user_id(user_id) == user_id


@pytest.mark.parametrize(
    "user_id",
    ["", "a" * 256, "a/b", ".", "..", "a\0", "a\r\nb", "a\x85", "a\u2028b", "\ud800", "a\ufffd"],
)
def test_an_id_that_can_not_stand_in_a_url_is_refused(user_id: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        check_user_id(user_id)

    assert refusal.value.field == "id"


@pytest.mark.parametrize(
    "name",
    [
        "Ann",
        'Ann, the "First" <O\'Hara>',
        "山田\u3000太郎",
        "می\u200cکنم",
        "\u200fדנה לוי",
        "👩\u200d👩\u200d👧 Family",
        "Zoë\u00a0Ng",
    ],
)
def test_names_may_be_in_any_script(name: str) -> None:
    assert check_name(name) == name


def test_a_name_is_trimmed_and_composed() -> None:
    assert check_name("  Zoe\u0308 ") == "Zoë"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "a" * 256,
        "a\nb",
        "a\r\nBcc: x",
        "a\0b",
        "a\x1b[31m",
        "a\u2028b",
        "a\u202eb",
        "\ud800",
    ],
)
def test_a_name_is_one_line_without_tricks(name: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        check_name(name)

    assert refusal.value.field == "name"


def choice(workflow: str = "welcome", channel: str = "email") -> Preference:
    return Preference(workflow=workflow, channel=channel, enabled=False)


def test_choices_are_put_in_order() -> None:
    choices = [choice("welcome", "sms"), choice("*", "*"), choice("welcome", "*")]

    assert check_preferences(choices) == [choices[1], choices[2], choices[0]]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (choice(workflow=""), "preferences.1.workflow"),
        (choice(workflow="Wel come"), "preferences.1.workflow"),
        (choice(workflow="welcome\n"), "preferences.1.workflow"),
        (choice(channel="e-mail"), "preferences.1.channel"),
        (choice(channel="**"), "preferences.1.channel"),
        (choice("order", "sms"), "preferences.1"),
    ],
)
def test_a_wrong_choice_is_named(wrong: Preference, field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        check_preferences([choice("order", "sms"), wrong])

    assert refusal.value.field == field


def test_choices_are_bounded() -> None:
    choices = [choice(f"workflow-{number}") for number in range(LIMIT + 1)]

    assert len(check_preferences(choices[:-1])) == LIMIT
    with pytest.raises(InvalidInput, match=str(LIMIT)):
        check_preferences(choices)
