"""The one way out, against a server that answers as servers may."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.servers.ports import free_port
from tests.system.scripted import SILENCE, scripted
from tidings.core.errors import InvalidInput, OutcomeUnknown, Unavailable
from tidings.egress.http import ANSWER_LIMIT, HttpClient

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Way: out\r\n\r\n"


async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1]
    match path:
        case b"/pieces":
            writer.write(HEAD % 300_000)
            for _ in range(300):
                writer.write(b"x" * 1000)
                await writer.drain()
        case b"/endless":
            writer.write(HEAD % (10 * ANSWER_LIMIT) + b"x" * (2 * ANSWER_LIMIT))
        case b"/elsewhere":
            writer.write(b"HTTP/1.1 302 Found\r\nLocation: /pieces\r\nContent-Length: 0\r\n\r\n")
        case b"/silence":
            await reader.read()
    writer.close()


@pytest.fixture
async def url() -> AsyncIterator[str]:
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


async def test_an_answer_in_pieces_is_read_whole(url: str) -> None:
    async with HttpClient() as client:
        answer = await client.request("GET", f"{url}/pieces")

    assert (answer.status, len(answer.body), answer.headers["x-way"]) == (200, 300_000, "out")


async def test_an_answer_without_end_is_cut_off(url: str) -> None:
    async with HttpClient() as client:
        answer = await client.request("GET", f"{url}/endless")

    assert len(answer.body) == ANSWER_LIMIT


async def test_a_redirect_is_an_answer_not_an_order(url: str) -> None:
    async with HttpClient() as client:
        assert (await client.request("GET", f"{url}/elsewhere")).status == 302


async def test_no_answer_in_time_is_an_unknown_outcome(url: str) -> None:
    async with HttpClient(timeout=0.2) as client:
        with pytest.raises(OutcomeUnknown):
            await client.request("POST", f"{url}/silence", body=b"{}")


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE"])
async def test_a_cut_connection_is_an_unknown_outcome_and_nothing_is_sent_again(
    method: str,
) -> None:
    async with scripted([SILENCE, SILENCE]) as server, HttpClient() as client:
        with pytest.raises(OutcomeUnknown):
            await client.request(method, f"{server.url}/hang-up")

    assert len(server.asked) == 1


async def test_nobody_there_is_unavailable() -> None:
    async with HttpClient() as client:
        with pytest.raises(Unavailable):
            await client.request("GET", f"http://127.0.0.1:{free_port()}/")


@pytest.mark.parametrize("address", ["localhost:8000/x", "ftp://localhost/", "nonsense"])
async def test_what_is_no_http_address_is_refused(address: str) -> None:
    async with HttpClient() as client:
        with pytest.raises(InvalidInput):
            await client.request("GET", address)
