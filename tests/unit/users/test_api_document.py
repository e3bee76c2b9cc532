"""What the API's document says of a field is what the code takes."""

import re
from collections.abc import Callable
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.core.errors import InvalidInput
from tidings.core.locales import normalise_locale
from tidings.users.api import PreferenceItem, UserId, UserIn
from tidings.users.choices import check_preferences
from tidings.users.people import Preference, check_name, check_user_id

USER = UserIn.model_json_schema()["properties"]
CHOICE = PreferenceItem.model_json_schema()["properties"]


def check_workflow(text: str) -> None:
    check_preferences([Preference(workflow=text, channel="*", enabled=True)])


def check_channel(text: str) -> None:
    check_preferences([Preference(workflow="*", channel=text, enabled=True)])


RULES: dict[str, tuple[dict[str, Any], Callable[[str], object]]] = {
    "id": (get_args(UserId)[1].json_schema_extra, check_user_id),
    "name": (USER["name"], check_name),
    "locale": (USER["locale"], normalise_locale),
    "workflow": (CHOICE["workflow"], check_workflow),
    "channel": (CHOICE["channel"], check_channel),
}

TEXTS = st.one_of(
    st.text(max_size=300),
    st.text("aZ09*-_. /\n\x85\u2028\u202e\ufffd", max_size=8),
)


def is_valid(schema: dict[str, Any], text: str) -> bool:
    whole = re.sub(r"\$$", r"\\Z", schema["pattern"])
    return schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", 300) and bool(
        re.search(whole, text)
    )


def is_taken(check: Callable[[str], object], text: str) -> bool:
    try:
        check(text)
    except InvalidInput:
        return False
    return True


@pytest.mark.parametrize("field", RULES)
@given(text=TEXTS)
def test_the_document_and_the_code_agree(field: str, text: str) -> None:
    schema, check = RULES[field]

    assert is_valid(schema, text) is is_taken(check, text)
