"""Ids: UUIDv7 in order within one process, ids derived from a parent, and keyed address hashes."""

import base64
import hashlib
import hmac
import secrets
import threading
import time
import uuid

_DERIVED = uuid.UUID("5d0a3c1e-6f0b-5c8e-9d6b-2f1f6b7f0c11")


class Ids:
    """Makes UUIDv7 strings (RFC 9562) that rise within this process, whatever the clock does."""

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def new(self) -> str:
        """The next id: 48 bits of milliseconds, 12 of counter, 62 of chance."""
        return str(uuid.UUID(int=self._stamp() | secrets.randbits(62)))

    def _stamp(self) -> int:
        with self._lock:
            self._last = max(time.time_ns() // 1_000_000 << 12, self._last + 1)
            ticks = self._last
        return (ticks >> 12) << 80 | 0x7 << 76 | (ticks & 0xFFF) << 64 | 0b10 << 62


def event_key(source: str, event_id: str) -> str:
    """The row's UUID for an event: our own UUIDs stand for themselves, all else is hashed."""
    if source.startswith("tidings:") and is_uuid(event_id):
        return event_id
    return str(uuid.uuid5(_DERIVED, f"{source}\x00{event_id}"))


def derived(parent: str, *parts: str) -> str:
    """A UUIDv8 made of the parent's 48 bits of time and a hash: the same parts, the same id."""
    digest = hashlib.blake2b("\x00".join((parent, *parts)).encode(), digest_size=16).digest()
    time_bits = uuid.UUID(parent).int >> 80 << 80
    tail = int.from_bytes(digest, "big") & ((1 << 80) - 1)
    tail = tail & ~(0xF << 76) | 0x8 << 76
    tail = tail & ~(0b11 << 62) | 0b10 << 62
    return str(uuid.UUID(int=time_bits | tail))


def address_user_id(key: bytes, address: str) -> str:
    """The id of the user an address belongs to: a keyed hash of the normalised address."""
    digest = hmac.new(key, address.encode(), hashlib.sha256).digest()[:16]
    return "u_" + base64.b32encode(digest).decode().rstrip("=").lower()


def address_hash(key: bytes, channel: str, address: str) -> str:
    """What stands for a normalised address where the address itself must not be kept."""
    return hmac.new(key, f"{channel}\x00{address}".encode(), hashlib.sha256).hexdigest()[:32]


def is_uuid(text: str) -> bool:
    """Whether a text is a UUID in its usual form."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
