"""A claimed delivery to start from."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tidings.core.models import Event, Lane, Recipient
from tidings.core.work import Claimed

NOW = datetime(2026, 11, 23, 5, 43, tzinfo=UTC)

ADA = Recipient(
    id="u_ada", name="Ada", locale="en", consent_version=3, addresses={"email": ("a@example.com",)}
)

CLAIMED = Claimed(
    id="01936f0e-7d5c-8000-8000-000000000001",
    epoch=1,
    tries=0,
    notification_id="01936f0e-7d5c-8000-8000-000000000002",
    event=Event(
        id="e1",
        type="REGISTERED_USER",
        source="tidings:x",
        time=NOW,
        user_id="u_ada",
        data={"n": 1},
    ),
    workflow="welcome",
    step=0,
    channel="email",
    lane=Lane.NORMAL,
    address="a@example.com",
    template="welcome",
    template_version="v1",
    locale="en",
    consent_version=3,
    recipient=ADA,
    provider="smtp",
    created_at=NOW,
    read_at=NOW,
)


def claimed(**changes: Any) -> Claimed:
    return replace(CLAIMED, **changes)


def ada(**changes: Any) -> Recipient:
    return replace(ADA, **changes)
