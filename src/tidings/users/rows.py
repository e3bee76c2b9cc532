"""The User Service's SQL; each function is part of its caller's transaction."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from tidings.store.schema import addresses, preferences, users
from tidings.store.upsert import insert
from tidings.users.people import Preference, User

EMAIL = "email"


def find_user(connection: sa.Connection, user_id: str) -> User | None:
    """The user with the e-mail address that came first."""
    query = (
        sa.select(users, addresses.c.address, addresses.c.status)
        .join_from(
            users,
            addresses,
            (addresses.c.user_id == users.c.id) & (addresses.c.channel == EMAIL),
            isouter=True,
        )
        .where(users.c.id == user_id)
        .order_by(addresses.c.created_at, addresses.c.address)
        .limit(1)
    )
    row = connection.execute(query).first()
    return None if row is None else _user(row)


def lock_user(connection: sa.Connection, user_id: str) -> bool:
    """Hold the user's row until the transaction ends; whether there is one."""
    query = sa.select(users.c.id).where(users.c.id == user_id).with_for_update()
    return connection.execute(query).first() is not None


def add_user(connection: sa.Connection, user_id: str, now: datetime) -> bool:
    """Make the user unless there is one of that id; whether it was made."""
    statement = (
        insert(connection, users)
        .values(id=user_id, created_at=now, updated_at=now)
        .on_conflict_do_nothing(index_elements=[users.c.id])
        .returning(users.c.id)
    )
    return connection.execute(statement).first() is not None


def describe_user(
    connection: sa.Connection, user_id: str, *, name: str | None, locale: str | None, now: datetime
) -> None:
    """Write down name and locale."""
    connection.execute(
        sa.update(users)
        .where(users.c.id == user_id)
        .values(name=name, locale=locale, updated_at=now)
    )


def replace_email(
    connection: sa.Connection,
    user_id: str,
    email: str | None,
    now: datetime,
    *,
    suppression: str | None,
) -> bool:
    """Make this the user's one e-mail address; whether that changed anything."""
    ours = (addresses.c.user_id == user_id) & (addresses.c.channel == EMAIL)
    known = set(connection.scalars(sa.select(addresses.c.address).where(ours)))
    wanted = {email} - {None}
    if known == wanted:
        return False
    connection.execute(sa.delete(addresses).where(ours & addresses.c.address.not_in(wanted)))
    if wanted - known:
        status = "active" if suppression is None else "suppressed"
        row = {"user_id": user_id, "channel": EMAIL, "address": email, "created_at": now}
        values = row | {"status": status, "suppression": suppression}
        connection.execute(sa.insert(addresses).values(values))
    return True


def raise_consent(connection: sa.Connection, user_ids: Sequence[str], now: datetime) -> None:
    """From now on what was planned for these users is decided again before it is sent."""
    connection.execute(
        sa.update(users)
        .where(users.c.id.in_(user_ids))
        .values(consent_version=users.c.consent_version + 1, updated_at=now)
    )


def find_preferences(connection: sa.Connection, user_id: str) -> list[Preference]:
    """The user's choices, in order of workflow and channel."""
    query = sa.select(preferences.c.workflow, preferences.c.channel, preferences.c.enabled).where(
        preferences.c.user_id == user_id
    )
    found = [
        Preference(workflow=row.workflow, channel=row.channel, enabled=row.enabled)
        for row in connection.execute(query)
    ]
    # here, not in SQL: databases order "*" as their collation has it
    return sorted(found, key=lambda choice: (choice.workflow, choice.channel))


def replace_preferences(
    connection: sa.Connection, user_id: str, wanted: Sequence[Preference], now: datetime
) -> None:
    """Make these the user's choices, all others gone."""
    connection.execute(sa.delete(preferences).where(preferences.c.user_id == user_id))
    if wanted:
        connection.execute(
            sa.insert(preferences),
            [
                {
                    "user_id": user_id,
                    "workflow": choice.workflow,
                    "channel": choice.channel,
                    "enabled": choice.enabled,
                    "updated_at": now,
                }
                for choice in wanted
            ],
        )


def lock_owners(connection: sa.Connection, channel: str, address: str) -> Sequence[str]:
    """Hold the users who are still reached at this address, in order of their ids."""
    owners = sa.select(addresses.c.user_id).where(
        addresses.c.channel == channel,
        addresses.c.address == address,
        addresses.c.status == "active",
    )
    query = (
        sa.select(users.c.id).where(users.c.id.in_(owners)).order_by(users.c.id).with_for_update()
    )
    return connection.scalars(query).all()


def mark_rejected(connection: sa.Connection, channel: str, address: str) -> None:
    """Nobody is reached at this address any more."""
    connection.execute(
        sa.update(addresses)
        .where(addresses.c.channel == channel, addresses.c.address == address)
        .values(status="rejected")
    )


def _user(row: sa.Row[tuple[object, ...]]) -> User:
    return User(
        id=row.id,
        email=row.address,
        email_status=row.status,
        name=row.name,
        locale=row.locale,
        consent_version=row.consent_version,
    )
