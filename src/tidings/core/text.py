"""What counts as one line, wherever a text comes in, and how two go out as one."""

import unicodedata
from typing import Any

#: what it refuses, as a part of a pattern for the API's document; no surrogate comes by JSON
CONTROLS = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"
#: characters that one line may have
LINE_LIMIT = 255
#: one line, as such a pattern
LINE = rf"^[^{CONTROLS}]+$"
#: a text without the null character, as a part of a schema of the document
NO_NULL: Any = {"not": {"pattern": r"\u0000"}}

#: control characters, surrogates, line and paragraph separators
_REFUSED = frozenset({"Cc", "Cs", "Zl", "Zp"})


def call_in_words(route: str | None, error: str | None) -> str | None:
    """Why a call went another way than usual, and what came of it, if there is anything to say."""
    if route and error:
        return f"{route} What came of it: {error}"
    return route or error


def is_one_line(text: str) -> bool:
    """Whether text has neither line ends nor control characters, in any script."""
    if text.isprintable():
        return True
    return not any(unicodedata.category(character) in _REFUSED for character in text)
