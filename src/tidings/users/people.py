"""What the User Service knows of a person, and the rules for ids and names."""

import re
import unicodedata
from dataclasses import dataclass

from tidings.core.errors import InvalidInput
from tidings.core.text import CONTROLS, is_one_line

#: embeddings, overrides and isolates: they turn what follows them around, in a greeting as well
_BIDI = r"\u202a-\u202e\u2066-\u2069"
_BIDI_CONTROLS = re.compile(f"[{_BIDI}]")

#: characters an id or a name may have
LIMIT = 255
#: the rule for names, as a pattern for the API's document
NAME = rf"^ *[^ {CONTROLS}{_BIDI}][^{CONTROLS}{_BIDI}]*$"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person, and where an e-mail reaches them."""

    id: str
    email: str | None
    #: active · rejected (a provider refused it for good) · suppressed; None without an address
    email_status: str | None
    name: str | None
    locale: str | None
    #: rises with every change of preferences or addresses
    consent_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A user as stored, and whether there was none of that id before."""

    user: User
    created: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """Whether a user wants a workflow on a channel; either may be `*`, which means any."""

    workflow: str
    channel: str
    enabled: bool


def check_user_id(raw: str) -> str:
    """The id, if it may be one. Raises InvalidInput(field="id")."""
    if not 1 <= len(raw) <= LIMIT:
        raise InvalidInput(f"id: must have 1 to {LIMIT} characters", field="id")
    if not is_one_line(raw) or "\ufffd" in raw:
        raise InvalidInput("id: must be one line of UTF-8 without control characters", field="id")
    if "/" in raw or raw in {".", ".."}:
        raise InvalidInput(
            'id: "/", "." and ".." can\'t stand in an address of the API', field="id"
        )
    return raw


def check_name(raw: str) -> str:
    """The name, in any script, without blanks around it. Raises InvalidInput(field="name")."""
    name = unicodedata.normalize("NFC", raw.strip(" "))
    if not name or len(raw) > LIMIT:
        raise InvalidInput(f"name: must have 1 to {LIMIT} characters", field="name")
    if not is_one_line(name) or _BIDI_CONTROLS.search(name):
        raise InvalidInput("name: must be one line without control characters", field="name")
    return name
