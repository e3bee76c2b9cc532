"""The Notification Service over HTTP."""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.system.house import open_house
from tests.system.notifications_http import Api, client, make_app, open_api
from tidings.core.clock import SystemClock
from tidings.core.models import Event
from tidings.core.work import Acceptance, Accepted
from tidings.notifications.api import BULK_BYTES
from tidings.store.schema import events, workflows
from tidings.store.sqlite import SqliteStore


def step(channel: str, template: str) -> dict[str, str]:
    return {"kind": "channel", "channel": channel, "template": template}


HELLO: dict[str, Any] = {"on": "GREETED", "steps": [step("email", "welcome")]}


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with open_api() as opened:
        yield opened


async def test_an_event_is_accepted_and_explained(api: Api) -> None:
    await api.http.put("/v1/workflows/hello", json=HELLO)
    body = {"type": "GREETED", "user_id": "ann", "data": {"n": 1}, "id": "shop/order 7"}
    refused = await api.http.post("/v1/events", json=body)
    accepted = await api.http.post("/v1/events", json=body | {"id": "shop/order-7"})
    await api.house.plan()

    explanation = (await api.http.get("/v1/events/shop/order-7")).json()

    assert await api.problem(refused) == (422, "id")
    assert accepted.json() == {"event_id": "shop/order-7"}
    assert (explanation["type"], explanation["state"]) == ("GREETED", "planned")
    (notification,) = explanation["notifications"]
    (decision,) = notification["decisions"]
    (delivery,) = notification["deliveries"]
    assert (decision["verdict"], decision["rule"]) == ("send", "default")
    assert (delivery["state"], delivery["address"]) == ("pending", "ann@example.com")
    assert delivery["attempts"] == []
    assert explanation["accepted_at"].endswith("Z")


async def test_a_repeat_under_a_key_is_marked_as_one(api: Api) -> None:
    headers = {"Idempotency-Key": "k1"}
    body = {"type": "GREETED", "user_id": "ann"}

    first = await api.http.post("/v1/events", json=body, headers=headers)
    again = await api.http.post("/v1/events", json=body, headers=headers)
    other = await api.http.post("/v1/events", json=body | {"data": {"n": 1}}, headers=headers)

    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == first.json()
    assert await api.problem(other) == (422, "Idempotency-Key")
    assert await api.house.count(events) == 1


async def test_a_message_repeated_under_a_key_is_accepted_once(api: Api) -> None:
    headers = {"Idempotency-Key": "k1"}
    body = {"to": "bob@example.com", "text": "hello"}

    first = await api.http.post("/v1/messages", json=body, headers=headers)
    again = await api.http.post("/v1/messages", json=body, headers=headers)
    other = await api.http.post("/v1/messages", json=body | {"text": "bye"}, headers=headers)
    event = {"type": "GREETED", "user_id": "ann"}
    elsewhere = await api.http.post("/v1/events", json=event, headers=headers)

    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert await api.problem(other) == (422, "Idempotency-Key")
    assert await api.problem(elsewhere) == (422, "Idempotency-Key")
    assert await api.house.count(events) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "two words"])
