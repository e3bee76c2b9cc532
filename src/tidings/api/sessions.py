"""Sessions of the pages: a signed cookie in place of the key, which no browser need keep."""

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta

COOKIE = "tidings_session"
#: how long one lasts
LASTING = timedelta(hours=12)

_FORM = re.compile(r"([a-z2-7]{8})\.(\d{10,12})\.([0-9a-f]{64})")


class Sessions:
    """Makes and reads cookies: a key's id and an end, signed with the installation's own secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = hashlib.blake2b(secret, person=b"sessions").digest()

    def begin(self, key_id: str, now: datetime) -> str:
        """The cookie of a session that begins now."""
        claim = f"{key_id}.{int((now + LASTING).timestamp())}"
        return f"{claim}.{self._signature(claim)}"

    def key_id(self, cookie: str, now: datetime) -> str | None:
        """The id of the key a session began with; None where it is forged or over."""
        found = _FORM.fullmatch(cookie)
        if found is None:
            return None
        key_id, end, signature = found.groups()
        genuine = hmac.compare_digest(signature, self._signature(f"{key_id}.{end}"))
        return key_id if genuine and now < datetime.fromtimestamp(int(end), UTC) else None

    def _signature(self, claim: str) -> str:
        return hmac.new(self._secret, claim.encode(), hashlib.sha256).hexdigest()
