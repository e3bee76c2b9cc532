"""The pages over HTTP on a whole system in memory."""

import re
from collections.abc import AsyncIterator

import httpx2
import pytest

from tidings.core.models import (
    DEAD_LETTER,
    Content,
    Event,
    Message,
)
from tidings.main import create_app
from tidings.notification_worker import HANDLERS
from tidings.settings import load_settings
from tidings.system import System
from tidings.wiring import open_system

MAIL = "<html><head></head><body><h1>Hello</h1></body></html>"


@pytest.fixture
async def system() -> AsyncIterator[System]:
    async with open_system(load_settings(database_url="sqlite://"), publish=True) as system:
        yield system


@pytest.fixture
async def http(system: System) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=create_app(system))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
        yield http


async def settle(system: System) -> None:
    """Plan and send until nothing is due."""
    while (
        await system.notifications.plan_due(HANDLERS)
        + await system.notifications.resume_due()
        + await system.delivery.work()
        + await system.analytics.fold()
    ):
        pass


def message(
    subject: str | None = "Hello", html: str | None = None, address: str = "ada@example.com"
) -> Message:
    return Message(
        id="0198c0de-0000-7000-8000-000000000000",
        channel="email",
        address=address,
        content=Content(text="Hello Ada", subject=subject, html=html),
        recipient_name="Ada",
    )


async def test_a_registration_is_seen_on_both_pages_and_in_its_story(
    system: System, http: httpx2.AsyncClient
) -> None:
    answer = await http.post("/register", json={"email": "test@example.com"})
    await settle(system)

    outbox = (await http.get("/outbox")).text
    dashboard = (await http.get("/dashboard")).text
    story = (await http.get(f"/dashboard/events/{answer.json()['event_id']}")).text

    assert "test@example.com" in outbox
    assert "1 registration, 1 sent, 0 failed" in dashboard
    assert "REGISTERED_<wbr>USER" in dashboard
    assert re.search(r"rule <code>\w+</code>", story)
    assert "call sent" in story


async def test_a_message_leads_to_the_event_it_came_from(
    system: System, http: httpx2.AsyncClient
) -> None:
    event_id = (await http.post("/register", json={"email": "test@example.com"})).json()["event_id"]
    await settle(system)
    await system.outbox(message())
    (strange, kept) = await system.outbox.recent()

    page = (await http.get(f"/outbox/{kept.id}")).text.replace("&#x2f;", "/")
    other = (await http.get(f"/outbox/{strange.id}")).text

    assert f'<a href="/dashboard/events/{event_id}">Why was this sent?</a>' in page
    assert "Why was this sent?" not in other


async def test_an_event_nobody_listens_to_has_no_workflow_and_is_nowhere_called_planned(
    system: System, http: httpx2.AsyncClient
) -> None:
    await system.users.put("ann", email="ann@example.com", name=None, locale=None)
    event = {"type": "ORDER_PAID", "user_id": "ann", "data": {}}
    event_id = (await http.post("/v1/events", json=event)).json()["event_id"]
    await settle(system)

    pages = [
        (await http.get(path)).text for path in ("/dashboard", f"/dashboard/events/{event_id}")
    ]

    assert [">no workflow<" in page for page in pages] == [True, True]
    assert [">planned<" in page for page in pages] == [False, False]


async def test_registering_again_is_skipped_and_the_dashboard_says_why(
    system: System, http: httpx2.AsyncClient
) -> None:
    for _ in range(2):
        await http.post("/register", json={"email": "test@example.com"})
        await settle(system)
    (skipped, _sent) = await system.notifications.recent(2)
    (run,) = (await system.notifications.explain(skipped.key)).notifications

    dashboard = (await http.get("/dashboard")).text
    story = (await http.get(f"/dashboard/events/{skipped.key}")).text

    assert ">send<" not in story
    assert "1 registration, 1 sent, 0 failed, 1 skipped" in dashboard
    assert run.decisions[-1].reason in dashboard


async def test_dead_letters_are_shown_with_their_reason(
    system: System, http: httpx2.AsyncClient
) -> None:
    letter = Event(
        id="1",
        type=DEAD_LETTER,
        source="tidings:bus",
        time=system.clock.now(),
        data={"bus_channel": "USER_CHANNEL", "entry_id": "1-0", "reason": "not <b>JSON</b>"},
    )
    before = (await http.get("/dashboard")).text
    await system.dead_letters.keep(letter)

    after = (await http.get("/dashboard")).text

    assert "What came to nothing." not in before
    assert "What came to nothing." in after
    assert "not &lt;b&gt;JSON&lt;&#x2f;b&gt;" in after


