"""Templates: versions by content, whole or refused; and the catalog of what is published."""

import pytest

from tidings.core.errors import ConfigurationError
from tidings.templates.catalog import TemplateCatalog, TemplateVersion
from tidings.templates.template import Template, check_whole


def template(
    *, key: str = "welcome", channel: str = "email", locale: str = "", **parts: str
) -> Template:
    return Template(key=key, channel=channel, locale=locale, parts=parts)


def published(key: str, channel: str, locale: str) -> TemplateVersion:
    return TemplateVersion(
        version=f"{key}-{channel}-{locale}", key=key, channel=channel, locale=locale
    )


CATALOG = TemplateCatalog(
    (
        published("welcome", "email", ""),
        published("welcome", "email", "de"),
        published("welcome", "email", "pt-BR"),
        published("welcome", "email", "zh-Hant"),
        published("only-german", "email", "de"),
    )
)


def test_the_same_content_is_the_same_version_in_whatever_order() -> None:
    assert template(text="a", html="b").version == template(html="b", text="a").version


def test_anything_different_is_another_version() -> None:
    versions = {
        template(text="a").version,
        template(text="b").version,
        template(html="a").version,
        template(text="a", locale="de").version,
        template(text="a", channel="sms").version,
        template(text="a", key="goodbye").version,
    }

    assert len(versions) == 6


@pytest.mark.parametrize(
    ("channel", "parts"),
    [
        ("email", {"text": "", "subject": ""}),
        ("email", {"text": "", "subject": "", "html": ""}),
        ("sms", {"text": ""}),
    ],
)
def test_a_whole_template_is_taken(channel: str, parts: dict[str, str]) -> None:
    whole = template(channel=channel, **parts)

    assert check_whole(whole) is whole


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"text": ""},
            "templates: welcome/email.de.txt is not enough, add welcome/email.de.subject.txt",
        ),
        (
            {"html": "", "subject": ""},
            "templates: welcome/email.de.html is not enough, add welcome/email.de.txt",
        ),
        (
            {"html": ""},
            "templates: welcome/email.de.html is not enough, "
            "add welcome/email.de.subject.txt and welcome/email.de.txt",
        ),
    ],
)
def test_a_missing_part_is_named_by_its_file(parts: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        check_whole(template(locale="de", **parts))

    assert str(error.value) == message


@pytest.mark.parametrize(
    ("locale", "found"),
    [
        ("de", "de"),
        ("de-AT", "de"),
        ("DE_at", "de"),
        ("pt-BR", "pt-BR"),
        ("pt-br", "pt-BR"),
        ("pt", ""),
        ("pt-PT", ""),
        ("zh-Hant-TW", "zh-Hant"),
        ("en", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_the_nearest_language_is_found(locale: str | None, found: str) -> None:
    assert CATALOG.resolve("welcome", "email", locale) == published("welcome", "email", found)


def test_nothing_is_found_where_there_is_nothing() -> None:
    assert CATALOG.resolve("welcome", "sms", "de") is None
    assert CATALOG.resolve("goodbye", "email", "de") is None
    assert CATALOG.resolve("only-german", "email", "fr") is None


def test_the_catalog_lists_what_is_published() -> None:
    assert [(entry.key, entry.locale) for entry in CATALOG] == [
        ("only-german", "de"),
        ("welcome", ""),
        ("welcome", "de"),
        ("welcome", "pt-BR"),
        ("welcome", "zh-Hant"),
    ]
