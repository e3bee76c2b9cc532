"""The names of template files: `<channel>[.<locale>][.subject].txt` and `.html`."""

from dataclasses import dataclass

from tidings.core.errors import InvalidInput
from tidings.core.locales import normalise_locale
from tidings.core.names import is_channel

TEXT, HTML, SUBJECT = "text", "html", "subject"

_ENDINGS = {".subject.txt": SUBJECT, ".txt": TEXT, ".html": HTML}


@dataclass(frozen=True, slots=True, kw_only=True)
class PartName:
    """What one file is: which part of which channel's template, in which language."""

    channel: str
    #: "" for the default
    locale: str
    #: text · html · subject
    part: str


def parse_file_name(name: str) -> PartName:
    """`email.pt-BR.subject.txt` as the subject of the e-mail in `pt-BR`. Raises InvalidInput."""
    ending = next((ending for ending in _ENDINGS if name.endswith(ending)), None)
    if ending is None:
        raise InvalidInput("its name must end in .txt, .subject.txt or .html")
    channel, dot, locale = name.removesuffix(ending).partition(".")
    if not is_channel(channel):
        raise InvalidInput("its name must begin with a channel, as in email.txt")
    normalised = normalise_locale(locale) if dot else ""
    return PartName(channel=channel, locale=normalised, part=_ENDINGS[ending])


def file_name(key: str, channel: str, locale: str, part: str) -> str:
    """The name of a part's file below the templates folder, as messages give it."""
    ending = next(ending for ending, kind in _ENDINGS.items() if kind == part)
    stem = f"{channel}.{locale}" if locale else channel
    return f"{key}/{stem}{ending}"