async def test_a_message_has_a_page_and_its_html_a_cage(
    system: System, http: httpx2.AsyncClient
) -> None:
    await system.outbox(message(html=MAIL))
    (kept,) = await system.outbox.recent()

    page = await http.get(f"/outbox/{kept.id}")
    mail = await http.get(f"/outbox/{kept.id}/html")

    assert f'src="/outbox/{kept.id}/html" sandbox="' in page.text
    assert "allow-scripts" not in page.text
    assert mail.text == MAIL.replace("<head>", '<head><base target="_blank">')
    assert mail.headers["content-security-policy"].startswith("sandbox ")
    assert mail.headers["x-content-type-options"] == "nosniff"


async def test_a_message_without_html_has_no_frame(
    system: System, http: httpx2.AsyncClient
) -> None:
    await system.outbox(message(subject=None))
    (kept,) = await system.outbox.recent()

    assert "<iframe" not in (await http.get(f"/outbox/{kept.id}")).text
    assert (await http.get(f"/outbox/{kept.id}/html")).status_code == 404


async def test_a_search_is_a_post_and_finds_by_address(
    system: System, http: httpx2.AsyncClient
) -> None:
    await system.outbox(message(subject="To Ada"))
    await system.outbox(message(subject="To Grace", address="grace@example.com"))

    page = await http.post("/outbox", data={"q": "GRACE@"})
    part = await http.post("/outbox", data={"q": "grace"}, headers={"HX-Request": "true"})

    assert ("To Grace" in page.text, "To Ada" in page.text) == (True, False)
    assert "1 found" in part.text
    assert ("<html" in page.text, "<html" in part.text) == (True, False)


@pytest.mark.parametrize(
    ("form", "status"),
    [
        (b"q=%00", 422),
        (b"q=%ff", 422),
        (b"\xff", 422),
        (b"q=" + b"x" * 5000, 413),
        (b"&".join([b"a=1"] * 9), 422),
        (b"before=nonsense", 200),
        (b"", 200),
    ],
)
async def test_a_search_that_is_no_text_is_explained(
    http: httpx2.AsyncClient, form: bytes, status: int
) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}

    answer = await http.post("/outbox", content=form, headers=headers)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    "path",
    [
        "/outbox/nothing",
        "/outbox/0198c0de-0000-7000-8000-000000000000",
        "/outbox/0198c0de-0000-7000-8000-000000000000/html",
        "/dashboard/events/nothing",
        "/dashboard/events/0198c0de-0000-7000-8000-000000000000",
        "/static/0000000000000000/tidings.css",
        "/static/%2e%2e/pages/base.html",
    ],
)
async def test_what_does_not_exist_is_a_page_that_says_so(
    http: httpx2.AsyncClient, path: str
) -> None:
    answer = await http.get(path)

    assert answer.status_code == 404
    assert "<h1>Not Found</h1>" in answer.text


@pytest.mark.parametrize("path", ["/dashboard", "/outbox", "/outbox/nothing"])
async def test_pages_run_and_load_nothing_that_is_not_ours(
    http: httpx2.AsyncClient, path: str
) -> None:
    answer = await http.get(path)

    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert not re.search(r"""(src|href|action|connect)=["'](https?:|//)""", answer.text)
    assert not re.search(r"""\s(style|on\w+)=["']""", answer.text)


async def test_static_files_are_kept_for_ever_at_addresses_that_hold_their_hash(
    http: httpx2.AsyncClient,
) -> None:
    page = (await http.get("/dashboard")).text.replace("&#x2f;", "/")
    urls = set(re.findall(r'"(/static/[^"]+)"', page))

    answers = [await http.get(url) for url in sorted(urls)]

    assert len(urls) == 5
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.headers["cache-control"] for answer in answers} == {
        "public, max-age=31536000, immutable"
    }
    assert {answer.headers["content-type"].partition(";")[0] for answer in answers} == {
        "image/svg+xml",
        "text/css",
        "text/javascript",
    }


async def test_the_entrance_leads_to_the_dashboard(http: httpx2.AsyncClient) -> None:
    answer = await http.get("/")

    assert (answer.status_code, answer.headers["location"]) == (307, "/dashboard")


async def test_pages_are_no_part_of_the_openapi_but_the_summary_is(
    http: httpx2.AsyncClient,
) -> None:
    paths = (await http.get("/openapi.json")).json()["paths"]

    assert "/v1/analytics/summary" in paths
    assert not [path for path in paths if path.startswith(("/outbox", "/dashboard", "/static"))]
