"""Keys of the API: what one may do, and how it is written, told apart and checked."""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

#: what a key begins with, so that scanners for leaked secrets find it
PREFIX = "tdg"

_FORM = re.compile(rf"{PREFIX}_([a-z2-7]{{8}})_[a-z2-7]{{52}}")


class Scope(StrEnum):
    """What a key may do; `admin` may do everything."""

    ADMIN = "admin"
    TRIGGER = "trigger"
    READ = "read"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as it is stored: without its secret part, of which only a hash is kept."""

    id: str
    name: str
    #: in the order of their names
    scopes: tuple[Scope, ...]
    #: the key that made it, or another way in words
    created_by: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    #: to the minute
    last_used_at: datetime | None = None

    def is_live(self, now: datetime) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def allows(self, scope: Scope) -> bool:
        """Whether it may do what needs this scope."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key just made, with its token: shown once and kept nowhere."""

    key: ApiKey
    token: str


def new_token() -> tuple[str, str]:
    """The public id of a new key and its token, which holds 256 random bits."""
    key_id = _letters(5)
    return key_id, f"{PREFIX}_{key_id}_{_letters(32)}"


def key_id_of(token: str) -> str | None:
    """The public id in a token, or None where this is none."""
    found = _FORM.fullmatch(token)
    return found and found[1]


def digest(token: str) -> str:
    """What is stored in a token's place: 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


def fits(token: str, stored: str) -> bool:
    """Whether a token is the one of this digest; takes as long either way."""
    return hmac.compare_digest(digest(token), stored)


def _letters(size: int) -> str:
    return base64.b32encode(secrets.token_bytes(size)).decode().rstrip("=").lower()