async def test_a_wrong_key_is_refused(api: Api, key: str) -> None:
    body = {"type": "GREETED", "user_id": "ann"}

    answer = await api.http.post("/v1/events", json=body, headers={"Idempotency-Key": key})

    assert await api.problem(answer) == (422, "Idempotency-Key")


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"type": "two words"}, 422, "type"),
        ({"type": ""}, 422, "type"),
        ({"user_id": "nobody"}, 404, "user_id"),
        ({"user_id": "a\nb"}, 422, "user_id"),
        ({"data": [1]}, 422, "data"),
        ({"data": {"a": {"b": "\0"}}}, 422, "data.a.b"),
        ({"data": {"a": 2**64}}, 422, "data.a"),
        ({"channel": "DELIVERY_CHANNEL"}, 422, "channel"),
        ({"when": "now"}, 422, "when"),
    ],
)
async def test_a_wrong_event_names_its_field_and_is_not_stored(
    api: Api, change: dict[str, Any], status: int, field: str
) -> None:
    body = {"type": "GREETED", "user_id": "ann"} | change

    answer = await api.http.post("/v1/events", json=body)

    assert await api.problem(answer) == (status, field)
    assert await api.house.count(events) == 0


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b'{"type": "GREETED", "user_id": "ann", "data": {"a": NaN}}',
        b'{"type": "GREETED", "user_id": "ann", "data": {"a": 1e999}}',
        b'{"type": "GREETED", "user_id": "ann", "data": {"a": "\xff"}}',
        b'{"type": "GREETED", "user_id": "ann", "data": {"a": "\\ud800"}}',
        b'{"type": "GREETED", "user_id": "ann", "data": ' + b'{"a":' * 500 + b"1" + b"}" * 501,
    ],
)
async def test_what_is_not_sound_json_is_refused(api: Api, raw: bytes) -> None:
    headers = {"Content-Type": "application/json"}

    answer = await api.http.post("/v1/events", content=raw, headers=headers)

    assert (await api.problem(answer))[0] == 422
    assert await api.house.count(events) == 0


async def test_a_bulk_answers_for_each_event_in_order(api: Api) -> None:
    items = [
        {"type": "GREETED", "user_id": "ann", "id": "a"},
        {"type": "GREETED", "user_id": "nobody"},
        {"type": "GREETED"},
        {"type": "GREETED", "user_id": "ann", "data": {"a": "x" * 262_144}},
        {"type": "GREETED", "user_id": "ann", "id": "b"},
    ]

    answer = await api.http.post("/v1/events/bulk", json={"events": items})

    results = answer.json()["results"]
    assert answer.status_code == 202
    assert [each["status"] for each in results] == [202, 404, 422, 413, 202]
    assert [each.get("event_id") for each in results] == ["a", None, None, None, "b"]
    assert [each.get("field") for each in results] == [None, "user_id", "user_id", "data", None]
    assert await api.house.count(events) == 2


async def test_a_repeated_bulk_is_accepted_once(api: Api) -> None:
    items = [{"type": "GREETED", "user_id": "ann", "data": {"n": n}} for n in range(1_000)]
    headers = {"Idempotency-Key": "x" * 255}

    first = await api.http.post("/v1/events/bulk", json={"events": items}, headers=headers)
    again = await api.http.post("/v1/events/bulk", json={"events": items}, headers=headers)

    assert again.json()["results"] == [
        each | {"replayed": True} for each in first.json()["results"]
    ]
    assert len({each["event_id"] for each in first.json()["results"]}) == 1_000
    assert await api.house.count(events) == 1_000


@pytest.mark.parametrize(
    ("raw", "status", "field"),
    [
        (b'{"events": []}', 422, "events"),
        (b'{"events": [' + b",".join([b"{}"] * 1_001) + b"]}", 422, "events"),
        (b'{"events": [1]}', 422, "events.0"),
        (b" " * (BULK_BYTES + 1), 413, ""),
    ],
)
async def test_a_wrong_bulk_is_refused_as_a_whole(
    api: Api, raw: bytes, status: int, field: str
) -> None:
    headers = {"Content-Type": "application/json"}

    answer = await api.http.post("/v1/events/bulk", content=raw, headers=headers)

    assert await api.problem(answer) == (status, field)


async def test_without_a_database_nothing_is_accepted(api: Api) -> None:
    body = {"type": "GREETED", "user_id": "ann"}
    await api.house.store.aclose()

    answers = [
        await api.http.post("/register?email=bob@example.com"),
        await api.http.post("/v1/events", json=body),
        await api.http.post("/v1/events/bulk", json={"events": [body]}),
    ]

    assert [each.status_code for each in answers] == [503, 503, 503]
    assert all(int(each.headers["retry-after"]) >= 1 for each in answers)


class FaultyStore(SqliteStore):
    """Fails for a reason nobody foresaw, which names what must not be told."""

    async def accept(self, acceptances: Sequence[Acceptance]) -> Sequence[Accepted]:
        raise ValueError("a secret")


