"""The `http` provider against endpoints: obliging ones, strict ones, and ones that misbehave."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
import structlog
import uvloop

from tests.servers.http import (
    Act,
    HttpEndpoint,
    answer,
    bomb,
    hang_up,
    repeating,
    reset,
    say_nothing,
    then,
)
from tests.servers.ports import free_port
from tests.servers.smtp import CERTIFICATE, server_context
from tidings.channels.http.http import CheckingHttpProvider, HttpProvider, build
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
TOKEN = "t0ken-nobody-may-see"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"
OK_IN_CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#: more than the system's buffers on both sides hold
LARGE = 20_000_000
_ids = Ids()


def message(address: str = "ada@example.com", *, channel: str = "email", size: int = 10) -> Message:
    content = Content(subject="Hello", text="x" * size, html="<p>Hi</p>")
    return Message(
        id=_ids.new(),
        channel=channel,
        address=address,
        content=content,
        recipient_name="Ada",
        locale="en",
        workflow="welcome",
    )


class Noon:
    """A clock that stands still."""

    shift = timedelta(0)

    def now(self) -> datetime:
        return datetime(2026, 3, 1, 12, tzinfo=UTC)


async def keep_nothing(message: Message) -> None:
    """No HTTP test looks into an outbox."""


@asynccontextmanager
async def posting_to(url: str, **options: str) -> AsyncIterator[HttpProvider]:
    ports = ProviderPorts(
        outbox=keep_nothing, feed=keep_nothing, email_from="news@shop.example", clock=Noon()
    )
    provider = build({"url": url, "timeout": "20", **options}, ports)
    try:
        yield provider
    finally:
        await provider.aclose()


@asynccontextmanager
async def scripted(
    *script: bytes | Act, **options: str
) -> AsyncIterator[tuple[HttpEndpoint, HttpProvider]]:
    async with (
        HttpEndpoint(script).serving() as endpoint,
        posting_to(endpoint.url, **options) as provider,
    ):
        yield endpoint, provider


async def test_a_message_is_posted_as_json_under_its_id() -> None:
    sent = message()
    async with scripted(token=TOKEN) as (endpoint, provider):
        receipt = await provider.send(sent)

    [request] = endpoint.requests
    assert (request.method, request.target) == ("POST", "/messages")
    assert request.message == {
        "id": sent.id,
        "channel": "email",
        "to": "ada@example.com",
        "recipient_name": "Ada",
        "locale": "en",
        "workflow": "welcome",
        "subject": "Hello",
        "text": "x" * 10,
        "html": "<p>Hi</p>",
    }
    assert request.headers["idempotency-key"] == sent.id
    assert request.headers["content-type"] == "application/json"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert receipt == Receipt(provider_id="E1")


async def test_without_a_token_nothing_is_said_of_one() -> None:
    async with scripted() as (endpoint, provider):
        await provider.send(message())

    assert "authorization" not in endpoint.requests[0].headers


async def test_any_channel_s_addresses_are_posted_as_they_are() -> None:
    async with scripted() as (endpoint, provider):
        await provider.send(message("+48 123", channel="sms"))

    assert endpoint.requests[0].message["to"] == "+48 123"


async def test_connections_are_used_again_and_never_more_than_the_setting_says() -> None:
    async with scripted(connections="3") as (endpoint, provider):
        for _ in range(5):
            await asyncio.gather(*[provider.send(message()) for _ in range(10)])

    assert provider.concurrency == 3
    assert len(endpoint.taken) == 50
    assert endpoint.connections <= 3


@pytest.mark.parametrize(
    ("said", "provider_id"),
    [
        (answer(200, {"id": "E1"}), "E1"),
        (answer(202, {"id": 17}), "17"),
        (answer(200, {"id": True}), None),
        (answer(200, {"id": None}), None),
        (answer(200, ["id"]), None),
        (answer(201, "E1"), None),
        (answer(204), None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n\xff\xfe{", None),
    ],
)
async def test_a_2xx_is_sent_and_its_id_is_kept_where_there_is_one(
    said: bytes, provider_id: str | None
) -> None:
    async with scripted(said) as (_, provider):
        assert await provider.send(message()) == Receipt(provider_id=provider_id)


@pytest.mark.parametrize(
    ("status", "expected", "setting"),
    [
        (301, TransientError, "TIDINGS_HTTP_URL"),
        (302, TransientError, "TIDINGS_HTTP_URL"),
        (307, TransientError, "TIDINGS_HTTP_URL"),
        (308, TransientError, "TIDINGS_HTTP_URL"),
        (401, TransientError, "TIDINGS_HTTP_TOKEN"),
        (403, TransientError, "TIDINGS_HTTP_TOKEN"),
        (404, TransientError, "TIDINGS_HTTP_URL"),
        (405, TransientError, "TIDINGS_HTTP_URL"),
        (407, TransientError, "TIDINGS_HTTP_TOKEN"),
        (421, TransientError, "TIDINGS_HTTP_URL"),
        (410, TransientError, "TIDINGS_HTTP_URL"),
        (402, TransientError, ""),
        (408, TransientError, ""),
        (409, TransientError, ""),
        (425, TransientError, ""),
        (429, TransientError, ""),
        (500, TransientError, ""),
        (501, TransientError, ""),
        (503, TransientError, ""),
        (507, TransientError, ""),
        (400, PermanentError, ""),
        (413, PermanentError, ""),
        (415, PermanentError, ""),
        (422, PermanentError, ""),
        (451, PermanentError, ""),
        (502, OutcomeUnknown, ""),
        (504, OutcomeUnknown, ""),
        (101, OutcomeUnknown, ""),
        (600, OutcomeUnknown, ""),
        (999, OutcomeUnknown, ""),
    ],
)
async def test_every_status_has_its_class(
    status: int, expected: type[DeliveryError], setting: str
) -> None:
    said = answer(status, Location="/elsewhere")
    async with scripted(said) as (endpoint, provider):
        with pytest.raises(DeliveryError, match=str(status)) as raised:
            await provider.send(message())

    assert expected is type(raised.value)
    assert setting in str(raised.value)
    assert len(endpoint.requests) == 1


async def test_an_address_is_given_up_only_where_the_endpoint_says_so() -> None:
    async with scripted(answer(410, {"reason": "no such mailbox"})) as (_, provider):
        with pytest.raises(AddressRejected, match="no such mailbox"):
            await provider.send(message())


async def test_an_attempt_that_meets_an_earlier_one_says_nothing_of_the_endpoint() -> None:
    async with scripted(answer(409), answer(503)) as (_, provider):
        with pytest.raises(TransientError) as at_work:
            await provider.send(message())
        with pytest.raises(TransientError) as down:
            await provider.send(message())

    assert (at_work.value.own, down.value.own) == (True, False)


@pytest.mark.parametrize("field", ["reason", "detail", "message", "error"])
async def test_the_reason_is_told_without_addresses_and_secrets(field: str) -> None:
    why = f"ada@example.com\r\nand +48123 are unknown to {TOKEN}"
    async with scripted(answer(422, {field: why}), token=TOKEN) as (_, provider):
        with pytest.raises(PermanentError) as raised:
            await provider.send(message("+48123", channel="sms"))

    assert str(raised.value) == (
        "the endpoint answered 422: (address) and (hidden) are unknown to (hidden)"
    )


@pytest.mark.parametrize("status", [429, 503, 502, 409, 401, 302])
@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("120", 120.0),
        ("Sun, 01 Mar 2026 12:01:30 GMT", 90.0),
        ("soon", None),
        ("999999999", 86400.0),
    ],
)
async def test_what_is_asked_for_is_handed_on_whatever_the_status(
    status: int, said: str, seconds: float | None
) -> None:
    async with scripted(answer(status, Retry_After=said)) as (_, provider):
        with pytest.raises(DeliveryError) as raised:
            await provider.send(message())

    assert isinstance(raised.value, TransientError | OutcomeUnknown)
    assert raised.value.retry_after == seconds


# Before anything left us.


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/", "http://nowhere.invalid/secret-path"])
async def test_an_endpoint_that_is_not_there_is_transient_and_named(url: str) -> None:
    async with posting_to(url.format(port=free_port())) as provider:
        with pytest.raises(TransientError, match="TIDINGS_HTTP_URL") as raised:
            await provider.send(message())

    assert "secret-path" not in str(raised.value)


async def test_tls_to_an_endpoint_with_a_certificate_of_our_own() -> None:
    async with (
        HttpEndpoint(tls=server_context()).serving() as endpoint,
        posting_to(endpoint.url, ca_file=str(CERTIFICATE)) as provider,
    ):
        assert await provider.send(message()) == Receipt(provider_id="E1")


async def test_a_certificate_that_is_not_trusted_stops_the_message() -> None:
    async with (
        HttpEndpoint(tls=server_context()).serving() as endpoint,
        posting_to(endpoint.url) as provider,
    ):
        with pytest.raises(TransientError, match="TIDINGS_HTTP_CA_FILE"):
            await provider.send(message())

    assert endpoint.requests == []


async def test_an_endpoint_that_speaks_no_tls_stops_the_message() -> None:
    async with (
        HttpEndpoint().serving() as endpoint,
        posting_to(endpoint.url.replace("http:", "https:")) as provider,
    ):
        with pytest.raises(TransientError, match="TIDINGS_HTTP_URL"):
            await provider.send(message())


async def test_a_handshake_without_end_has_not_left_us() -> None:
    async with HttpEndpoint(unread=say_nothing).serving() as endpoint:
        url = endpoint.url.replace("http:", "https:")
        async with posting_to(url, timeout=SHORT) as provider:
            with pytest.raises(TransientError, match="no connection in time"):
                await provider.send(message())


@pytest.mark.parametrize(
    ("address", "text", "expected"),
    [
        ("no address\r\nat all", "Hi", AddressRejected),
        ("ada@example.com", "\ud800", PermanentError),
    ],
)
async def test_what_can_not_be_posted_is_refused_before_it_is(
    address: str, text: str, expected: type[DeliveryError]
) -> None:
    bad = Message(id=_ids.new(), channel="email", address=address, content=Content(text=text))
    async with scripted() as (endpoint, provider):
        with pytest.raises(expected):
            await provider.send(bad)

    assert endpoint.requests == []


# After it left us.

WAYS_TO_SAY_NOTHING: dict[str, Act] = {
    "hang up": hang_up,
    "reset": reset,
    "say nothing": say_nothing,
    "no HTTP": then(b"220 smtp.example.com ESMTP\r\n", say_nothing),
    "half a status line": then(b"HTTP/1.1 20", hang_up),
    "half a head": then(b"HTTP/1.1 200 OK\r\nX: y\r\n", hang_up),
    "a head in drips": then(b"HTTP/1.1 200 OK\r\n", repeating(b"x", pause=0.05)),
    "a header without end": then(b"HTTP/1.1 200 OK\r\nX: ", repeating(b"x" * 65536)),
    "headers without end": then(b"HTTP/1.1 200 OK\r\n", repeating(b"X: y\r\n" * 10_000)),
    "chunks that are none": then(OK_IN_CHUNKS + b"what?\r\n", say_nothing),
    "100 without end": repeating(b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
}
WAYS_TO_END_A_BODY: dict[str, Act] = {
    "cut": then(OK + b'{"id": "E', hang_up),
    "reset": then(OK, reset),
    "in drips": then(OK, repeating(b" ", pause=0.05)),
    "stalled": then(OK, say_nothing),
    "without end": then(OK, repeating(b" " * 65536)),
    "chunks without end": then(OK_IN_CHUNKS, repeating(b"10\r\n" + b" " * 16 + b"\r\n")),
    "a bomb": then(bomb(200_000_000), hang_up),
}


@asynccontextmanager
async def bounded(*, seconds: float, megabytes: float) -> AsyncIterator[None]:
    """What happens here takes no more than that, of either."""
    loop = asyncio.get_running_loop()
    tracemalloc.start()
    try:
        started, (before, _) = loop.time(), tracemalloc.get_traced_memory()
        yield
        took, (_, peak) = loop.time() - started, tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert took < seconds
    assert (peak - before) / 1e6 < megabytes


@pytest.mark.parametrize("way", WAYS_TO_SAY_NOTHING)
async def test_no_answer_is_an_unknown_outcome_within_time_and_memory(way: str) -> None:
    async with scripted(WAYS_TO_SAY_NOTHING[way], timeout=SHORT) as (endpoint, provider):
        async with bounded(seconds=8, megabytes=8):
            with pytest.raises(OutcomeUnknown) as raised:
                await provider.send(message())
        assert await provider.send(message()) == Receipt(provider_id="E1")

    assert endpoint.url not in str(raised.value)
    assert len(endpoint.requests) == 2


@pytest.mark.parametrize("way", WAYS_TO_END_A_BODY)
async def test_a_2xx_is_sent_whatever_becomes_of_the_body(way: str) -> None:
    async with scripted(WAYS_TO_END_A_BODY[way], timeout=SHORT) as (_, provider):
        async with bounded(seconds=8, megabytes=8):
            assert await provider.send(message()) == Receipt()
        assert await provider.send(message()) == Receipt(provider_id="E1")


@pytest.mark.parametrize("body", [repeating(b"x" * 65536), repeating(b"x", pause=0.05), hang_up])
async def test_a_refusal_keeps_its_class_whatever_becomes_of_the_body(body: Act) -> None:
    head = b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 1000000000\r\n\r\n"
    async with (
        scripted(then(head, body), timeout=SHORT) as (_, provider),
        bounded(seconds=8, megabytes=8),
    ):
        with pytest.raises(TransientError, match="503") as raised:
            await provider.send(message())

    assert raised.value.retry_after == 7


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_large_message_that_nobody_reads_has_left_us_in_part(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_large_message_that_nobody_reads())


async def _large_message_that_nobody_reads() -> None:
    async with (
        HttpEndpoint(unread=say_nothing).serving() as endpoint,
        posting_to(endpoint.url, timeout=SHORT) as provider,
    ):
        with pytest.raises(OutcomeUnknown):
            await provider.send(message(size=LARGE))


async def test_a_refusal_before_the_message_was_read_is_heard() -> None:
    refuse = then(answer(413, {"reason": "too large"}), say_nothing)
    async with (
        HttpEndpoint(unread=refuse).serving() as endpoint,
        posting_to(endpoint.url, timeout="5") as provider,
    ):
        for _ in range(2):
            with pytest.raises(PermanentError, match="too large"):
                await provider.send(message(size=LARGE))


# What is asked afterwards.


async def test_only_an_endpoint_with_a_check_url_can_be_asked() -> None:
    async with scripted() as (_, provider):
        assert not isinstance(provider, CheckingHttpProvider)


@pytest.mark.parametrize(
    "said",
    [
        answer(401, {"reason": "no"}),
        answer(404),
        answer(200),
        answer(204),
        answer(302),
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
        b"HTTP/1.1 404 No\r\nContent-Length: 6\r\n\r\n<html>",
    ],
)
async def test_what_is_no_clear_answer_proves_nothing(said: bytes) -> None:
    async with HttpEndpoint([said]).serving() as endpoint:
        check = f"{endpoint.check_url}?shop=1"
        async with posting_to(endpoint.url, check_url=check, token=TOKEN) as provider:
            assert isinstance(provider, CheckingHttpProvider)
            with pytest.raises(TransientError, match="TIDINGS_HTTP_CHECK_URL"):
                await provider.find(message())

    assert endpoint.requests[0].target.startswith("/taken?shop=1&id=")
    assert endpoint.requests[0].headers["authorization"] == f"Bearer {TOKEN}"


async def test_the_log_tells_of_an_outage_now_and_then_and_of_no_secret() -> None:
    with structlog.testing.capture_logs() as lines:
        async with scripted(*[answer(401, {"reason": TOKEN})] * 20, token=TOKEN) as (_, provider):
            for _ in range(20):
                with pytest.raises(TransientError):
                    await provider.send(message())

    assert 1 <= len(lines) < 20
    assert "TIDINGS_HTTP_TOKEN" in lines[0]["reason"]
    assert TOKEN not in str(lines)
    assert "@" not in str(lines)
