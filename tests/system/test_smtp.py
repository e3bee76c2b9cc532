"""The SMTP provider against servers that oblige and servers that are strict."""

import asyncio

import pytest

from tests.servers.smtp import CERTIFICATE, SAY_NOTHING, ScriptedServer, SmtpSink, server_context
from tests.system.mailing import SHORT, message, smtp
from tidings.core.errors import (
    OutcomeUnknown,
    PermanentError,
    TransientError,
)
from tidings.core.models import Receipt


async def test_many_mails_go_over_one_connection() -> None:
    with SmtpSink() as sink:
        async with smtp(sink.port) as provider:
            receipts = [await provider.send(message()) for _ in range(5)]

        assert list(sink.clients.values()) == [5]
        assert [receipt.provider_id for receipt in receipts] == ["Q1", "Q2", "Q3", "Q4", "Q5"]


async def test_a_connection_is_replaced_after_a_hundred_mails() -> None:
    async with ScriptedServer({}).serving() as server, smtp(server.port) as provider:
        for _ in range(101):
            await provider.send(message())

        assert server.connections == 2


async def test_there_are_never_more_connections_than_the_setting_says() -> None:
    with SmtpSink() as sink:
        async with smtp(sink.port, connections="3") as provider:
            await asyncio.gather(*[provider.send(message()) for _ in range(30)])

        assert len(sink.mails) == 30
        assert len(sink.clients) <= 3


async def test_a_mail_s_time_begins_when_it_has_a_connection() -> None:
    script = {"END": [SAY_NOTHING, SAY_NOTHING]}
    async with (
        ScriptedServer(script).serving() as server,
        smtp(server.port, timeout=SHORT, connections="1") as provider,
    ):
        sends = [provider.send(message()) for _ in range(3)]
        ends = await asyncio.gather(*sends, return_exceptions=True)

    assert [type(end) for end in ends] == [OutcomeUnknown, OutcomeUnknown, Receipt]
    assert provider.concurrency == 1


@pytest.mark.parametrize("address", ["żółć@example.com", "عمر@example.com"])
async def test_an_address_in_any_script_goes_to_a_server_that_takes_it(address: str) -> None:
    with SmtpSink(enable_SMTPUTF8=True) as sink:
        async with smtp(sink.port) as provider:
            await provider.send(message(address))

        assert [address] == sink.envelopes[0].rcpt_tos


async def test_a_server_without_smtputf8_is_named_as_the_reason() -> None:
    with SmtpSink() as sink:
        async with smtp(sink.port) as provider:
            with pytest.raises(PermanentError, match="lacks SMTPUTF8"):
                await provider.send(message("żółć@example.com"))
            await provider.send(message())

        assert len(sink.mails) == 1


async def test_starttls_and_login() -> None:
    tls = server_context()
    with SmtpSink(login=("shop", "secret"), tls_context=tls, require_starttls=True) as sink:
        login = {"username": "shop", "password": "secret", "ca_file": str(CERTIFICATE)}
        async with smtp(sink.port, host="localhost", tls="starttls", **login) as provider:
            await provider.send(message())

        assert len(sink.mails) == 1


async def test_tls_from_the_start() -> None:
    with SmtpSink(tls=True) as sink:
        async with smtp(sink.port, tls="tls", ca_file=str(CERTIFICATE)) as provider:
            await asyncio.gather(*[provider.send(message(size=400_000)) for _ in range(3)])

        assert len(sink.mails) == 3


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_a_certificate_that_is_not_trusted_stops_the_mail(tls: str) -> None:
    kind = {"tls_context": server_context()} if tls == "starttls" else {"tls": True}
    with SmtpSink(**kind) as sink:
        async with smtp(sink.port, tls=tls) as provider:
            with pytest.raises(TransientError, match="TIDINGS_SMTP_CA_FILE"):
                await provider.send(message())

        assert sink.mails == []


async def test_a_server_without_starttls_gets_no_mail_in_plain_text() -> None:
    with SmtpSink() as sink:
        async with smtp(sink.port, tls="starttls") as provider:
            with pytest.raises(TransientError, match="TIDINGS_SMTP_TLS"):
                await provider.send(message())

        assert sink.mails == []


async def test_a_refused_login_names_the_settings_and_never_the_password() -> None:
    with SmtpSink(login=("shop", "secret"), auth_require_tls=False) as sink:
        async with smtp(sink.port, username="shop", password="wr0ng") as provider:
            with pytest.raises(TransientError, match="TIDINGS_SMTP_PASSWORD") as raised:
                await provider.send(message())

        assert "wr0ng" not in str(raised.value)


async def test_a_server_that_is_not_there_is_a_transient_error_that_names_the_setting() -> None:
    async with ScriptedServer({}).serving() as server:
        port = server.port
    async with smtp(port) as provider:
        with pytest.raises(TransientError, match="TIDINGS_SMTP_HOST"):
            await provider.send(message())
