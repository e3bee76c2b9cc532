from datetime import UTC, datetime

from tidings.core import cloudevents
from tidings.core.dead_letters import dead_letter
from tidings.core.models import Event

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def letter(entry: Event | str) -> Event:
    return dead_letter(
        bus_channel="USER_CHANNEL",
        group="notification",
        entry_id="1-0",
        reason="unreadable",
        entry=entry,
        at=NOW,
    )


def event(data: dict[str, object]) -> Event:
    return Event(id="1", type="SHIPPED", source="shop", time=NOW, data=data)


def test_the_same_burial_has_the_same_id() -> None:
    assert letter("x").id == letter("x").id


def test_an_event_is_shown_as_its_envelope() -> None:
    assert letter(event({"order": 1})).data["entry"]["data"] == {"order": 1}


def test_null_characters_are_shown_but_not_passed_on() -> None:
    of_text, of_event = letter("a\x00b"), letter(event({"a": "\x00"}))

    assert of_text.data["entry"] == "a\N{REPLACEMENT CHARACTER}b"
    assert isinstance(of_event.data["entry"], str)
    for one in (of_text, of_event):
        again = cloudevents.decode(cloudevents.encode(one), received_at=NOW)
        assert "\x00" not in str(again.data["entry"])
