"""Integrations made of their options: the engine's part, and what the provider sees."""

import pytest

from tests.unit.channels.test_registry import PORTS
from tidings.channels.email.smtp import SmtpProvider
from tidings.channels.integrations import check_up, load_integration, read_limits
from tidings.core.errors import ConfigurationError
from tidings.core.integrations import UNLIMITED, IntegrationSpec, Limits

EAST = IntegrationSpec(name="east", provider="smtp", weight=80)
SETTING = "TIDINGS_EMAIL_PROVIDER"


def test_the_provider_sees_its_own_options_alone() -> None:
    options = {"host": "mail.example.com", "rate": "10/second", "concurrency": "5"}

    integration = load_integration(EAST, options, PORTS, setting=SETTING)

    assert (integration.name, integration.weight) == ("east", 80)
    assert isinstance(integration.provider, SmtpProvider)
    assert integration.limits == Limits(rate=10.0, concurrency=5)


@pytest.mark.parametrize(
    ("options", "limits"),
    [
        ({}, UNLIMITED),
        ({"rate": "off"}, UNLIMITED),
        ({"rate": "600/minute"}, Limits(rate=10.0)),
        ({"rate": "1/5minutes"}, Limits(rate=1 / 300)),
        (
            {"receipt_seconds": "900", "slow_seconds": "2.5"},
            Limits(receipt_seconds=900, slow_seconds=2.5),
        ),
    ],
)
def test_limits_are_read(options: dict[str, str], limits: Limits) -> None:
    assert read_limits(EAST, options) == limits


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"rate": "fast"}, "TIDINGS_EAST_RATE 'fast' is no rate: use a form like 10/second"),
        ({"rate": "0/second"}, "TIDINGS_EAST_RATE '0/second' is no rate"),
        ({"concurrency": "many"}, "TIDINGS_EAST_CONCURRENCY 'many' is not a whole number"),
        ({"concurrency": "0"}, "TIDINGS_EAST_CONCURRENCY is 0: use more than 0"),
        ({"slow_seconds": "nan"}, "TIDINGS_EAST_SLOW_SECONDS is nan"),
        ({"hots": "x"}, "TIDINGS_EAST_HOTS is not an option: did you mean TIDINGS_EAST_HOST?"),
        ({}, "TIDINGS_EAST_HOST is missing"),
    ],
)
def test_errors_name_the_variable_that_was_set(options: dict[str, str], complaint: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        load_integration(EAST, options, PORTS, setting=SETTING)

    assert complaint in str(refusal.value)


async def test_checks_name_the_variable_that_was_set() -> None:
    with pytest.raises(ConfigurationError, match="TIDINGS_EAST_HOST is missing"):
        await check_up(EAST, {"rate": "10/second"})

    assert await check_up(IntegrationSpec(name="c", provider="console"), {}) == []
