"""`POST /register`: what it takes, what it refuses, and that it gives nobody away."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.system.notifications_http import Api, client, make_app, open_api
from tidings.store.schema import events, users


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with open_api() as opened:
        yield opened


async def test_an_address_registers_by_query_or_by_body(api: Api) -> None:
    by_query = await api.http.post("/register?email=bob%2Bnews@example.com")
    by_body = await api.http.post(
        "/register", json={"email": "eve@example.com", "name": "Eve", "locale": "pl"}
    )

    assert (by_query.status_code, by_body.status_code) == (202, 202)
    assert list(by_query.json()) == list(by_body.json()) == ["event_id"]
    assert await api.house.count(users) == 3


@pytest.mark.parametrize(
    "address", ["bob@example.com", "ann@example.com"], ids=["registered before", "put before"]
)
async def test_known_and_unknown_addresses_are_answered_alike(api: Api, address: str) -> None:
    await api.http.post("/register?email=bob@example.com")
    answers = [
        await api.http.post(f"/register?email={each}") for each in ("eve@example.com", address)
    ]

    known, unknown = answers[1], answers[0]
    assert known.status_code == unknown.status_code
    assert known.headers == unknown.headers
    assert [len(each.json()["event_id"]) for each in answers] == [36, 36]
    assert known.json()["event_id"][14] == unknown.json()["event_id"][14] == "7"


async def test_a_repeat_under_a_key_registers_once_by_query_or_by_body(api: Api) -> None:
    headers = {"Idempotency-Key": "k1"}

    first = await api.http.post("/register?email=bob@example.com", headers=headers)
    again = await api.http.post("/register", json={"email": "Bob@example.com"}, headers=headers)
    other = await api.http.post("/register?email=eve@example.com", headers=headers)

    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert await api.problem(other) == (422, "Idempotency-Key")
    assert await api.house.count(events) == 1


async def test_who_registers_meets_no_key_of_other_routes(api: Api) -> None:
    event = {"type": "GREETED", "user_id": "ann"}
    many = {"events": [event, event]}
    for key in ("k1", "register"):
        headers = {"Idempotency-Key": key}
        await api.http.post("/v1/events", json=event, headers=headers)
        await api.http.post("/v1/events/bulk", json=many, headers=headers)

    answers = [
        await api.http.post("/register?email=bob@example.com", headers={"Idempotency-Key": key})
        for key in ("k1", "register", "0", "1")
    ]

    assert {each.status_code for each in answers} == {202}
    assert all("idempotency-replayed" not in each.headers for each in answers)


@pytest.mark.parametrize("key", ["", "x" * 256, "two words"])
async def test_a_wrong_key_is_refused(api: Api, key: str) -> None:
    answer = await api.http.post(
        "/register?email=bob@example.com", headers={"Idempotency-Key": key}
    )

    assert await api.problem(answer) == (422, "Idempotency-Key")


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/register?email=", None, "email"),
        ("/register?email=bob", None, "email"),
        ("/register?email=bob@example.com&colour=red", None, "colour"),
        ("/register?email=a@example.com%0d%0aBcc:b@example.com", None, "email"),
        ("/register?email=%ff%fe@example.com", None, "email"),
        ("/register?email=%ef%bf%bd@example.com", None, "email"),
        ("/register?email=a@example.com&email=b@example.com", None, "email"),
        ("/register?email=a+b@example.com", None, "email"),
        ("/register?name=Ann", None, "email"),
        ("/register?" + "x&" * 11, None, ""),
        ("/register?email=a@example.com", {"email": "b@example.com"}, "body"),
        ("/register?name=Ann", {"email": "b@example.com"}, "body"),
        ("/register", {}, "email"),
        ("/register", {"email": 7}, "email"),
        ("/register", {"email": "bob@example.com", "name": "B\nb"}, "name"),
        ("/register", {"email": "bob@example.com", "locale": "???"}, "locale"),
        ("/register", {"email": "bob@example.com", "admin": True}, "admin"),
    ],
)
async def test_a_wrong_registration_names_its_field_and_stores_nothing(
    api: Api, path: str, body: object, field: str
) -> None:
    answer = await api.http.post(path, json=body)

    assert await api.problem(answer) == (422, field)
    assert await api.house.count(events) == 0


async def test_a_plus_in_a_query_is_told_how_to_be_written(api: Api) -> None:
    answer = await api.http.post("/register?email=bob+news@example.com")

    assert answer.json()["detail"] == "email: holds a blank; in a query write + as %2B"


async def test_registering_without_anything_says_what_to_send(api: Api) -> None:
    answer = await api.http.post("/register")

    assert await api.problem(answer) == (422, "email")
    assert "?email=" in answer.json()["detail"]


async def test_a_client_that_registers_too_often_is_told_when_to_come_back(api: Api) -> None:
    async with client(make_app(api.house, rate="2/hour")) as http:
        answers = [await http.post(f"/register?email=u{n}@example.com") for n in range(3)]

    assert [each.status_code for each in answers] == [202, 202, 429]
    assert 1 <= int(answers[2].headers["retry-after"]) <= 3600
    assert await api.house.count(events) == 2


async def test_the_openapi_tells_when_to_ask_again_and_what_the_query_may_say(api: Api) -> None:
    document = (await api.http.get("/openapi.json")).json()

    register = document["paths"]["/register"]["post"]
    assert [each["name"] for each in register["parameters"]] == [
        "email",
        "name",
        "locale",
        "Idempotency-Key",
    ]
    for status in ("429", "503"):
        assert "Retry-After" in register["responses"][status]["headers"]
    assert "headers" not in register["responses"]["422"]


async def test_two_hundred_registrations_at_once_are_all_accepted(api: Api) -> None:
    await asyncio.gather(*[_registered(api, number) for number in range(200)])

    assert await api.house.count(events) == 200


async def _registered(api: Api, number: int) -> None:
    """Ask until it is accepted: a machine that is busy with others takes more than a second."""
    key, status = {"Idempotency-Key": f"key-{number}"}, 503
    while status == 503:
        answer = await api.http.post(f"/register?email=u{number}@example.com", headers=key)
        status = answer.status_code
    assert status == 202, answer.text
