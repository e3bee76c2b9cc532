"""The options of the `smtp` provider: the variables `TIDINGS_SMTP_…`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from tidings.core.errors import ConfigurationError

PREFIX = "TIDINGS_SMTP_"
_PORTS = {"starttls": 587, "tls": 465, "off": 25}


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpOptions:
    """How to reach the mail server. Raises ConfigurationError for what can't be meant."""

    host: Annotated[str, "smtp.example.com"]
    #: None: 587 for starttls, 465 for tls, 25 for off
    port: Annotated[int | None, "587"] = None
    username: Annotated[str | None, "tidings"] = None
    password: str | None = field(default=None, repr=False)
    #: starttls is required where chosen: there is no way back to plain text
    tls: Annotated[Literal["starttls", "tls", "off"], "starttls"] = "starttls"
    #: certificates to trust instead of the system's, in PEM
    ca_file: Annotated[Path | None, "/etc/ssl/our-ca.pem"] = None
    #: seconds for one mail, connecting included
    timeout: Annotated[float, "30"] = 30.0
    #: how many connections there may be at once
    connections: Annotated[int, "10"] = 10

    def __post_init__(self) -> None:
        _require(self.port is None or 1 <= self.port <= 65535, "PORT", "from 1 to 65535")
        _require(1 <= self.timeout <= 300, "TIMEOUT", "from 1 to 300 seconds")
        _require(1 <= self.connections <= 1000, "CONNECTIONS", "from 1 to 1000")
        _require(
            (self.username is None) == (self.password is None),
            f"USERNAME and {PREFIX}PASSWORD",
            "both set, or neither",
        )

    @property
    def effective_port(self) -> int:
        """The port to connect to."""
        return self.port or _PORTS[self.tls]


def _require(holds: bool, option: str, allowed: str) -> None:
    if not holds:
        raise ConfigurationError(f"{PREFIX}{option} must be {allowed}.")
