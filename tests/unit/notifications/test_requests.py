from datetime import UTC, datetime
from typing import Any

import pytest

from tidings.core.errors import InvalidInput
from tidings.core.models import Event
from tidings.core.work import Acceptance, Installation
from tidings.notifications.requests import TEXT_LIMIT, Composer, EventRequest

NOW = datetime(2026, 11, 23, tzinfo=UTC)
COMPOSER = Composer(installation=Installation(id="here", address_key=b"k" * 32))


def registration(email: str, name: str | None = None, locale: str | None = None) -> Acceptance:
    return COMPOSER.registration(email, name, locale, event_id="e1", now=NOW)


def heard(**data: Any) -> Acceptance:
    event = Event(id="7", type="REGISTERED_USER", source="shop", time=NOW, data=data)
    return COMPOSER.heard(event, "USER_CHANNEL")


def test_an_address_has_one_user_however_it_is_written() -> None:
    one, other = registration("Ann@Example.com"), registration("ann@example.COM")

    assert one.event.user_id == other.event.user_id
    assert one.registration == other.registration
    assert one.event.user_id is not None
    assert "@" not in one.event.user_id


def test_a_registration_carries_what_the_templates_need() -> None:
    acceptance = registration("ann@example.com", "Ann", "pt_br")

    assert acceptance.registration is not None
    assert acceptance.registration.name == "Ann"
    assert acceptance.registration.locale == "pt-BR"
    assert acceptance.event.source == "tidings:here"
    assert acceptance.bus_channel == "USER_CHANNEL"


@pytest.mark.parametrize(
    ("email", "name", "locale", "field"),
    [
        ("nobody", None, None, "email"),
        ("a@example.com\r\nBcc: b@example.com", None, None, "email"),
        ("a@example.com\0", None, None, "email"),
        ("a@example.com", "A\r\nBcc: b", None, "name"),
        ("a@example.com", "A", "not a locale", "locale"),
    ],
)
def test_a_wrong_registration_is_refused_by_its_field(
    email: str, name: str | None, locale: str | None, field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        registration(email, name, locale)

    assert refused.value.field == field


def test_a_registration_heard_without_a_user_registers_its_address() -> None:
    acceptance = heard(email="ann@example.com", plan="pro")

    assert acceptance.registration == registration("ann@example.com").registration
    assert acceptance.event.id == "7"
    assert acceptance.event.source == "shop"
    assert acceptance.event.data["plan"] == "pro"


@pytest.mark.parametrize(
    ("data", "field"),
    [({"email": 7}, "email"), ({"email": "x"}, "email"), ({"email": "a@b.pl", "name": 1}, "name")],
)
def test_a_registration_heard_with_wrong_data_is_refused(data: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        heard(**data)

    assert refused.value.field == field


def test_a_direct_message_goes_to_the_user_of_the_address() -> None:
    acceptance = COMPOSER.direct("ann@example.com", "hi", None, event_id="e1", now=NOW)

    assert acceptance.event.user_id == registration("ann@example.com").event.user_id
    assert acceptance.event.data == {"to": "ann@example.com", "text": "hi", "subject": None}


@pytest.mark.parametrize(
    ("to", "text", "subject", "field"),
    [
        ("nobody", "hi", None, "to"),
        ("a@example.com", "", None, "text"),
        ("a@example.com", "x" * (TEXT_LIMIT + 1), None, "text"),
        ("a@example.com", "hi", "a\r\nBcc: b", "subject"),
        ("a@example.com", "h\0i", None, "text"),
    ],
)
def test_a_wrong_direct_message_is_refused_by_its_field(
    to: str, text: str, subject: str | None, field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        COMPOSER.direct(to, text, subject, event_id="e1", now=NOW)

    assert refused.value.field == field


def event(**data: object) -> Acceptance:
    request = EventRequest(type="X", user_id="u", data=data, idempotency_key="k")
    return COMPOSER.event(request, event_id="e1", now=NOW)


def test_the_fingerprint_knows_content_not_the_order_of_keys() -> None:
    assert event(a=1, b=2).idempotency == event(b=2, a=1).idempotency
    assert event(a=1, b=2).idempotency != event(a=1, b=3).idempotency
