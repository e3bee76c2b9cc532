"""Integrations made of their options: the engine's part, and what the provider sees."""

import pytest
import structlog

from tests.servers.http import HttpEndpoint, answer
from tests.servers.ports import free_port
from tests.unit.channels.test_registry import PORTS
from tidings.channels.email.smtp import SmtpProvider
from tidings.channels.integrations import check_up, load_integration, read_limits
from tidings.core.errors import ConfigurationError, TransientError
from tidings.core.integrations import UNLIMITED, IntegrationSpec, Limits
from tidings.core.models import Content, Message
from tidings.core.ports import CheckingProvider

EAST = IntegrationSpec(name="east", provider="smtp", weight=80)
SETTING = "TIDINGS_EMAIL_PROVIDER"
MESSAGE = Message(id="m1", channel="email", address="a@example.com", content=Content(text="Hi"))


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
        (
            {"concurency": "5"},
            "TIDINGS_EAST_CONCURENCY is not an option: did you mean TIDINGS_EAST_CONCURRENCY? "
            "The options are TIDINGS_EAST_HOST, ",
        ),
        (
            {"zzz": "5"},
            ", TIDINGS_EAST_RATE, TIDINGS_EAST_CONCURRENCY, TIDINGS_EAST_RECEIPT_SECONDS, "
            "TIDINGS_EAST_SLOW_SECONDS.",
        ),
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


@pytest.mark.parametrize(
    ("provider", "options"),
    [
        ("smtp", {"host": "127.0.0.1", "port": "{port}"}),
        ("http", {"url": "http://127.0.0.1:{port}/"}),
    ],
)
async def test_what_does_not_work_names_the_variable_that_was_set(
    provider: str, options: dict[str, str]
) -> None:
    west, port = IntegrationSpec(name="west", provider=provider), free_port()
    options = {name: value.format(port=port) for name, value in options.items()}
    integration = load_integration(west, options, PORTS, setting=SETTING)

    with structlog.testing.capture_logs() as lines, pytest.raises(TransientError) as refusal:
        await integration.provider.send(MESSAGE)
    (finding,) = await check_up(west, options)
    await integration.provider.aclose()

    for said in (str(refusal.value), lines[0]["reason"], finding.remedy):
        assert "TIDINGS_WEST_" in said
        assert f"TIDINGS_{provider.upper()}_" not in said


async def test_what_an_endpoint_answers_names_the_variable_that_was_set() -> None:
    async with HttpEndpoint([answer(401, Retry_After="7"), answer(404)]).serving() as endpoint:
        options = {"url": endpoint.url, "check_url": endpoint.check_url}
        west = IntegrationSpec(name="west", provider="http")
        provider = load_integration(west, options, PORTS, setting=SETTING).provider
        assert isinstance(provider, CheckingProvider)

        with pytest.raises(TransientError, match="check TIDINGS_WEST_TOKEN") as refusal:
            await provider.send(MESSAGE)
        with pytest.raises(TransientError, match="check TIDINGS_WEST_CHECK_URL"):
            await provider.find(MESSAGE)
        await provider.aclose()

    assert refusal.value.retry_after == 7
