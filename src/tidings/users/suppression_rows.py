"""The SQL of suppressions; each function is part of its caller's transaction.

The locks of addresses come first: see `store.address_locks`. Users are locked after that.
"""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from tidings.store.address_locks import share
from tidings.store.schema import addresses, suppressions, users
from tidings.store.upsert import insert
from tidings.users.suppression import Suppression

_COLUMNS = (
    suppressions.c.address_hash.label("id"),
    suppressions.c.channel,
    suppressions.c.reason,
    suppressions.c.created_at,
)


def held_by(connection: sa.Connection, address_hash: str) -> str | None:
    """The suppression of an address that is about to be made, if there is one."""
    share(connection, address_hash)
    query = sa.select(suppressions.c.address_hash).where(
        suppressions.c.address_hash == address_hash
    )
    return connection.scalar(query)


def put(
    connection: sa.Connection, suppression_id: str, *, channel: str, reason: str, now: datetime
) -> Suppression:
    """Put it on the list, or change why it is there."""
    row = insert(connection, suppressions).values(
        address_hash=suppression_id, channel=channel, reason=reason, created_at=now
    )
    kept = row.on_conflict_do_update(
        index_elements=[suppressions.c.address_hash], set_={"reason": reason}
    )
    return Suppression(**connection.execute(kept.returning(*_COLUMNS)).mappings().one())


def find(connection: sa.Connection, suppression_id: str) -> Suppression | None:
    """The one of that id."""
    query = sa.select(*_COLUMNS).where(suppressions.c.address_hash == suppression_id)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else Suppression(**row)


def read(connection: sa.Connection, *, limit: int, after: str | None) -> Sequence[Suppression]:
    """So many in the order of their ids, from the first one after `after`."""
    query = sa.select(*_COLUMNS).order_by(suppressions.c.address_hash).limit(limit)
    if after is not None:
        query = query.where(suppressions.c.address_hash > after)
    return [Suppression(**row) for row in connection.execute(query).mappings()]


def take_off(connection: sa.Connection, suppression_id: str) -> Suppression | None:
    """Take it off the list."""
    gone = sa.delete(suppressions).where(suppressions.c.address_hash == suppression_id)
    row = connection.execute(gone.returning(*_COLUMNS)).mappings().one_or_none()
    return None if row is None else Suppression(**row)


def suppress(
    connection: sa.Connection, suppression_id: str, *, channel: str, address: str
) -> Sequence[str]:
    """Stop using an address, whoever has it; the users who had."""
    used = (
        (addresses.c.channel == channel)
        & (addresses.c.address == address)
        & (addresses.c.status == "active")
    )
    owners = _locked_owners(connection, used)
    connection.execute(
        sa.update(addresses).where(used).values(status="suppressed", suppression=suppression_id)
    )
    return owners


def release(connection: sa.Connection, suppression_id: str) -> Sequence[str]:
    """Use again what a suppression held back; the users who have it.

    What a provider refused meanwhile stays refused.
    """
    held = addresses.c.suppression == suppression_id
    owners = _locked_owners(connection, held)
    status = sa.case((addresses.c.status == "suppressed", "active"), else_=addresses.c.status)
    connection.execute(sa.update(addresses).where(held).values(status=status, suppression=None))
    return owners


def _locked_owners(connection: sa.Connection, which: sa.ColumnElement[bool]) -> Sequence[str]:
    owners = sa.select(addresses.c.user_id).where(which)
    query = sa.select(users.c.id).where(users.c.id.in_(owners)).order_by(users.c.id)
    return connection.scalars(query.with_for_update()).all()
