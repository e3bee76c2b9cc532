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


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"worklow": "nothing-like-this"}, "worklow"),
        ({"workflow": "welcome", "in_doubt": "false"}, "in_doubt"),
        ({"all": "no"}, "all"),
        ({"all": "yes", "workflow": "welcome"}, "all"),
        ({"workflow": " "}, "workflow"),
        ({"before": ""}, "all"),
        ({"in_doubt": "yes"}, "all"),
        ({}, "all"),
    ],
)
async def test_a_form_that_the_page_would_not_send_replays_nothing(
    system: FakeSystem, http: httpx2.AsyncClient, form: dict[str, str], field: str
) -> None:
    await fail(system, 2)
    for letter in (await system.dead_letters.list()).dead_letters:
        await change(system, letter.id, doubt=True)

    refused = await http.post("/dead-letters/replay", data=form)

    assert refused.status_code == 422
    assert field in refused.text
    assert len((await system.dead_letters.list()).dead_letters) == 2


@pytest.mark.parametrize("form", [{"in_doubt": "false"}, {"in_dubt": "yes"}, {"workflow": "x"}])
async def test_a_form_for_one_letter_holds_nothing_but_the_tick(
    system: FakeSystem, http: httpx2.AsyncClient, form: dict[str, str]
) -> None:
    await fail(system)
    kind, letter_id = await the_letter(system)
    await change(system, letter_id, doubt=True)

    refused = await http.post(f"/dead-letters/{kind}/{letter_id}/replay", data=form)
    ticked = await http.post(f"/dead-letters/{kind}/{letter_id}/replay", data={"in_doubt": "yes"})

    assert (refused.status_code, ticked.status_code) == (422, 303)


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x", ""])
async def test_what_is_no_form_is_refused(
    system: FakeSystem, http: httpx2.AsyncClient, kind: str
) -> None:
    await fail(system)

    refused = [
        await http.post(path, content=b"all=yes", headers={"Content-Type": kind})
        for path in ("/dead-letters/replay", "/dead-letters", "/outbox", "/login")
    ]

    assert [each.status_code for each in refused] == [422] * 4
    assert len((await system.dead_letters.list()).dead_letters) == 1


async def test_the_pages_own_form_replays_every_dead_letter(
    system: FakeSystem, http: httpx2.AsyncClient
) -> None:
    await fail(system, 2)
    page = await http.get("/dead-letters")
    own = re.search('name="(all)" value="([^"]+)"', page.text)
    assert own is not None

    done = await http.post("/dead-letters/replay", data={own[1]: own[2]})

    assert done.status_code == 303
    assert (await system.dead_letters.list()).dead_letters == []


async def test_the_filter_refuses_what_is_none(http: httpx2.AsyncClient) -> None:
    refused = await http.post("/dead-letters", data={"worklow": "welcome"})

    assert refused.status_code == 422
