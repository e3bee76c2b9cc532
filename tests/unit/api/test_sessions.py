from datetime import UTC, datetime, timedelta

import pytest

from tidings.api.sessions import LASTING, Sessions

NOW = datetime(2026, 11, 25, tzinfo=UTC)
SESSIONS = Sessions(b"a secret of this installation")


def test_a_session_leads_back_to_the_key_it_began_with_until_it_is_over() -> None:
    cookie = SESSIONS.begin("k3v7qz2a", NOW)

    assert SESSIONS.key_id(cookie, NOW) == "k3v7qz2a"
    assert SESSIONS.key_id(cookie, NOW + LASTING - timedelta(seconds=1)) == "k3v7qz2a"
    assert SESSIONS.key_id(cookie, NOW + LASTING) is None


def test_a_session_of_another_installation_is_none() -> None:
    assert SESSIONS.key_id(Sessions(b"another").begin("k3v7qz2a", NOW), NOW) is None


@pytest.mark.parametrize("change", ["other_key", "later_end", "other_signature"])
def test_a_changed_session_is_none(change: str) -> None:
    key_id, end, signature = SESSIONS.begin("k3v7qz2a", NOW).split(".")
    changed = {
        "other_key": f"aaaaaaaa.{end}.{signature}",
        "later_end": f"{key_id}.{int(end) + 1}.{signature}",
        "other_signature": f"{key_id}.{end}.{'0' * 64}",
    }

    assert SESSIONS.key_id(changed[change], NOW) is None


@pytest.mark.parametrize("text", ["", ".", "a.b.c", "k3v7qz2a.99999999999999999999.00"])
def test_what_is_no_session_is_none(text: str) -> None:
    assert SESSIONS.key_id(text, NOW) is None
