"""The `http` provider: what it posts, and what each answer means."""

import asyncio

import pytest
import structlog

from tests.servers.http import (
    HttpEndpoint,
    answer,
)
from tests.system.posting import TOKEN, message, posting_to, scripted
from tidings.channels.http.http import CheckingHttpProvider
from tidings.core.errors import (
    AddressRejected,
    DeliveryError,
    OutcomeUnknown,
    PermanentError,
    TransientError,
)
from tidings.core.models import Receipt


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
        (409, OutcomeUnknown, ""),
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


@pytest.mark.parametrize("field", ["message", "detail", "error"])
async def test_an_endpoint_that_was_shut_down_takes_no_address_with_it(field: str) -> None:
    gone = answer(410, {field: "API v1 was shut down, use v2"})
    async with scripted(gone) as (_, provider):
        with pytest.raises(TransientError, match=r"use v2: check TIDINGS_HTTP_URL"):
            await provider.send(message())


async def test_an_attempt_that_meets_an_earlier_one_says_nothing_of_the_endpoint() -> None:
    async with scripted(answer(409), answer(504)) as (_, provider):
        with pytest.raises(OutcomeUnknown) as at_work:
            await provider.send(message())
        with pytest.raises(OutcomeUnknown) as down:
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
