"""Turns at an address: whoever makes one, and whoever changes whether it is suppressed.

Makers share an address's lock, and find afterwards what is on the list; a change has the lock
alone, and finds afterwards what was made. On SQLite one writer is alone anyway.
"""

import zlib
from collections.abc import Iterable

import sqlalchemy as sa

#: sets our advisory locks on addresses apart from all others
KIND = 0x7469_6469

#: addresses share so many locks, for the server's table of locks is small. Programs that work side
#: by side must agree on it.
LOCKS = 256


def lock_of(address_hash: str) -> int:
    """The lock of an address."""
    return zlib.crc32(address_hash.encode(errors="replace")) % LOCKS


def locks_of(address_hashes: Iterable[str]) -> list[int]:
    """The locks of many, in the one order in which all take them."""
    return sorted({lock_of(each) for each in address_hashes})


def share(connection: sa.Connection, address_hash: str) -> None:
    """Let nobody change whether it is suppressed until the transaction ends."""
    _take(connection, sa.func.pg_advisory_xact_lock_shared(KIND, lock_of(address_hash)))


def hold(connection: sa.Connection, address_hash: str) -> None:
    """Let nobody make the address, or change whether it is suppressed, likewise."""
    _take(connection, sa.func.pg_advisory_xact_lock(KIND, lock_of(address_hash)))


def _take(connection: sa.Connection, lock: sa.Function[None]) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(lock))
