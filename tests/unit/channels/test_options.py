from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest

from tidings.channels.email.addresses import Mailbox, sender
from tidings.channels.email.smtp import build
from tidings.channels.email.smtp_options import SmtpOptions
from tidings.channels.http.http import CheckingHttpProvider
from tidings.channels.http.http import build as build_http
from tidings.channels.http.options import HttpOptions
from tidings.channels.options import read_options
from tidings.channels.registry import ProviderPorts
from tidings.core.errors import ConfigurationError
from tidings.core.models import Message


@dataclass(frozen=True, kw_only=True)
class Shape:
    host: Annotated[str, "acme.example"]
    port: Annotated[int | None, "587"] = None
    seconds: float = 1.5
    loud: bool = False
    mode: Literal["fast", "safe"] = "safe"
    file: Path | None = None


def read(**given: str) -> Shape:
    return read_options(Shape, given, prefix="TIDINGS_ACME_")


def test_every_kind_of_option_is_read() -> None:
    shape = read(host="h", port="25", seconds="2", loud="yes", mode="fast", file="/x")

    expected = Shape(host="h", port=25, seconds=2.0, loud=True, mode="fast", file=Path("/x"))
    assert shape == expected


def test_an_empty_option_counts_as_not_given() -> None:
    assert read(host="h", port="", mode="") == Shape(host="h")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "TIDINGS_ACME_HOST is missing: set it, e.g. acme.example."),
        ({"host": ""}, "TIDINGS_ACME_HOST is missing: set it, e.g. acme.example."),
        ({"host": "h", "prot": "1"}, "did you mean TIDINGS_ACME_PORT?"),
        ({"host": "h", "zzz": "1"}, "TIDINGS_ACME_ZZZ is not an option: the options are"),
        ({"host": "h", "port": "x"}, "TIDINGS_ACME_PORT 'x' is not a whole number: use e.g. 587."),
        ({"host": "h", "seconds": "soon"}, "TIDINGS_ACME_SECONDS 'soon' is not a number"),
        ({"host": "h", "loud": "perhaps"}, "TIDINGS_ACME_LOUD 'perhaps' is not yes or no"),
        ({"host": "h", "mode": "slow"}, "TIDINGS_ACME_MODE 'slow' is not one of fast, safe"),
    ],
)
def test_what_is_wrong_is_named_with_its_variable_and_the_fix(
    given: dict[str, str], sentence: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read(**given)

    assert sentence in str(raised.value)


@pytest.mark.parametrize(
    ("given", "variable"),
    [
        ({}, "TIDINGS_SMTP_HOST"),
        ({"host": "h", "port": "0"}, "TIDINGS_SMTP_PORT"),
        ({"host": "h", "port": "65536"}, "TIDINGS_SMTP_PORT"),
        ({"host": "h", "timeout": "0"}, "TIDINGS_SMTP_TIMEOUT"),
        ({"host": "h", "timeout": "nan"}, "TIDINGS_SMTP_TIMEOUT"),
        ({"host": "h", "connections": "0"}, "TIDINGS_SMTP_CONNECTIONS"),
        ({"host": "h", "tls": "ssl"}, "TIDINGS_SMTP_TLS"),
        ({"host": "h", "username": "u"}, "TIDINGS_SMTP_PASSWORD"),
        ({"host": "h", "password": "p"}, "TIDINGS_SMTP_USERNAME"),
        ({"host": "h", "ca_file": "/no/such/file"}, "TIDINGS_SMTP_CA_FILE"),
    ],
)
def test_a_mail_server_that_cannot_be_meant_stops_the_start(
    given: dict[str, str], variable: str
) -> None:
    with pytest.raises(ConfigurationError, match=variable):
        build(given, ports("a@example.com"))


@pytest.mark.parametrize(
    ("given", "variable"),
    [
        ({}, "TIDINGS_HTTP_URL"),
        ({"url": "gateway.example.com"}, "TIDINGS_HTTP_URL"),
        ({"url": "ftp://gateway.example.com"}, "TIDINGS_HTTP_URL"),
        ({"url": "https://"}, "TIDINGS_HTTP_URL"),
        ({"url": "https://shop:secret@gateway.example.com"}, "TIDINGS_HTTP_URL"),
        ({"url": "https://gateway.example.com/#part"}, "TIDINGS_HTTP_URL"),
        ({"url": "https://gateway.example.com/a b"}, "TIDINGS_HTTP_URL"),
        ({"url": "https://gateway.example.com:99999/"}, "TIDINGS_HTTP_URL"),
        ({"url": f"https://{'x' * 64}.example/"}, "TIDINGS_HTTP_URL"),
        ({"url": "https://h/", "check_url": "nowhere"}, "TIDINGS_HTTP_CHECK_URL"),
        ({"url": "https://h/", "token": "two words"}, "TIDINGS_HTTP_TOKEN"),
        ({"url": "https://h/", "token": "a\r\nX: b"}, "TIDINGS_HTTP_TOKEN"),
        ({"url": "https://h/", "timeout": "0"}, "TIDINGS_HTTP_TIMEOUT"),
        ({"url": "https://h/", "timeout": "nan"}, "TIDINGS_HTTP_TIMEOUT"),
        ({"url": "https://h/", "connections": "0"}, "TIDINGS_HTTP_CONNECTIONS"),
        ({"url": "https://h/", "ca_file": "/no/such/file"}, "TIDINGS_HTTP_CA_FILE"),
    ],
)
def test_an_endpoint_that_cannot_be_meant_stops_the_start(
    given: dict[str, str], variable: str
) -> None:
    with pytest.raises(ConfigurationError, match=variable) as raised:
        build_http(given, ports("a@example.com"))

    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.7:8080/messages",
        "http://[::1]/",
        "https://gateway/",
        "https://gateway.example.com/hook/abc?shop=1",
    ],
)
def test_the_operator_s_own_address_is_trusted_private_or_not(url: str) -> None:
    provider = build_http({"url": url, "check_url": url}, ports("a@example.com"))

    assert isinstance(provider, CheckingHttpProvider)


