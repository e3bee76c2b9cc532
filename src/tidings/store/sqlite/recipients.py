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
WHERE user_id IN (SELECT value FROM json_each(:ids)) AND status IN ('active', 'suppressed')
ORDER BY created_at, address
"""
_PREFERENCES = """
SELECT user_id, workflow, channel, enabled
FROM preferences WHERE user_id IN (SELECT value FROM json_each(:ids))
"""

_Addresses = Mapping[str, dict[str, tuple[str, ...]]]
_Preferences = Mapping[str, dict[tuple[str, str], bool]]


def read_recipients(
    connection: sqlite3.Connection, user_ids: Iterable[str | None]
) -> dict[str, Recipient]:
    """Those of these users that there are, by id."""
    wanted = {"ids": ids(user_ids)}
    active, suppressed = _read_addresses(connection, wanted)
    preferences = _read_preferences(connection, wanted)
    return {
        row["id"]: Recipient(
            id=row["id"],
            name=row["name"],
            locale=row["locale"],
            consent_version=row["consent_version"],
            addresses=active.get(row["id"], {}),
            preferences=preferences.get(row["id"], {}),
            suppressed=suppressed.get(row["id"], {}),
        )
        for row in fetch(connection, _USERS, wanted)
    }


def _read_addresses(
    connection: sqlite3.Connection, wanted: Mapping[str, str]
) -> tuple[_Addresses, _Addresses]:
    """Those in use, and those that are suppressed."""
    active: dict[str, dict[str, tuple[str, ...]]] = defaultdict(dict)
    suppressed: dict[str, dict[str, tuple[str, ...]]] = defaultdict(dict)
    for row in fetch(connection, _ADDRESSES, wanted):
        of_user = (active if row["status"] == "active" else suppressed)[row["user_id"]]
        of_user[row["channel"]] = (*of_user.get(row["channel"], ()), row["address"])
    return active, suppressed


def _read_preferences(connection: sqlite3.Connection, wanted: Mapping[str, str]) -> _Preferences:
    found: dict[str, dict[tuple[str, str], bool]] = defaultdict(dict)
    for row in fetch(connection, _PREFERENCES, wanted):
        found[row["user_id"]][row["workflow"], row["channel"]] = bool(row["enabled"])
    return found
