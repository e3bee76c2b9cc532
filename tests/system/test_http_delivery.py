"""`TIDINGS_EMAIL_PROVIDER=http` from the event to the endpoint, and what its answers lead to."""

from collections import Counter
from collections.abc import AsyncIterator

import pytest

from tests.servers.http import HttpEndpoint, answer, hang_up
from tests.system.post_office import PostOffice, plan_more
from tests.system.vendors import Vendor
from tidings import NotificationSystem
from tidings.channels.http.http import CheckingHttpProvider, HttpProvider
from tidings.channels.http.options import HttpOptions
from tidings.core.errors import ConfigurationError
from tidings.core.integrations import Integration
from tidings.delivery.gate.breaker import IN_ROW
from tidings.store import schema


@pytest.fixture
async def endpoint() -> AsyncIterator[HttpEndpoint]:
    async with HttpEndpoint().serving() as endpoint:
        yield endpoint


@pytest.fixture
async def http(office: PostOffice, endpoint: HttpEndpoint) -> AsyncIterator[HttpProvider]:
    provider = HttpProvider(HttpOptions(url=endpoint.url), clock=office.clock)
    yield provider
    await provider.aclose()


async def test_a_setting_sends_every_mail_to_the_endpoint(
    endpoint: HttpEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDINGS_HTTP_URL", endpoint.url)
    async with NotificationSystem(
        database_url="sqlite://", email_provider="http", email_from="Shop <news@shop.example>"
    ) as tidings:
        event_id = await tidings.register("ann@example.com", name="Ann")
        explanation = await tidings.settled(event_id)

    [delivery] = explanation.notifications[0].deliveries
    [request] = endpoint.requests
    assert delivery.state == "sent"
    assert request.message["id"] == delivery.id
    assert (request.message["to"], request.message["workflow"]) == ("ann@example.com", "welcome")
    assert "Ann" in request.message["text"]


async def test_a_setting_without_the_address_stops_the_start() -> None:
    with pytest.raises(ConfigurationError, match="TIDINGS_HTTP_URL is missing"):
        async with NotificationSystem(database_url="sqlite://", email_provider="http"):
            pass


async def test_an_endpoint_that_asks_for_a_minute_gets_it(
    office: PostOffice, endpoint: HttpEndpoint, http: HttpProvider
) -> None:
    endpoint.script = [answer(503, Retry_After="60")]
    await office.plan_welcomes()
    service = office.service(provider=http)

    await service.work()
    office.clock.advance(seconds=55)
    assert await service.work() == 0
    office.clock.advance(seconds=5)
    assert await service.work() == 1

    assert await office.states() == ["sent"]
    first, second = endpoint.requests
    assert first.body == second.body
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


async def test_a_gateway_that_heard_nothing_is_not_asked_too_early_either(
    office: PostOffice, endpoint: HttpEndpoint, http: HttpProvider
) -> None:
    endpoint.script = [answer(504, Retry_After="60")]
    await office.plan_welcomes()
    service = office.service(provider=http)

    await service.work()
    office.clock.advance(seconds=55)
    assert await service.work() == 0

    [attempt] = await office.rows(schema.attempts)
    assert attempt["outcome"] == "unknown"


async def test_what_is_refused_for_good_has_failed_with_its_reason(
    office: PostOffice, endpoint: HttpEndpoint, http: HttpProvider
) -> None:
    endpoint.script = [answer(422, {"reason": "no subject"})]
    await office.plan_welcomes()

    await office.service(provider=http).work()

    row = await office.delivery()
    assert row["state"] == "failed"
    assert row["reason"] == "the endpoint answered 422: no subject"


async def test_a_dead_address_is_no_longer_used(
    office: PostOffice, endpoint: HttpEndpoint, http: HttpProvider
) -> None:
    endpoint.script = [answer(410, {"reason": "no such mailbox"})]
    await office.plan_welcomes()

    await office.service(provider=http).work()

    [address] = await office.rows(schema.addresses)
    assert await office.states() == ["failed"]
    assert address["status"] != "active"


async def test_a_lost_answer_is_unknown_and_the_repeat_bears_the_same_key(
    office: PostOffice, endpoint: HttpEndpoint, http: HttpProvider
) -> None:
    endpoint.script = [hang_up]
    await office.plan_welcomes()
    service = office.service(provider=http)

    await service.work()
    office.clock.advance(seconds=3)
    await service.work()

    outcomes = [attempt["outcome"] for attempt in await office.rows(schema.attempts)]
    assert outcomes == ["unknown", "sent"]
    assert len({request.headers["idempotency-key"] for request in endpoint.requests}) == 1


@pytest.mark.parametrize(("on_unknown", "states"), [("check", ["sent"]), ("hold", ["held"])])
async def test_what_is_still_at_work_at_one_endpoint_goes_to_no_other(
    office: PostOffice, endpoint: HttpEndpoint, on_unknown: str, states: list[str]
) -> None:
    nothing, at_work = answer(404, {"reason": "not taken"}), answer(409, {"reason": "at work"})
    endpoint.script = [hang_up, nothing, at_work] if on_unknown == "check" else [at_work]
    endpoint.script.append(answer(200, {"id": "E7"}))
    options, other = HttpOptions(url=endpoint.url), Vendor()
    first = CheckingHttpProvider(options, check_url=endpoint.check_url, clock=office.clock)
    integrations = [Integration(name="first", provider=first), other.named("other")]
    service = office.service(integrations=integrations)
    await office.plan_welcomes()
    await office.change(policy={"on_unknown": on_unknown})

    for _ in range(8):
        await service.work()
        office.clock.advance(seconds=5)
    await first.aclose()

    assert other.calls == []
    assert await office.states() == states


async def test_what_is_still_at_work_opens_no_breaker_and_waits_as_long_as_it_was_told(
    office: PostOffice, endpoint: HttpEndpoint, http: HttpProvider
) -> None:
    endpoint.script = [answer(409, Retry_After="60")] * IN_ROW
    await office.plan_welcomes(IN_ROW)
    service = office.service(provider=http)

    await service.work()
    await plan_more(office, 1)
    await service.work()
    at_once = Counter(await office.states())
    office.clock.advance(seconds=55)
    early = await service.work()
    office.clock.advance(seconds=5)
    await service.work()

    assert at_once == {"pending": IN_ROW, "sent": 1}
    assert early == 0
    assert await office.states() == ["sent"] * (IN_ROW + 1)


async def test_many_go_out_at_once(
    office: PostOffice, endpoint: HttpEndpoint, http: HttpProvider
) -> None:
    await office.plan_welcomes(50)

    assert await office.service(provider=http).work() == 50

    assert set(await office.states()) == {"sent"}
    assert len(endpoint.taken) == 50
    assert 1 < endpoint.connections <= 50
