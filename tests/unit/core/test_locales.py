"""Locales: one form, and what to try when there is nothing in it."""

import pytest

from tidings.core.errors import InvalidInput
from tidings.core.locales import fallbacks, normalise_locale


@pytest.mark.parametrize(
    ("raw", "normal"),
    [
        ("de", "de"),
        ("DE", "de"),
        ("pt-BR", "pt-BR"),
        ("pt_br", "pt-BR"),
        ("zh-hant-tw", "zh-Hant-TW"),
        ("es-419", "es-419"),
        ("haw", "haw"),
    ],
)
def test_a_locale_has_one_form(raw: str, normal: str) -> None:
    assert normalise_locale(raw) == normal


@pytest.mark.parametrize(
    "raw", ["", "d", "german", "de-", "-de", "de--DE", "de DE", "de\n", "dé", "de-DE-DE", "../de"]
)
def test_what_is_no_locale_is_refused(raw: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        normalise_locale(raw)

    assert refusal.value.field == "locale"


@pytest.mark.parametrize(
    ("locale", "tried"),
    [
        ("pt-BR", ["pt-br", "pt", ""]),
        ("zh_Hant_TW", ["zh-hant-tw", "zh-hant", "zh", ""]),
        ("de", ["de", ""]),
        ("", [""]),
        (None, [""]),
    ],
)
def test_the_exact_locale_is_tried_first_and_the_default_last(
    locale: str | None, tried: list[str]
) -> None:
    assert list(fallbacks(locale)) == tried
