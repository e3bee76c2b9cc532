"""What an SMTP server's replies mean to us: RFC 5321 codes, RFC 3463 enhanced codes."""

import re
from collections.abc import Callable
from enum import Enum
from functools import partial

from tidings.channels.email.smtp_words import says_it_is_gone, speaks_of_us
from tidings.channels.words import without_addresses
from tidings.core.errors import AddressRejected, DeliveryError, PermanentError, TransientError


class Stage(Enum):
    """Which command was answered."""

    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    END = "the mail itself"


def _ours(words: str) -> DeliveryError:
    return TransientError(f"{words}: check the account, and the sender in TIDINGS_EMAIL_FROM")


def _by_its_words(words: str) -> DeliveryError:
    if speaks_of_us(words):
        return _ours(words)
    return AddressRejected(words) if says_it_is_gone(words) else PermanentError(words)


_OWN = partial(TransientError, own=True)

#: stage (None: any), reply code, enhanced code → what to raise; the first row that fits counts
REPLIES: tuple[tuple[Stage | None, str, str, Callable[[str], DeliveryError]], ...] = (
    (Stage.RCPT, r"4\d\d", r"4\.[34]\..*", TransientError),  # the server's own trouble
    (Stage.RCPT, r"45[012]", r".*", _OWN),  # greylisted, mailbox busy or full: others go through
    (None, r"4\d\d", r".*", TransientError),
    (None, r"53[0458]", r".*", TransientError),  # authentication: ours to mend, then it works
    (None, r"5\d\d", r"5\.3\.1|5\.4\.5", TransientError),  # full, or a quota is used up
    (None, r"5\d\d", r"5\.1\.[78]", _ours),  # the sender's address, whatever the stage
    (Stage.MAIL, r"552", r"", PermanentError),  # it is told the size there (RFC 1870)
    (Stage.MAIL, r"5\d\d", r"5\.(2\.3|3\.4|6\..*)", PermanentError),  # this mail's size, its form
    (Stage.MAIL, r"5\d\d", r".*", _ours),  # nobody else's mail would be taken either
    (Stage.RCPT, r"5\d\d", r"5\.7\..*", PermanentError),  # policy: says nothing of the address
    (Stage.RCPT, r"5\d\d", r"5\.1\.(1|2|3|6|10)", AddressRejected),
    (Stage.RCPT, r"55\d", r"|5\.[01]\..*|5\.2\.1", _by_its_words),
    (None, r"5\d\d", r".*", PermanentError),
    (None, r".*", r".*", TransientError),  # no code of the standard: not trusted with an end
)

#: lines of a reply in which an enhanced code is looked for
_FIRST_LINES = 3
#: at the start, after a sign or a reply code, so that no version of a program is taken for one
_ENHANCED = re.compile(r"(?:^|[#(\[=]|\b[245]\d\d[ -])([245]\.\d{1,3}\.\d{1,3})(?![\w-]|\.\w)")
_QUEUED = re.compile(r"queued as\W+([\w.-]{1,64})", re.IGNORECASE)


def error_for(stage: Stage, code: int, text: str) -> DeliveryError:
    """The error a refusal means."""
    status = _status(code, text)
    kind = next(
        kind
        for at, codes, statuses, kind in REPLIES
        if at in (None, stage) and re.fullmatch(codes, str(code)) and re.fullmatch(statuses, status)
    )
    return kind(f"the mail server answered {code} to {stage.value}: {without_addresses(text)}")


def _status(code: int, text: str) -> str:
    """The enhanced code, wherever it stands (qmail has it last), if it is of the reply's class."""
    first = map(without_addresses, text.splitlines()[:_FIRST_LINES])
    found = (status for line in first for status in _ENHANCED.findall(line))
    return next((status for status in found if status[0] == str(code)[0]), "")


def queue_id(text: str) -> str | None:
    """The id the server queued the mail under, as most of them tell it."""
    found = _QUEUED.search(text)
    return found.group(1) if found else None
