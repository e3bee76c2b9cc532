"""A vendor's words, fit to be kept and logged."""

import re

_ADDRESS = re.compile(r"[^\s<>]+@[^\s<>]+")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
_LIMIT = 300


def without_addresses(text: str, *hidden: str | None) -> str:
    """A server's words on one line, without the addresses servers like to repeat.

    `hidden` is what else must not be told: an address of another channel, a secret.
    """
    for one in filter(None, hidden):
        text = text.replace(one, "(hidden)")
    plain = _UNPRINTABLE.sub(" ", _ADDRESS.sub("(address)", text))
    return " ".join(plain.split())[:_LIMIT]