def test_a_token_and_the_path_that_may_be_one_are_never_shown() -> None:
    options = HttpOptions(url="https://h/s3cret", check_url="https://h/s3cret", token="s3cret")

    assert "s3cret" not in repr(options)


@pytest.mark.parametrize(("tls", "port"), [("starttls", 587), ("tls", 465), ("off", 25)])
def test_the_port_follows_from_how_the_connection_is_secured(tls: str, port: int) -> None:
    options = read_options(SmtpOptions, {"host": "h", "tls": tls}, prefix="TIDINGS_SMTP_")

    assert options.effective_port == port


def test_a_password_is_never_shown() -> None:
    assert "s3cret" not in repr(SmtpOptions(host="h", username="u", password="s3cret"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a@example.com", Mailbox(address="a@example.com")),
        ("Shop <a@example.com>", Mailbox(address="a@example.com", name="Shop")),
        ('"Shop, Ltd." <a@example.com>', Mailbox(address="a@example.com", name="Shop, Ltd.")),
        ("Łódź <a@łódź.pl>", Mailbox(address="a@xn--d-uga0v4h.pl", name="Łódź")),
        ("Tidings <tidings@localhost>", Mailbox(address="tidings@localhost", name="Tidings")),
    ],
)
def test_a_sender_is_read_with_or_without_a_name(text: str, expected: Mailbox) -> None:
    assert sender(text) == expected


@pytest.mark.parametrize("text", ["", "Shop", "Shop <shop>", "a@b@c", "Shop\r\nBcc: e <a@b.c>"])
def test_a_sender_that_is_none_names_the_setting(text: str) -> None:
    with pytest.raises(ConfigurationError, match="TIDINGS_EMAIL_FROM"):
        build({"host": "h"}, ports(text))


def ports(email_from: str) -> ProviderPorts:
    async def nowhere(message: Message) -> None:
        """Nothing is sent here."""

    return ProviderPorts(outbox=nowhere, feed=nowhere, email_from=email_from)
