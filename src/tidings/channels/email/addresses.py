"""Mailboxes: a name and an address fit for headers and for the SMTP envelope."""

import re
from dataclasses import dataclass
from email.utils import parseaddr

from email_validator import EmailNotValidError, validate_email

from tidings.core.errors import AddressRejected, ConfigurationError

#: what no header may hold: line breaks, control characters, lone surrogates
BREAKING = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

_SPECIAL = r"\s\x00-\x20\x7f-\x9f\u2028\u2029\ud800-\udfff<>()\[\]\\,:;\"@"
_ADDRESS = re.compile(rf"[^{_SPECIAL}]{{1,64}}@[^{_SPECIAL}]{{1,253}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """Who sends or receives; the address is ASCII wherever it can be."""

    address: str
    name: str | None = None

    @property
    def domain(self) -> str:
        """What follows the @."""
        return self.address.rpartition("@")[2]

    @property
    def needs_utf8(self) -> bool:
        """Whether only a server with SMTPUTF8 (RFC 6531) can take it."""
        return not self.address.isascii()


def recipient(address: str, name: str | None = None) -> Mailbox:
    """Where a mail goes; a domain in any script becomes its ASCII form. Raises AddressRejected."""
    if not _ADDRESS.fullmatch(address):
        raise AddressRejected("the address is no e-mail address that can be sent to")
    return Mailbox(address=address if address.isascii() else _to_ascii(address), name=name)


def sender(text: str, *, setting: str = "TIDINGS_EMAIL_FROM") -> Mailbox:
    """Read `Shop <news@shop.example>`. Raises ConfigurationError naming the setting."""
    name, address = parseaddr(text)
    try:
        mailbox = recipient(address, name or None)
    except AddressRejected:
        mailbox = None
    if mailbox is None or BREAKING.search(text):
        raise ConfigurationError(
            f"{setting} {text!r} is no sender: use an address, or Name <address>, "
            "e.g. Shop <news@shop.example>."
        )
    return mailbox


def _to_ascii(address: str) -> str:
    try:
        checked = validate_email(address, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as error:
        raise AddressRejected("the address is no e-mail address that can be sent to") from error
    if checked.ascii_email is not None:
        return checked.ascii_email
    return f"{checked.local_part}@{checked.ascii_domain}"
