"""The `http` provider against endpoints that are away or misbehave: bounded in every way."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
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
from tests.system.posting import SHORT, message, posting_to, scripted
from tidings.core.errors import (
    AddressRejected,
    DeliveryError,
    OutcomeUnknown,
    PermanentError,
    TransientError,
)
from tidings.core.models import Content, Receipt

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"
OK_IN_CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#: more than the system's buffers on both sides hold
LARGE = 20_000_000


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
        posting_to(endpoint.url.replace("http:", "https:"), timeout=SHORT) as provider,
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
    bad = replace(message(address), content=Content(text=text))
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
    "100 without end": repeating(b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
}
WAYS_TO_END_A_BODY: dict[str, Act] = {
    "cut": then(OK + b'{"id": "E', hang_up),
    "reset": then(OK, reset),
    "in drips": then(OK, repeating(b" ", pause=0.05)),
    "stalled": then(OK, say_nothing),
    "without end": then(OK, repeating(b" " * 65536)),
    "chunks without end": then(OK_IN_CHUNKS, repeating(b"10\r\n" + b" " * 16 + b"\r\n")),
    "chunks that are none": then(OK_IN_CHUNKS + b"what?\r\n", say_nothing),
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
