"""What counts as one line, wherever a text comes in."""

import unicodedata

#: control characters, surrogates, line and paragraph separators
_REFUSED = frozenset({"Cc", "Cs", "Zl", "Zp"})


def is_one_line(text: str) -> bool:
    """Whether text has neither line ends nor control characters, in any script."""
    return not any(unicodedata.category(character) in _REFUSED for character in text)
