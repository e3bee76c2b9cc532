"""The names of template files."""

import pytest

from tidings.core.errors import InvalidInput
from tidings.templates.names import PartName, file_name, parse_file_name


@pytest.mark.parametrize(
    ("name", "channel", "locale", "part"),
    [
        ("email.txt", "email", "", "text"),
        ("email.html", "email", "", "html"),
        ("email.subject.txt", "email", "", "subject"),
        ("email.de.txt", "email", "de", "text"),
        ("email.pt-BR.subject.txt", "email", "pt-BR", "subject"),
        ("email.PT-br.html", "email", "pt-BR", "html"),
        ("web_push.zh-Hant-TW.txt", "web_push", "zh-Hant-TW", "text"),
    ],
)
def test_a_name_tells_channel_locale_and_part(
    name: str, channel: str, locale: str, part: str
) -> None:
    expected = PartName(channel=channel, locale=locale, part=part)

    assert parse_file_name(name) == expected
    assert parse_file_name(file_name("welcome", channel, locale, part).split("/")[1]) == expected


@pytest.mark.parametrize(
    "name",
    [
        "email",
        "email.htm",
        "email.mjml",
        "subject.txt.email",
        "E-mail.txt",
        ".txt",
        "email..txt",
        "email.german.txt",
        "email.de.extra.txt",
        "email.subject.de.txt",
        "email.subject.html",
    ],
)
def test_a_name_that_says_something_else_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        parse_file_name(name)
