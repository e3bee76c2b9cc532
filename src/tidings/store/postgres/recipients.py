"""Users as planner and sender see them, read by the very statement that locks the work."""

from collections.abc import Sequence

from tidings.core.models import Recipient
from tidings.store.rows import Row

#: columns of a user for a statement that joins `users`
RECIPIENT = """
users.id AS recipient_id, users.name, users.locale AS recipient_locale,
users.consent_version AS recipient_consent_version,
ARRAY(
    SELECT ARRAY[channel, address, status] FROM addresses
    WHERE addresses.user_id = users.id
    ORDER BY addresses.created_at, addresses.address
) AS addresses,
ARRAY(
    SELECT ARRAY[workflow, channel, enabled::text] FROM preferences
    WHERE preferences.user_id = users.id
) AS preferences
"""


def to_recipient(row: Row) -> Recipient | None:
    """The user of a row; None when there is none (any more)."""
    if row["recipient_id"] is None:
        return None
    return Recipient(
        id=row["recipient_id"],
        name=row["name"],
        locale=row["recipient_locale"],
        consent_version=row["recipient_consent_version"],
        addresses=_by_channel(row["addresses"], "active"),
        preferences={
            (workflow, channel): enabled == "true"
            for workflow, channel, enabled in row["preferences"]
        },
        suppressed=_by_channel(row["addresses"], "suppressed"),
        rejected=_by_channel(row["addresses"], "rejected"),
    )


def _by_channel(
    addresses: Sequence[tuple[str, str, str]], wanted: str
) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for channel, address, status in addresses:
        if status == wanted:
            found[channel] = (*found.get(channel, ()), address)
    return found
