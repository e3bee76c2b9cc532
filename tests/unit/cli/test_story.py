"""What `tidings explain` prints of an event."""

from collections.abc import Mapping
from typing import Any

import pytest

from tidings.cli.asking import story


def printed(attempt: Mapping[str, Any], **delivery: str | None) -> list[str]:
    """The lines below the event's own."""
    sent = {"channel": "email", "state": "sent", "attempts": [attempt], **delivery}
    run = {"id": "n1", "workflow": "welcome", "state": "planned", "decisions": []}
    event = {"event_id": "e1", "type": "REGISTERED_USER", "state": "planned"}
    return story({**event, "notifications": [{**run, "deliveries": [sent]}]}).splitlines()[1:]


def attempt(outcome: str, **told: str | None) -> Mapping[str, Any]:
    """A call by west at noon."""
    return {"started_at": "12:00", "provider": "west", "outcome": outcome, **told}


def test_a_notification_has_its_id_which_another_command_asks_for() -> None:
    assert printed(attempt("sent"))[0] == "  welcome n1: planned"


@pytest.mark.parametrize(
    ("told", "line"),
    [
        (attempt("sent"), "sent"),
        (
            attempt("transient", error="the endpoint answered 500"),
            "transient: the endpoint answered 500",
        ),
        (
            attempt("sent", route="Retried elsewhere after a failure at east."),
            "sent: Retried elsewhere after a failure at east.",
        ),
        (
            attempt(
                "transient",
                route="east was skipped: its limit was reached.",
                error="the endpoint answered 500",
            ),
            "transient: east was skipped: its limit was reached. "
            "What came of it: the endpoint answered 500",
        ),
    ],
)
def test_the_outcome_of_a_call_the_way_it_took_and_its_error_are_kept_apart(
    told: Mapping[str, Any], line: str
) -> None:
    assert printed(told)[-1] == f"      12:00 west: {line}"
