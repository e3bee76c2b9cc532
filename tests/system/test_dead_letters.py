"""Dead letters of a whole system: found, mended, replayed, and nothing delivered twice by it."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from tidings.core import cloudevents
from tidings.core.dead_letters import dead_letter
from tidings.core.errors import AddressRejected, Conflict, InvalidInput, NotFound, PermanentError
from tidings.core.ids import Ids
from tidings.core.models import Event
from tidings.store.schema import deliveries
from tidings.testing.fake_system import FakeSystem


async def fail(system: FakeSystem, count: int = 1) -> list[str]:
    """So many welcomes are refused for good; the addresses."""
    system.provider.script([PermanentError("554 no spam please")] * count)
    addresses = [f"user{number}@example.com" for number in range(count)]
    for address in addresses:
        await system.register(address)
    await system.settle()
    return addresses


async def the_letter(system: FakeSystem) -> tuple[str, str]:
    """Kind and id of the only dead letter."""
    (letter,) = (await system.dead_letters.list()).dead_letters
    return letter.kind, letter.id


async def the_first(system: FakeSystem) -> tuple[str, str]:
    """Kind and id of the newest."""
    letter, *_ = (await system.dead_letters.list()).dead_letters
    return letter.kind, letter.id


async def change(system: FakeSystem, delivery_id: str, **values: Any) -> None:
    def update(connection: sa.Connection) -> None:
        which = deliveries.c.id == delivery_id
        connection.execute(sa.update(deliveries).where(which).values(values))

    await system.services.store.run(update)


def buried(entry: Event | str, reason: str = "nobody took it") -> Event:
    return dead_letter(
        bus_channel="USER_CHANNEL",
        group="notification",
        entry_id=f"{abs(hash(str(entry)))}-0",
        reason=reason,
        entry=entry,
        at=datetime.now(UTC),
    )


def foreign(user_id: str) -> Event:
    return Event(
        id=Ids().new(), type="ORDERED", source="shop", time=datetime.now(UTC), user_id=user_id
    )


async def test_a_replayed_delivery_is_delivered_once_and_its_story_tells_why(
    system: FakeSystem,
) -> None:
    (address,) = await fail(system)
    kind, letter_id = await the_letter(system)
    (letter,) = (await system.dead_letters.list()).dead_letters
    assert (letter.channel, letter.reason) == ("email", "554 no spam please")

    await system.dead_letters.replay(kind, letter_id)
    await system.settle()

    system.assert_sent(to=address)
    assert (await system.dead_letters.list()).dead_letters == []
    with pytest.raises(Conflict, match="its state is sent"):
        await system.dead_letters.replay(kind, letter_id, in_doubt=True)
    story = await system.explain(letter.event_id or "")
    (run,) = story.notifications
    assert run.decisions[-1].rule == "replayed"
    assert "554 no spam please" in run.decisions[-1].reason
    audit = await system.services.audit.list(limit=10)
    assert f"replay delivery {letter_id}" in [each.action for each in audit]


async def test_a_replay_to_an_address_that_was_refused_for_good_says_so(system: FakeSystem) -> None:
    system.provider.script([AddressRejected("550 no such user")])
    event_id = await system.register("ann@example.com")
    await system.settle()

    await system.dead_letters.replay(*await the_letter(system))

    (run,) = (await system.settled(event_id)).notifications
    (delivery,) = run.deliveries
    assert (delivery.state, delivery.rule) == ("suppressed", "address_gone")
    assert "refused the email address for good" in str(delivery.reason)


async def test_what_is_in_doubt_is_refused_unless_asked_for_explicitly(
    system: FakeSystem, http: httpx2.AsyncClient
) -> None:
    (address,) = await fail(system)
    _, letter_id = await the_letter(system)
    await change(system, letter_id, doubt=True)
    path = f"/v1/dead-letters/delivery/{letter_id}/replay"

    refused = await http.post(path)
    left = await http.post("/v1/dead-letters/replay", json={"all": True})
    asked = await http.post(path, json={"in_doubt": True})
    await system.settle()

    assert (refused.status_code, "may have been delivered" in refused.text) == (409, True)
    assert left.json() == {"replayed": 0, "left": 0, "in_doubt": 1, "next": None}
    assert asked.json() == {"kind": "delivery", "id": letter_id}
    system.assert_sent(to=address)


async def test_counting_first_tells_how_many_are_left_out_in_doubt(system: FakeSystem) -> None:
    await fail(system, 3)
    _, doubtful = await the_first(system)
    await change(system, doubtful, doubt=True)

    counted = await system.dead_letters.replay_all(dry_run=True)
    with_them = await system.dead_letters.replay_all(dry_run=True, in_doubt=True)
    done = await system.dead_letters.replay_all()

    assert (counted.replayed, counted.in_doubt) == (done.replayed, done.in_doubt) == (2, 1)
    assert (with_them.replayed, with_them.in_doubt) == (3, 0)
    assert await the_letter(system) == ("delivery", doubtful)


async def test_an_entry_of_the_bus_is_accepted_once_what_it_needed_is_there(
    system: FakeSystem,
) -> None:
    event = foreign("ann")
    await system.dead_letters.keep(buried(event))
    kind, letter_id = await the_letter(system)

    with pytest.raises(Conflict, match="there is no user ann"):
        await system.dead_letters.replay(kind, letter_id)
    await system.users.put("ann", email="ann@example.com", name=None, locale=None)
    await system.dead_letters.replay(kind, letter_id)

    assert (await system.explain(event.key)).type == "ORDERED"
    assert (await system.dead_letters.list()).dead_letters == []
    with pytest.raises(Conflict, match="replayed"):
        await system.dead_letters.replay(kind, letter_id)


@pytest.mark.parametrize("entry", ["{broken", "[]", '{"specversion": "1.0"}'])
async def test_an_entry_that_can_not_be_read_says_so_and_stays(
    system: FakeSystem, entry: str
) -> None:
    await system.dead_letters.keep(buried(entry))
    kind, letter_id = await the_letter(system)

    with pytest.raises(Conflict, match="can't be accepted: "):
        await system.dead_letters.replay(kind, letter_id)
    done = await system.dead_letters.replay_all()

    assert (done.replayed, done.left, done.next) == (0, 1, None)
    assert await the_letter(system) == (kind, letter_id)


async def test_an_entry_whose_event_came_by_another_way_is_no_second_event(
    system: FakeSystem,
) -> None:
    await system.users.put("ann", email="ann@example.com", name=None, locale=None)
    event = foreign("ann")
    await system.services.intake.accept_heard(event, "USER_CHANNEL")
    await system.dead_letters.keep(buried(cloudevents.encode(event).decode()))

    done = await system.dead_letters.replay_all()

    assert done.replayed == 1
    assert len(await system.services.notifications.recent(10)) == 1


async def test_two_operators_who_replay_everything_at_once_deliver_each_once(
    system: FakeSystem, http: httpx2.AsyncClient
) -> None:
    addresses = await fail(system, 60)

    answers = await asyncio.gather(
        *[http.post("/v1/dead-letters/replay", json={"workflow": "welcome"}) for _ in range(4)]
    )
    await system.settle()

    assert sum(each.json()["replayed"] for each in answers) == 60
    assert sorted(message.address for message in system.sent) == sorted(addresses)


async def test_counting_first_replays_nothing(system: FakeSystem) -> None:
    await fail(system, 3)

    counted = await system.dead_letters.replay_all(dry_run=True)

    assert (counted.replayed, counted.next) == (3, None)
    assert len((await system.dead_letters.list()).dead_letters) == 3


async def test_counting_first_answers_what_the_replay_will(system: FakeSystem) -> None:
    await fail(system, 3)
    off, doubtful, _ = [each.id for each in (await system.dead_letters.list()).dead_letters]
    await change(system, off, cancelled_at=datetime.now(UTC), doubt=True)
    await change(system, doubtful, doubt=True)
    for entry in ("{broken", cloudevents.encode(foreign("nobody")).decode()):
        await system.dead_letters.keep(buried(entry))

    counted = await system.dead_letters.replay_all(dry_run=True)
    done = await system.dead_letters.replay_all()

    assert counted == done
    assert (done.replayed, done.left, done.in_doubt) == (1, 3, 1)


async def test_what_was_called_off_is_told_so_and_no_replay_of_it_is_offered(
    system: FakeSystem, http: httpx2.AsyncClient
) -> None:
    await fail(system)
    kind, letter_id = await the_letter(system)
    await change(system, letter_id, cancelled_at=datetime.now(UTC))

    refused = await http.post(f"/v1/dead-letters/{kind}/{letter_id}/replay")
    (listed,) = (await http.get("/v1/dead-letters")).json()["dead_letters"]
    story = f"/dashboard/events/{listed['event_id']}"
    pages = [
        await http.get(path)
        for path in ("/dead-letters", f"/dead-letters/{kind}/{letter_id}", story)
    ]

    assert (refused.status_code, "was called off: it is never" in refused.text) == (409, True)
    assert (listed["called_off"], listed["taken"]) == (True, False)
    assert ["called off" in page.text for page in pages] == [True, True, True]
    assert "Replay it now" not in pages[1].text


async def test_they_are_listed_inspected_and_paged_over_http(
    system: FakeSystem, http: httpx2.AsyncClient
) -> None:
    await fail(system, 3)
    await system.dead_letters.keep(buried("{broken"))

    first = (await http.get("/v1/dead-letters", params={"limit": 3})).json()
    rest = (await http.get("/v1/dead-letters", params={"before": first["next"]})).json()
    found = (await http.get("/v1/dead-letters?kind=delivery&reason=SPAM&in_doubt=false")).json()
    letter = found["dead_letters"][0]
    inspected = (await http.get(f"/v1/dead-letters/delivery/{letter['id']}")).json()

    assert [len(first["dead_letters"]), len(rest["dead_letters"])] == [3, 1]
    assert rest["next"] is None
    assert len(found["dead_letters"]) == 3
    assert inspected["details"]["address"].endswith("@example.com")
    assert [each["outcome"] for each in inspected["attempts"]] == ["permanent"]
    assert letter["at"].endswith("Z")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/v1/dead-letters?before=nonsense", None, 422),
        ("GET", "/v1/dead-letters?kind=letter", None, 422),
        ("GET", "/v1/dead-letters/delivery/0198c0de-0000-7000-8000-000000000000", None, 404),
        ("GET", "/v1/dead-letters/delivery/nonsense", None, 422),
        ("POST", "/v1/dead-letters/event/0198c0de-0000-7000-8000-000000000000/replay", None, 404),
        ("POST", "/v1/dead-letters/replay", {}, 422),
        ("POST", "/v1/dead-letters/replay", {"in_doubt": True, "dry_run": True}, 422),
        ("POST", "/v1/dead-letters/replay", {"all": True, "colour": "red"}, 422),
    ],
)
async def test_what_makes_no_sense_is_refused(
    http: httpx2.AsyncClient, method: str, path: str, body: dict[str, Any] | None, status: int
) -> None:
    assert (await http.request(method, path, json=body)).status_code == status


async def test_in_process_nonsense_is_refused_alike(system: FakeSystem) -> None:
    with pytest.raises(InvalidInput, match="kind"):
        await system.dead_letters.list(kind="letter")
    with pytest.raises(NotFound):
        await system.dead_letters.get("delivery", "nonsense")
    with pytest.raises(NotFound):
        await system.dead_letters.replay("event", Ids().new())
