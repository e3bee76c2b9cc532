"""The SMTP provider against servers that refuse and servers that misbehave."""

import asyncio
from collections.abc import Callable

import pytest
import uvloop

from tests.servers.smtp import HANG_UP, SAY_NOTHING, STOP_READING
from tests.system.mailing import SHORT, message, scripted
from tidings.core.errors import (
    AddressRejected,
    DeliveryError,
    OutcomeUnknown,
    PermanentError,
    TransientError,
)


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
        ("RCPT", "550 relay not permitted", TransientError),
        ("RCPT", "551 not here", PermanentError),
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
        ("END", "354 go on", OutcomeUnknown),
        ("END", "199 hm", OutcomeUnknown),
        ("EHLO", "250 script\r\n250 ok", TransientError),
        ("MAIL", "250 ok\r\n250 ok", TransientError),
        ("RCPT", "250 ok\r\n250 ok", TransientError),
        ("DATA", "354 go on\r\n250 ok", TransientError),
        ("DATA", "354 go on\r\n25", TransientError),
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


@pytest.mark.parametrize(
    ("command", "ahead"),
    [("MAIL", "250 ok\r\n250 ok"), ("RCPT", "250 ok\r\n250 ok"), ("DATA", "354 go\r\n250 ok")],
)
async def test_a_reply_that_came_unasked_hands_nothing_over_and_ends_its_connection(
    command: str, ahead: str
) -> None:
    async with scripted({command: [ahead], "END": ["250 taken"]}) as (server, provider):
        with pytest.raises(TransientError, match="a reply to nothing"):
            await provider.send(message())
        assert "END" not in server.heard

        await provider.send(message())

        assert server.connections == 2


async def test_a_reply_after_the_yes_costs_the_connection_and_not_the_mail() -> None:
    async with scripted({"END": ["250 taken\r\n550 no"]}) as (server, provider):
        await provider.send(message())
        await provider.send(message())

        assert server.connections == 2


@pytest.mark.parametrize("reset", [SAY_NOTHING, "500 what?"])
async def test_a_connection_that_was_not_reset_after_a_refusal_is_not_used_again(
    reset: str,
) -> None:
    script = {"END": ["451 4.3.0 later"], "RSET": [reset]}
    async with scripted(script, seconds=SHORT) as (server, provider):
        with pytest.raises(TransientError, match="451"):
            await provider.send(message())
        await provider.send(message())

        assert server.connections == 2


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
