from importlib.metadata import EntryPoint

import pytest

from tidings.channels import registry
from tidings.channels.console import ConsoleProvider
from tidings.channels.email.smtp import SmtpProvider
from tidings.channels.recording import RecordingProvider
from tidings.channels.registry import ProviderPorts, load_provider
from tidings.core.errors import ConfigurationError
from tidings.core.models import Message


async def nowhere(message: Message) -> None:
    """Nothing is sent here."""


PORTS = ProviderPorts(outbox=nowhere, feed=nowhere, email_from="Shop <news@shop.example>")


@pytest.mark.parametrize(
    ("name", "options", "kind"),
    [
        ("console", {}, ConsoleProvider),
        ("recording", {}, RecordingProvider),
        ("smtp", {"host": "smtp.example.com"}, SmtpProvider),
    ],
)
def test_each_is_built_of_its_options(name: str, options: dict[str, str], kind: type) -> None:
    assert isinstance(load_provider(name, options, PORTS), kind)


def test_an_unknown_provider_names_the_setting_and_those_installed() -> None:
    with pytest.raises(ConfigurationError) as raised:
        load_provider("smpt", {}, PORTS)

    assert "TIDINGS_EMAIL_PROVIDER" in str(raised.value)
    assert "'smpt'" in str(raised.value)
    assert "console, http, in_app, recording, smtp" in str(raised.value)


def test_a_provider_that_cannot_be_imported_names_the_setting_and_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def found(*, group: str, name: str = "") -> list[EntryPoint]:
        return [EntryPoint(name="acme", value="acme_mail.nowhere:build", group=group)]

    monkeypatch.setattr(registry, "entry_points", found)

    with pytest.raises(ConfigurationError, match=r"TIDINGS_EMAIL_PROVIDER.*acme_mail"):
        load_provider("acme", {}, PORTS)


@pytest.mark.parametrize("name", ["console", "recording"])
def test_one_without_options_refuses_any(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"TIDINGS_{name.upper()}_COLOUR is not an option"):
        load_provider(name, {"colour": "red"}, PORTS)
