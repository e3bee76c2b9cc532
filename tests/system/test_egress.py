"""The one way out, against a server that answers as servers may."""

import asyncio
import gzip
from collections.abc import AsyncIterator

import pytest

from tests.servers.http import HttpEndpoint, say_nothing
from tests.servers.ports import free_port
from tests.servers.smtp import server_context
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
        case b"/cut":
            writer.write(HEAD % 10 + b"half")
        case b"/packed":
            packed = gzip.compress(b"x" * 1000)
            writer.write(
                HEAD.replace(b"X-Way: out", b"Content-Encoding: gzip") % len(packed) + packed
            )
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
    assert not answer.lost


async def test_a_body_that_was_cut_is_told_as_lost_and_the_status_stands(url: str) -> None:
    async with HttpClient() as client:
        answer = await client.request("GET", f"{url}/cut")

    assert (answer.status, answer.body, answer.lost) == (200, b"half", True)


async def test_a_packed_body_stays_packed(url: str) -> None:
    async with HttpClient() as client:
        answer = await client.request("GET", f"{url}/packed")

    assert gzip.decompress(answer.body) == b"x" * 1000


async def test_a_certificate_that_is_not_trusted_is_unavailable() -> None:
    async with HttpEndpoint(tls=server_context()).serving() as endpoint, HttpClient() as client:
        with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
            await client.request("GET", endpoint.url)


async def test_no_connection_in_time_is_unavailable_for_nothing_left_us() -> None:
    async with (
        HttpEndpoint(unread=say_nothing).serving() as endpoint,
        HttpClient(timeout=0.2) as client,
    ):
        with pytest.raises(Unavailable, match="no connection in time"):
            await client.request("POST", endpoint.url.replace("http:", "https:"))


async def test_an_error_names_the_host_and_never_the_path_or_a_login(url: str) -> None:
    secret = url.replace("//", "//me:password@") + "/silence?key=secret"
    async with HttpClient(timeout=0.2) as client:
        with pytest.raises(OutcomeUnknown) as raised:
            await client.request("POST", secret)

    assert str(raised.value).startswith(f"POST {url} got no answer")


async def test_a_redirect_is_an_answer_not_an_order(url: str) -> None:
    async with HttpClient() as client:
        assert (await client.request("GET", f"{url}/elsewhere")).status == 302


async def test_no_answer_in_time_is_an_unknown_outcome_and_says_how_long_it_had(url: str) -> None:
    async with HttpClient(timeout=0.2) as client:
        with pytest.raises(OutcomeUnknown, match=r"got no answer within 0\.2 s$"):
            await client.request("POST", f"{url}/silence", body=b"{}")


async def test_an_answer_that_is_no_http_is_an_unknown_outcome_and_said_to_be_none() -> None:
    mail_server = HttpEndpoint([b"220 mail.example ESMTP\r\n\r\n"])
    async with mail_server.serving(), HttpClient() as client:
        with pytest.raises(OutcomeUnknown, match=r"was answered, but not in HTTP$"):
            await client.request("POST", mail_server.url, body=b"{}")


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
