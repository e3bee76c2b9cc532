"""What keys and channels may be called, wherever a name comes in: one rule, said once."""

import re

#: characters that a key or a channel may have
NAME_LIMIT = 100
#: keys of workflows and templates: 1 to 100 of a-z 0-9 -
KEY = "[a-z0-9][a-z0-9-]{0,99}"
#: channels such as email: 1 to 100 of a-z 0-9 _
CHANNEL = "[a-z][a-z0-9_]{0,99}"


def is_key(text: str) -> bool:
    """Whether a workflow or a template may have this key."""
    return re.fullmatch(KEY, text) is not None


def is_channel(text: str) -> bool:
    """Whether a channel may be called so."""
    return re.fullmatch(CHANNEL, text) is not None
