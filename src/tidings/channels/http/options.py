"""The options of the `http` provider: the variables `TIDINGS_HTTP_…`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from tidings.core.errors import ConfigurationError

PREFIX = "TIDINGS_HTTP_"
#: what an address or a header may be made of: visible ASCII
_VISIBLE = {chr(code) for code in range(0x21, 0x7F)}


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOptions:
    """Where to post to. Raises ConfigurationError for what can't be meant."""

    #: an endpoint's path is often its password
    url: Annotated[str, "https://gateway.example.com/messages"] = field(repr=False)
    #: sent as `Authorization: Bearer …`
    token: str | None = field(default=None, repr=False)
    #: tells by `?id=` whether a message was taken; None: nobody can tell
    check_url: Annotated[str | None, "https://gateway.example.com/taken"] = field(
        default=None, repr=False
    )
    #: certificates to trust instead of the system's, in PEM
    ca_file: Annotated[Path | None, "/etc/ssl/our-ca.pem"] = None
    #: seconds for one call, connecting and the answer included
    timeout: Annotated[float, "10"] = 10.0
    #: how many connections there may be at once
    connections: Annotated[int, "100"] = 100

    def __post_init__(self) -> None:
        for option, url in (("URL", self.url), ("CHECK_URL", self.check_url)):
            _require(
                url is None or _is_endpoint(url),
                option,
                "an address like https://host/path in ASCII, without a login (use the token) or #",
            )
        _require(
            self.token is None or not set(self.token) - _VISIBLE,
            "TOKEN",
            "of visible ASCII characters, without blanks",
        )
        _require(1 <= self.timeout <= 300, "TIMEOUT", "from 1 to 300 seconds")
        _require(1 <= self.connections <= 10_000, "CONNECTIONS", "from 1 to 10,000")


def _is_endpoint(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in {"http", "https"}
            and bool((parts.hostname or "").encode("idna"))
            and parts.port != 0
            and "@" not in parts.netloc
            and "#" not in url
            and not set(url) - _VISIBLE
        )
    except ValueError:
        return False


def _require(holds: bool, option: str, allowed: str) -> None:
    if not holds:
        raise ConfigurationError(f"{PREFIX}{option} must be {allowed}.")
