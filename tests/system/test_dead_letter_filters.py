"""What dead letters are found by: bounded, on one line, and alike for API, page and Python."""

from typing import Any

import httpx2
import pytest

from tests.system.test_dead_letters import fail
from tidings.core.errors import InvalidInput
from tidings.testing.fake_system import FakeSystem


@pytest.mark.parametrize(
    ("field", "limit"),
    [("channel", 100), ("workflow", 100), ("provider", 100), ("user_id", 255), ("reason", 255)],
)
async def test_what_is_looked_for_is_no_longer_than_what_there_can_be(
    system: FakeSystem, http: httpx2.AsyncClient, field: str, limit: int
) -> None:
    most, too_much = {field: "a" * limit}, {field: "a" * (limit + 1)}

    taken = [
        await http.get("/v1/dead-letters", params=most),
        await http.post("/v1/dead-letters/replay", json=most),
        await http.get("/dead-letters", params=most),
    ]
    refused = [
        await http.get("/v1/dead-letters", params=too_much),
        await http.post("/v1/dead-letters/replay", json=too_much),
    ]
    pages = [
        await http.get("/dead-letters", params=too_much),
        await http.post("/dead-letters", data=too_much),
        await http.post("/dead-letters/replay", data=too_much),
    ]

    assert [each.status_code for each in taken] == [200] * 3
    assert [each.status_code for each in refused] == [422] * 2
    assert [each.json()["field"] for each in refused] == [f"query.{field}", field]
    assert [each.status_code for each in pages] == [422] * 3
    for page in pages:
        assert f"{field}: must have at most {limit} characters" in page.text
        assert "To the dead letters" in page.text
    with pytest.raises(InvalidInput, match=field):
        await system.dead_letters.list(**too_much)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("kind", "\0"),
        ("channel", "\x1f"),
        ("workflow", "a\nb"),
        ("provider", "\x85"),
        ("user_id", "\x7f"),
        ("reason", "\0"),
        ("reason", "\u2028"),
        ("reason", ""),
    ],
)
async def test_words_that_can_name_nothing_are_refused_and_replay_nothing(
    system: FakeSystem, http: httpx2.AsyncClient, field: str, words: str
) -> None:
    await fail(system)
    asked: dict[str, Any] = {field: words}

    listed = await http.get("/v1/dead-letters", params=asked)
    replayed = await http.post("/v1/dead-letters/replay", json=asked)
    pages = [
        await http.get("/dead-letters", params=asked),
        await http.post("/dead-letters", data=asked),
        await http.post("/dead-letters/replay", data=asked),
    ]

    assert (listed.status_code, listed.json()["field"]) == (422, f"query.{field}")
    assert (replayed.status_code, replayed.json()["field"]) == (422, field)
    assert pages[-1].status_code == 422
    if words:  # the form that filters has every field, given or not
        assert [(each.status_code, f"{field}: " in each.text) for each in pages] == [
            (422, True)
        ] * 3
    for ask in (system.dead_letters.list, system.dead_letters.replay_all):
        with pytest.raises(InvalidInput, match=field):
            await ask(**asked)
    assert len((await system.dead_letters.list()).dead_letters) == 1


async def test_those_of_one_user_are_found_and_replayed_alone(
    system: FakeSystem, http: httpx2.AsyncClient
) -> None:
    await fail(system, 3)
    _, chosen, _ = (await system.dead_letters.list()).dead_letters
    asked = {"user_id": chosen.user_id}

    listed = (await http.get("/v1/dead-letters", params=asked)).json()["dead_letters"]
    page = await http.post("/dead-letters", data=asked)
    replayed = await http.post("/v1/dead-letters/replay", json=asked)

    assert [each["id"] for each in listed] == [chosen.id]
    assert page.text.count("/dead-letters/delivery/") == 1
    assert f'name="user_id" type="search" value="{chosen.user_id}"' in page.text
    assert replayed.json() == {"replayed": 1, "left": 0, "in_doubt": 0, "next": None}
    left = (await system.dead_letters.list()).dead_letters
    assert chosen.id not in [each.id for each in left]
    assert len(left) == 2


@pytest.mark.parametrize("field", ["since", "until"])
@pytest.mark.parametrize(
    "moment",
    [
        "1",
        1,
        "2026-01-31",
        "2026-01-31T12:00:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
    ],
)
async def test_a_time_that_no_database_can_tell_is_refused_alike(
    http: httpx2.AsyncClient, field: str, moment: object
) -> None:
    listed = await http.get("/v1/dead-letters", params={field: str(moment)})
    replayed = await http.post("/v1/dead-letters/replay", json={field: moment})

    assert (listed.status_code, listed.json()["field"]) == (422, f"query.{field}")
    assert (replayed.status_code, replayed.json()["field"]) == (422, field)


@pytest.mark.parametrize("field", ["since", "until"])
async def test_a_replay_takes_a_time_as_the_list_does(
    system: FakeSystem, http: httpx2.AsyncClient, field: str
) -> None:
    await fail(system)
    moment = {"since": "2000-01-01T00:00:00Z", "until": "9999-01-01T00:00:00+02:00"}[field]

    listed = await http.get("/v1/dead-letters", params={field: moment})
    replayed = await http.post("/v1/dead-letters/replay", json={field: moment})

    assert len(listed.json()["dead_letters"]) == 1
    assert replayed.json()["replayed"] == 1


async def test_the_audit_tells_by_what_many_were_found_but_no_words_of_a_reason(
    system: FakeSystem,
) -> None:
    await system.dead_letters.replay_all(reason="ann@example.com", kind="delivery")

    (entry,) = await system.services.audit.list(limit=10)
    assert entry.action == "replay dead letters: kind=delivery, by reason, none in doubt"
