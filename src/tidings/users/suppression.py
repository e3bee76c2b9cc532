"""What must not be written to: the values, and the form of an address that is looked for."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from tidings.core.errors import InvalidInput
from tidings.core.models import IN_APP
from tidings.core.text import is_one_line
from tidings.users.addresses import normalise_email

#: characters an address or a reason may have
LIMIT = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """An address that nothing is sent to; which one only its keyed hash tells."""

    #: the hash of channel and address
    id: str
    channel: str
    reason: str
    created_at: datetime


def normalise_address(channel: str, raw: str, *, served: Collection[str]) -> str:
    """An address as its channel keeps it. Raises InvalidInput naming what is wrong.

    A channel that is not served has no addresses: it is mistyped, and would suppress nothing.
    """
    if channel == IN_APP:
        raise InvalidInput(
            "channel: everybody has a feed; turn it off by a preference", field="channel"
        )
    if channel not in served:
        known = ", ".join(sorted({*served} - {IN_APP}))
        raise InvalidInput(f"channel: must be one that has addresses: {known}", field="channel")
    if channel == "email":
        return normalise_email(raw, field="address")
    return _line(raw, "address")


def check_reason(raw: str) -> str:
    """The reason, if it may be one. Raises InvalidInput."""
    return _line(raw, "reason")


def _line(raw: str, field: str) -> str:
    if not 1 <= len(raw) <= LIMIT or not is_one_line(raw):
        raise InvalidInput(f"{field}: must be one line of 1 to {LIMIT} characters", field=field)
    return raw
