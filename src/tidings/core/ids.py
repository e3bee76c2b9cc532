"""Ids: UUIDv7 in order within one process, ids derived from a parent, and keyed address hashes."""

import base64
import hashlib
import hmac
import re
import secrets
import threading
import time
import uuid

_DERIVED = uuid.UUID("5d0a3c1e-6f0b-5c8e-9d6b-2f1f6b7f0c11").bytes
_USUAL_FORM = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Ids:
    """Makes UUIDv7 strings (RFC 9562) that rise within this process, whatever the clock does."""

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def new(self) -> str:
        """The next id: 48 bits of milliseconds, 12 of counter, 62 of chance."""
        stamp = f"{self._stamp():015x}"
        return _text(f"{stamp[:12]}0{stamp[12:]}{secrets.token_hex(8)}", version=7)

    def _stamp(self) -> int:
        with self._lock:
            self._last = max(time.time_ns() // 1_000_000 << 12, self._last + 1)
            return self._last


def event_key(source: str, event_id: str) -> str:
    """The row's UUID for an event: our own UUIDs stand for themselves, all else is hashed."""
    if source.startswith("tidings:") and is_uuid(event_id):
        return event_id
    name = f"{source}\x00{event_id}".encode()
    return _text(hashlib.sha1(_DERIVED + name, usedforsecurity=False).hexdigest(), version=5)


def derived(parent: str, *parts: str) -> str:
    """A UUIDv8 made of the parent's 48 bits of time and a hash: the same parts, the same id."""
    digest = hashlib.blake2b("\x00".join((parent, *parts)).encode(), digest_size=16).hexdigest()
    return _text(f"{parent[:8]}{parent[9:13]}{digest[12:]}", version=8)


def address_user_id(key: bytes, address: str) -> str:
    """The id of the user an address belongs to: a keyed hash of the normalised address."""
    digest = hmac.new(key, address.encode(), hashlib.sha256).digest()[:16]
    return "u_" + base64.b32encode(digest).decode().rstrip("=").lower()


def address_hash(key: bytes, channel: str, address: str) -> str:
    """What stands for a normalised address where the address itself must not be kept."""
    return hmac.new(key, f"{channel}\x00{address}".encode(), hashlib.sha256).hexdigest()[:32]


def is_uuid(text: str) -> bool:
    """Whether a text is a UUID in its usual form."""
    return _USUAL_FORM.fullmatch(text) is not None


def _text(digits: str, *, version: int) -> str:
    """32 or more hex digits as a UUID; the version and the variant take the place of two of them.

    `uuid.UUID` says the same, twice as slowly.
    """
    variant = "89ab"[int(digits[16], 16) & 3]
    return (
        f"{digits[:8]}-{digits[8:12]}-{version}{digits[13:16]}-"
        f"{variant}{digits[17:20]}-{digits[20:32]}"
    )