async def test_a_fault_of_ours_is_a_problem_without_its_words() -> None:
    body = {"type": "GREETED", "user_id": "ann"}
    store = await FaultyStore.open(None, clock=SystemClock())
    async with open_house(store) as house, client(make_app(house)) as http:
        answers = [
            await http.post("/register?email=bob@example.com"),
            await http.post("/v1/events", json=body),
            await http.post("/v1/events/bulk", json={"events": [body]}),
            await http.post("/v1/messages", json={"to": "bob@example.com", "text": "hi"}),
        ]
    await store.aclose()

    assert {each.status_code for each in answers} == {500}
    assert {each.headers["content-type"] for each in answers} == {"application/problem+json"}
    assert "secret" not in "".join(each.text for each in answers)


async def test_a_message_needs_no_workflow(api: Api) -> None:
    body = {"to": "bob@example.com", "text": "hello"}

    accepted = await api.http.post("/v1/messages", json=body)
    refused = await api.http.post("/v1/messages", json=body | {"to": "bob"})

    assert accepted.status_code == 202
    assert await api.problem(refused) == (422, "to")


async def test_a_workflow_is_published_shown_and_listed(api: Api) -> None:
    put = await api.http.put("/v1/workflows/hello", json=HELLO)
    got = await api.http.get("/v1/workflows/hello")
    listed = await api.http.get("/v1/workflows")

    assert put.status_code == 200
    assert got.json() == put.json()
    steps = [{"expires_after": None, **each} for each in HELLO["steps"]]
    for field, value in (HELLO | {"key": "hello", "once": False, "steps": steps}).items():
        assert got.json()[field] == value, field
    keys = [each["key"] for each in listed.json()["workflows"]]
    assert keys == ["direct", "hello", "welcome"]


@pytest.mark.parametrize(
    ("key", "change", "field"),
    [
        ("hello", {"key": "other"}, "key"),
        ("Hello", {}, "key"),
        ("hello", {"steps": []}, "steps"),
        ("hello", {"steps": [{"kind": "delay", "hours": 1}]}, "steps"),
        ("hello", {"colour": "red"}, "colour"),
        ("hello", {"steps": [*HELLO["steps"], step("email", "hello")]}, "steps.1.template"),
        ("hello", {"steps": [step("emial", "welcome")]}, "steps.0.template"),
    ],
)
async def test_a_wrong_workflow_is_not_published(
    api: Api, key: str, change: dict[str, Any], field: str
) -> None:
    before = await api.house.count(workflows)

    answer = await api.http.put(f"/v1/workflows/{key}", json=HELLO | change)

    status, place = await api.problem(answer)
    assert (status, place.removeprefix("path.")) == (422, field)
    assert await api.house.count(workflows) == before


async def test_an_event_of_another_sender_is_found_by_its_own_id_and_its_source(api: Api) -> None:
    heard = Event(id="7", type="GREETED", source="shop", time=datetime.now(UTC), user_id="ann")
    await api.house.intake.accept_heard(heard, "USER_CHANNEL")

    found = await api.http.get("/v1/events/7?source=shop")

    assert (found.status_code, found.json()["source"]) == (200, "shop")
    assert (await api.http.get("/v1/events/7")).status_code == 404
    assert (await api.http.get("/v1/events/7?source=forum")).status_code == 404


async def test_what_does_not_exist_is_not_found(api: Api) -> None:
    assert (await api.http.get("/v1/events/none")).status_code == 404
    assert (await api.http.get("/v1/workflows/none")).status_code == 404


async def test_the_openapi_has_the_bodies_without_dangling_references(api: Api) -> None:
    document = (await api.http.get("/openapi.json")).json()

    body = document["paths"]["/v1/workflows/{key}"]["put"]["requestBody"]
    schema = body["content"]["application/json"]["schema"]
    assert "$defs" not in json.dumps(document["paths"])
    assert [each["title"] for each in schema["properties"]["steps"]["items"]["oneOf"]] == [
        "ChannelStep",
        "Delay",
    ]
