"""The Template Service's routes: what they answer, and what they refuse."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from tidings.main import create_app
from tidings.store.schema import templates
from tidings.testing.fake_system import FakeSystem

MAIL = {"subject": "On its way", "text": "Order {{ data.order }}", "html": None}
WORKFLOW = {
    "on": "ORDER_SHIPPED",
    "steps": [{"kind": "channel", "channel": "email", "template": "order"}],
}


@pytest.fixture
async def api(system: FakeSystem) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=create_app(system.services), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def put(api: httpx2.AsyncClient, path: str = "order/email", **body: Any) -> httpx2.Response:
    return await api.put(f"/v1/templates/{path}", json=MAIL | body)


async def versions(system: FakeSystem) -> int:
    query = sa.select(sa.func.count()).select_from(templates)
    return await system.services.store.run(lambda connection: connection.scalar(query) or 0)


async def test_what_is_put_is_shown(api: httpx2.AsyncClient) -> None:
    answer = await put(api, "order/email?locale=pt_br")
    shown = await api.get("/v1/templates/order/email?locale=pt-BR")

    assert [answer.status_code, shown.status_code] == [200, 200]
    assert answer.json() == shown.json()
    version = shown.json().pop("version")
    assert shown.json() == MAIL | {
        "key": "order",
        "channel": "email",
        "locale": "pt-BR",
        "version": version,
    }


async def test_what_is_put_is_what_the_next_message_says(
    api: httpx2.AsyncClient, system: FakeSystem
) -> None:
    await put(api)
    await api.put("/v1/workflows/order", json=WORKFLOW)
    await system.users.put("ann", email="ann@example.com")

    await system.trigger("ORDER_SHIPPED", "ann", {"order": "A-7"})
    await system.settle()
    await put(api, text="New words")
    await system.trigger("ORDER_SHIPPED", "ann")
    await system.settle()

    assert [mail.content.text for mail in system.sent] == ["Order A-7", "New words"]


async def test_pages_lead_through_all_templates(api: httpx2.AsyncClient) -> None:
    whole = (await api.get("/v1/templates")).json()["templates"]
    seen: list[dict[str, Any]] = []
    query: dict[str, str] = {}

    while True:
        page = (await api.get("/v1/templates", params={"limit": "2", **query})).json()
        seen += page["templates"]
        if page["next"] is None:
            break
        query = {"after": page["next"]}

    assert len(seen) > 2
    assert seen == whole
    assert seen[0].keys() == {"key", "channel", "locale", "version"}


async def test_a_template_a_workflow_needs_is_kept(api: httpx2.AsyncClient) -> None:
    await put(api)
    await api.put("/v1/workflows/order", json=WORKFLOW)

    refused = await api.delete("/v1/templates/order/email")
    await put(api, "order/email?locale=de")
    withdrawn = await api.delete("/v1/templates/order/email")
    gone = await api.get("/v1/templates/order/email")

    assert [each.status_code for each in (refused, withdrawn, gone)] == [409, 200, 404]
    assert refused.json()["type"] == "urn:tidings:problem:conflict"
    assert "order can send" in refused.json()["detail"]


async def test_a_template_of_another_channel_is_not_needed(api: httpx2.AsyncClient) -> None:
    await put(api)
    await put(api, "order/sms")
    await api.put("/v1/workflows/order", json=WORKFLOW)

    assert (await api.delete("/v1/templates/order/sms")).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("order/email", {"text": "{{ user.id }"}, "text"),
        ("order/email", {"text": 7}, "text"),
        ("order/email", {"text": None}, "text"),
        ("order/email", {"subject": None}, "subject"),
        ("order/email", {"html": "x" * (1024 * 1024 + 1)}, "html"),
        ("order/email", {"body": "T"}, "body"),
        ("order/email?locale=german", {}, "locale"),
        ("order/e-mail", {}, "path.channel"),
        ("Order/email", {}, "path.key"),
    ],
)
async def test_the_field_at_fault_is_named_and_nothing_is_stored(
    api: httpx2.AsyncClient, system: FakeSystem, path: str, body: dict[str, Any], field: str
) -> None:
    before = await versions(system)

    answer = await put(api, path, **body)

    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert await versions(system) == before


async def test_a_body_above_the_limit_is_refused(api: httpx2.AsyncClient) -> None:
    assert (await put(api, text="x" * 5_000_000)).status_code == 413


@pytest.mark.parametrize(
    "query", ["after=welcome", "after=a/b", "after=//", "after=a/sms/x/y", "limit=0", "limit=101"]
)
async def test_a_page_that_can_not_be_is_refused(api: httpx2.AsyncClient, query: str) -> None:
    answer = await api.get(f"/v1/templates?{query}")

    assert answer.status_code == 422
    assert answer.json()["field"].split(".")[-1] == query.partition("=")[0]
