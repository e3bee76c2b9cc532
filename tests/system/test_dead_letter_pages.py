"""The pages of the dead letters: who may replay, and what is told of it."""

import re
from base64 import urlsafe_b64encode

import httpx2
import pytest

from tests.system.test_dead_letters import change, fail, the_first, the_letter
from tidings.core.keys import Scope
from tidings.testing.fake_system import FakeSystem

PAGE = {"Accept": "text/html"}


async def sign_in(system: FakeSystem, http: httpx2.AsyncClient, scope: Scope) -> str:
    """Sign in to the pages with a key of that scope; who that is."""
    keys = system.services.keys
    await keys.create("root", [Scope.ADMIN], by="a test")
    made = await keys.create(f"for {scope}", [scope], by="a test")
    await http.post("/login", data={"key": made.token})
    return f"key {made.key.id} (for {scope})"


async def test_an_admins_session_replays_on_the_page_and_is_written_down(
    system: FakeSystem, http: httpx2.AsyncClient
) -> None:
    (address,) = await fail(system)
    who = await sign_in(system, http, Scope.ADMIN)
    kind, letter_id = await the_letter(system)

    page = await http.get(f"/dead-letters/{kind}/{letter_id}", headers=PAGE)
    foreign_page = await http.post(
        f"/dead-letters/{kind}/{letter_id}/replay", headers={"Sec-Fetch-Site": "cross-site"}
    )
    done = await http.post(f"/dead-letters/{kind}/{letter_id}/replay")
    again = await http.post(f"/dead-letters/{kind}/{letter_id}/replay")
    await system.settle()

    assert "Replay it now" in page.text
    assert foreign_page.status_code == 401
    assert (done.status_code, done.headers["location"]) == (303, "/dead-letters")
    assert again.status_code == 409
    system.assert_sent(to=address)
    assert {each.actor for each in await system.services.audit.list(limit=20)} == {who}


async def test_what_a_replay_did_is_told_once_and_a_reload_asks_for_nothing_again(
    system: FakeSystem, http: httpx2.AsyncClient
) -> None:
    addresses = await fail(system, 3)
    _, doubtful = await the_first(system)
    await change(system, doubtful, doubt=True)

    done = await http.post("/dead-letters/replay", data={"reason": "no spam", "before": ""})
    first = await http.get(done.headers["location"])
    reloaded = await http.get(done.headers["location"])
    await system.settle()

    assert (done.status_code, done.headers["location"]) == (303, "/dead-letters")
    assert "2 replayed. 1 left out because they may have been delivered" in first.text
    assert 'value="no spam"' in first.text
    assert (reloaded.status_code, "replayed." in reloaded.text) == (200, False)
    assert len(system.sent) == len(addresses) - 1


@pytest.mark.parametrize(
    "notice",
    [
        b"nonsense",
        b"{}",
        b'{"replayed": "<b>"}',
        b'{"replayed": 1, "fields": {"kind": "letter"}}',
        b'{"replayed": 1, "fields": {"reason": "\\u0000"}}',
    ],
)
async def test_a_notice_that_is_none_is_not_told_and_forgotten(
    http: httpx2.AsyncClient, notice: bytes
) -> None:
    cookie = urlsafe_b64encode(notice).decode()

    page = await http.get("/dead-letters", headers={"Cookie": f"tidings_replayed={cookie}"})

    assert (page.status_code, "replayed." in page.text) == (200, False)
    assert 'tidings_replayed=""' in page.headers["set-cookie"]
    assert "Max-Age=0" in page.headers["set-cookie"]


async def test_a_replay_that_is_not_at_its_end_goes_on_from_the_page_it_leads_back_to(
    system: FakeSystem, http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidings.notifications.dead_letters.BATCH", 2)
    await fail(system, 3)
    more = re.compile('name="(reason|before)" value="([^"]+)"')

    done = await http.post("/dead-letters/replay", data={"reason": "spam"})
    page = await http.get(done.headers["location"])
    form = page.text[page.text.index("/dead-letters/replay") : page.text.index("go on replaying")]
    await http.post("/dead-letters/replay", data=dict(more.findall(form)))

    assert "2 replayed." in page.text
    assert dict(more.findall(form))["reason"] == "spam"
    assert (await system.dead_letters.list()).dead_letters == []


async def test_a_readers_session_sees_them_and_may_not_replay(
    system: FakeSystem, http: httpx2.AsyncClient
) -> None:
    await fail(system)
    await sign_in(system, http, Scope.READ)
    kind, letter_id = await the_letter(system)

    listed = await http.get("/dead-letters", headers=PAGE)
    found = await http.post("/dead-letters", data={"reason": "spam"})
    refused = [
        await http.post(f"/dead-letters/{kind}/{letter_id}/replay"),
        await http.post("/dead-letters/replay", data={"kind": "delivery"}),
    ]

    assert (listed.status_code, found.status_code) == (200, 200)
    assert "554 no spam please" in found.text
    assert "Replay all" not in listed.text
    assert "scope <code>admin</code>" in listed.text
    assert [each.status_code for each in refused] == [403, 403]
    assert len((await system.dead_letters.list()).dead_letters) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:3000"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://["},
    ],
)
async def test_without_keys_a_page_of_another_site_replays_nothing(
    system: FakeSystem, http: httpx2.AsyncClient, headers: dict[str, str]
) -> None:
    await fail(system)

    refused = await http.post("/dead-letters/replay", headers=headers)

    assert refused.status_code == 403
    assert len((await system.dead_letters.list()).dead_letters) == 1
