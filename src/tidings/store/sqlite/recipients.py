"""Users as planner and sender see them, read at this moment in one query for each table."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping

from tidings.core.models import Recipient
from tidings.store.sqlite.rows import fetch, ids

_USERS = """
SELECT id, name, locale, consent_version
FROM users WHERE id IN (SELECT value FROM json_each(:ids))
"""
_ADDRESSES = """
SELECT user_id, channel, address, status
FROM addresses
WHERE user_id IN (SELECT value FROM json_each(:ids))
ORDER BY created_at, address
"""
_PREFERENCES = """
SELECT user_id, workflow, channel, enabled
FROM preferences WHERE user_id IN (SELECT value FROM json_each(:ids))
"""

_Addresses = dict[str, tuple[str, ...]]
_Preferences = Mapping[str, dict[tuple[str, str], bool]]


def read_recipients(
    connection: sqlite3.Connection, user_ids: Iterable[str | None]
) -> dict[str, Recipient]:
    """Those of these users that there are, by id."""
    wanted = {"ids": ids(user_ids)}
    addresses = _read_addresses(connection, wanted)
    preferences = _read_preferences(connection, wanted)
    return {
        row["id"]: Recipient(
            id=row["id"],
            name=row["name"],
            locale=row["locale"],
            consent_version=row["consent_version"],
            addresses=addresses[row["id"], "active"],
            preferences=preferences.get(row["id"], {}),
            suppressed=addresses[row["id"], "suppressed"],
            rejected=addresses[row["id"], "rejected"],
        )
        for row in fetch(connection, _USERS, wanted)
    }


def _read_addresses(
    connection: sqlite3.Connection, wanted: Mapping[str, str]
) -> Mapping[tuple[str, str], _Addresses]:
    """(user, status) → what there is of it; anybody may have none."""
    found: dict[tuple[str, str], _Addresses] = defaultdict(dict)
    for row in fetch(connection, _ADDRESSES, wanted):
        alike = found[row["user_id"], row["status"]]
        alike[row["channel"]] = (*alike.get(row["channel"], ()), row["address"])
    return found


def _read_preferences(connection: sqlite3.Connection, wanted: Mapping[str, str]) -> _Preferences:
    found: dict[str, dict[tuple[str, str], bool]] = defaultdict(dict)
    for row in fetch(connection, _PREFERENCES, wanted):
        found[row["user_id"]][row["workflow"], row["channel"]] = bool(row["enabled"])
    return found
