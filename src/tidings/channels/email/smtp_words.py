"""Of whom a refused recipient's reply speaks, where no enhanced code tells: pure.

What speaks of us is looked for first, and what is not clear counts as neither: an address that is
dropped by mistake hears nothing any more, one that is kept by mistake costs a call.
"""

import re

_OURS = re.compile(
    r"\brelay(?:ing|ed)?\b(?! recipient)|rcpthosts"
    r"|\bden(?:y|ied)\b|\bnot (?:permitted|authori[sz]ed|allowed to)\b|\bprohibited\b"
    r"|authenticat|\bauth\b|\blog ?in\b|password|credential"
    r"|\bblock|black ?list|(?<!not )\blisted\b|dnsbl|\brbl\b|\bbanned\b|reputation"
    r"|spam|\bpolic(?:y|ies)\b|\bspf\b|\bdkim\b|\bdmarc\b"
    r"|\bsender\b|\b(?:helo|ehlo)\b|\bptr\b|reverse dns|\bip\b|\btoo many\b|\brate limit"
    r"|\byour (?:host|server|mail server|system|domain|network|account|provider)\b",
    re.IGNORECASE,
)

_WHO = r"(?:user|mail ?box|recipient|address|account|person|local[- ]part|alias)"
_BOX = r"(?:user|mail ?box|recipient|address|e-?mail account)"
#: words between whom it is about and what of it: none that make it about a host or its records
_GAP = r"s?\b(?:(?!domain|host|server|\bmx\b|dns|route|record)[^.;:]){0,50}?\b"
_KINDS = r"(?:(?:local|virtual|destination|remote|e-?mail|mail|or illegal|or invalid) ){0,2}"
_GONE = re.compile(
    rf"\b(?:no such|unknown|invalid|non-?existent|bad|unroute?able) {_KINDS}{_WHO}\b"
    rf"|\bno {_KINDS}{_WHO} (?:here|by|with|found)\b"
    rf"|\b{_WHO}{_GAP}(?:unknown(?! error| reason)|not (?:found|known|present|listed)"
    r"|(?:does not|doesn't|(?<!may )not) exist|no longer (?:exists|valid|in use)"
    r"|invalid|not (?:a )?valid)\b"
    rf"|\b{_BOX}{_GAP}(?:disabled|deactivated|inactive|not active|suspended|closed|deleted"
    r"|discontinued|(?:no longer accepts|does not accept) (?:e-?)?mail(?! from))\b",
    re.IGNORECASE,
)
_FOR_NOW = re.compile(r"temporar|currently|try again|at this time", re.IGNORECASE)


def speaks_of_us(words: str) -> bool:
    """Whether the server minds who asks, and would refuse anybody's address."""
    return _OURS.search(words) is not None


def says_it_is_gone(words: str) -> bool:
    """Whether there is no such address, or none in use any more."""
    if speaks_of_us(words) or _FOR_NOW.search(words):
        return False
    return _GONE.search(words) is not None
