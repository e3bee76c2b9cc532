"""Locales as people write them (`de`, `pt_br`, `zh-Hant-TW`), in one form (BCP 47)."""

import re
from collections.abc import Iterator

from tidings.core.errors import InvalidInput

#: what is taken, as a pattern for the API's document
LOCALE = r"^[A-Za-z]{2,3}([-_][A-Za-z]{4})?([-_]([A-Za-z]{2}|[0-9]{3}))?$"

_LOCALE = re.compile(
    r"(?P<language>[a-z]{2,3})"
    r"(?:[-_](?P<script>[a-z]{4}))?"
    r"(?:[-_](?P<region>[a-z]{2}|[0-9]{3}))?",
    re.IGNORECASE | re.ASCII,
)


def normalise_locale(raw: str) -> str:
    """`pt_br` as `pt-BR`: language, script and region in their usual letter case.

    Raises InvalidInput(field="locale").
    """
    match = _LOCALE.fullmatch(raw)
    if match is None:
        raise InvalidInput(
            "locale: must be a language, with a script or region if need be: de, pt-BR, zh-Hant-TW",
            field="locale",
        )
    language, script, region = match.group("language", "script", "region")
    tags = (language.lower(), (script or "").title(), (region or "").upper())
    return "-".join(tag for tag in tags if tag)


def fallbacks(locale: str | None) -> Iterator[str]:
    """The locales to try, best first and in lower case: `pt-br`, `pt`, `""` for the default."""
    tags = (locale or "").replace("_", "-").lower().split("-")
    for length in range(len(tags), 0, -1):
        yield "-".join(tags[:length])
    if tags != [""]:
        yield ""
