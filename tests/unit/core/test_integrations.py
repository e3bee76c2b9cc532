"""The setting that lists integrations."""

import pytest

from tidings.core.errors import ConfigurationError
from tidings.core.integrations import IntegrationSpec, installed_providers, parse_integrations


def spec(name: str, provider: str, weight: int | None = None) -> IntegrationSpec:
    return IntegrationSpec(name=name, provider=provider, weight=weight)


@pytest.mark.parametrize(
    ("text", "specs"),
    [
        ("smtp", [spec("smtp", "smtp")]),
        ("smtp, http", [spec("smtp", "smtp"), spec("http", "http")]),
        (" east = smtp , west=smtp,", [spec("east", "smtp"), spec("west", "smtp")]),
        ("east=smtp*80, west=smtp * 20", [spec("east", "smtp", 80), spec("west", "smtp", 20)]),
        ("smtp*1,http*0", [spec("smtp", "smtp", 1), spec("http", "http", 0)]),
        ("mine=acme-mail", [spec("mine", "acme-mail")]),
    ],
)
def test_a_list_names_each_with_its_provider_and_its_weight(
    text: str, specs: list[IntegrationSpec]
) -> None:
    assert list(parse_integrations(text)) == specs


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "names no provider"),
        (" , ", "names no provider"),
        ("smtp, smtp", "two entries have the name smtp"),
        ("east=smtp, east=http", "two entries have the name east"),
        ("smtp*80, http", "either every entry has a weight or none has"),
        ("smtp*0, http*0", "every weight is 0"),
        ("smtp*many", "'smtp*many' is neither"),
        ("smtp*-1", "'smtp*-1' is neither"),
        ("=smtp", "'=smtp' is neither"),
        ("smtp http", "'smtp http' is neither"),
        ("East=smtp", "the name 'East'"),
        ("acme-mail", "the name 'acme-mail'"),
    ],
)
def test_what_is_wrong_with_a_list_is_said(text: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        parse_integrations(text)

    assert complaint in str(refusal.value)


def test_the_providers_of_ours_are_installed() -> None:
    assert {"console", "http", "in_app", "recording", "smtp"} <= set(installed_providers())
