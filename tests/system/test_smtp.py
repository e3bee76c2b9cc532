"""The SMTP provider against servers: obliging ones, strict ones, and ones that misbehave."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import pytest
import uvloop

from tests.servers.smtp import (
    CERTIFICATE,
    HANG_UP,
    SAY_NOTHING,
    STOP_READING,
    ScriptedServer,
    SmtpSink,
    server_context,
)
from tidings.channels.email.smtp import SmtpProvider, build
from tidings.channels.registry import ProviderPorts
from tidings.core.errors import (
    AddressRejected,
    DeliveryError,
    OutcomeUnknown,
    PermanentError,
    TransientError,
)
from tidings.core.ids import Ids
from tidings.core.models import Content, Message, Receipt

SHORT = "1"
_ids = Ids()


def message(address: str = "ada@example.com", name: str | None = "Ada", size: int = 10) -> Message:
    content = Content(subject="Hello", text="x" * size, html="<p>Hi</p>")
    return Message(
        id=_ids.new(), channel="email", address=address, content=content, recipient_name=name
    )


async def keep_nothing(message: Message) -> None:
    """No SMTP test looks into an outbox."""


@asynccontextmanager
async def smtp(port: int, **options: str) -> AsyncIterator[SmtpProvider]:
    chosen = {"host": "127.0.0.1", "port": str(port), "tls": "off", "timeout": "20", **options}
    ports = ProviderPorts(
        outbox=keep_nothing, feed=keep_nothing, email_from="Shop <news@shop.example>"
    )
    provider = build(chosen, ports)
    try:
        yield provider
    finally:
        await provider.aclose()


@asynccontextmanager
async def scripted(
    script: Mapping[str, str | list[str]], *, seconds: str = "20"
) -> AsyncIterator[tuple[ScriptedServer, SmtpProvider]]:
    async with (
        ScriptedServer(script).serving() as server,
        smtp(server.port, timeout=seconds) as provider,
    ):
        yield server, provider


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


@pytest.mark.parametrize(
    ("command", "reply", "expected"),
    [
        ("GREETING", "554 no service", TransientError),
        ("GREETING", HANG_UP, TransientError),
        ("GREETING", SAY_NOTHING, TransientError),
        ("EHLO", HANG_UP, TransientError),
        ("MAIL", "451 4.3.0 later", TransientError),
        ("MAIL", "421 4.3.2 shutting down", TransientError),
        ("MAIL", "530 5.7.0 authentication required", TransientError),
        ("MAIL", "552 5.3.4 too big", PermanentError),
        ("MAIL", "554 5.7.1 client host blocked", TransientError),
        ("MAIL", "550 5.4.5 daily sending quota exceeded", TransientError),
        ("MAIL", SAY_NOTHING, TransientError),
        ("MAIL", HANG_UP, TransientError),
        ("RCPT", "450 4.2.1 greylisted", TransientError),
        ("RCPT", "452 4.2.2 mailbox full", TransientError),
        ("RCPT", "550 5.1.1 no such user", AddressRejected),
        ("RCPT", "550 no such user", AddressRejected),
        ("RCPT", "551 not here", AddressRejected),
        ("RCPT", "553 5.1.3 bad address", AddressRejected),
        ("RCPT", "554 5.1.1 no such user", AddressRejected),
        ("RCPT", "550 5.1.8 sender domain not found", TransientError),
        ("RCPT", "550 5.7.1 relaying denied", PermanentError),
        ("RCPT", "552 5.2.2 mailbox full", PermanentError),
        ("RCPT", HANG_UP, TransientError),
        ("RCPT", "hello", TransientError),
        ("DATA", "451 4.3.0 later", TransientError),
        ("DATA", "554 5.5.1 no valid recipients", PermanentError),
        ("DATA", "250 what?", TransientError),
        ("DATA", SAY_NOTHING, TransientError),
        ("DATA", HANG_UP, TransientError),
        ("END", "451 4.3.0 later", TransientError),
        ("END", "554 5.7.1 spam", PermanentError),
        ("END", HANG_UP, OutcomeUnknown),
        ("END", SAY_NOTHING, OutcomeUnknown),
        ("END", "what?", OutcomeUnknown),
    ],
)
async def test_every_way_to_fail_has_its_class(
    command: str, reply: str, expected: type[DeliveryError]
) -> None:
    seconds = SHORT if reply == SAY_NOTHING else "20"
    async with scripted({command: reply}, seconds=seconds) as (_, provider):
        with pytest.raises(DeliveryError) as raised:
            await provider.send(message())

    assert expected is type(raised.value)
    assert "ada@example.com" not in str(raised.value)


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA", "END"])
async def test_after_a_refusal_the_same_connection_goes_on(command: str) -> None:
    async with scripted({command: ["550 5.7.1 no"]}) as (server, provider):
        with pytest.raises(DeliveryError):
            await provider.send(message())
        await provider.send(message())

        assert server.connections == 1
        assert "RSET" in server.heard


@pytest.mark.parametrize("end", [HANG_UP, "421 4.4.2 idle for too long"])
async def test_a_stale_connection_is_replaced_without_anybody_noticing(end: str) -> None:
    async with scripted({"MAIL": ["250 ok", end]}) as (server, provider):
        await provider.send(message())
        await provider.send(message())

        assert server.connections == 2
        assert server.heard.count("END") == 2


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_large_mail_that_nobody_reads_has_not_left_us(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_large_mail_that_nobody_reads())


async def _large_mail_that_nobody_reads() -> None:
    async with scripted({"DATA": STOP_READING}, seconds=SHORT) as (_, provider):
        with pytest.raises(TransientError, match="before the mail was handed over"):
            await provider.send(message(size=20_000_000))


async def test_a_server_may_put_every_address_in_its_reply_and_none_gets_into_ours() -> None:
    reply = "550 5.1.1 <ada@example.com>: ada@example.com is unknown to root@mx.example.com"
    async with scripted({"RCPT": reply}) as (_, provider):
        with pytest.raises(AddressRejected) as raised:
            await provider.send(message())

    assert "550 to RCPT: 5.1.1 (address)" in str(raised.value).replace("<(address)>:", "(address)")
    assert "@" not in str(raised.value)


async def test_the_time_limit_holds_for_the_whole_mail() -> None:
    async with scripted({"RCPT": SAY_NOTHING}, seconds=SHORT) as (_, provider):
        started = asyncio.get_running_loop().time()
        with pytest.raises(TransientError):
            await provider.send(message())

        assert asyncio.get_running_loop().time() - started < 10
