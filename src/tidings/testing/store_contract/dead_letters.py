"""The dead letters: listed newest first, and replayed once, whoever asks."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from tidings.core.errors import InvalidInput
from tidings.core.models import DEAD_LETTER, DeliveryState, NotificationState
from tidings.core.policy import OnUnknown, SendPolicy
from tidings.core.ports import Store
from tidings.core.work import Acceptance, Claimed, Outcome
from tidings.store import schema
from tidings.store.dead_letter_rows import DeadLetter, Kind, Place, Wanted
from tidings.store.dead_letters import DeadLetters
from tidings.testing.clock import MovableClock
from tidings.testing.store_contract.case import CLOCK_TOLERANCE, StoreCase
from tidings.testing.store_contract.given import (
    a_plan,
    add_delivery,
    add_event,
    add_user,
    an_event,
    claim,
    claim_one,
    plan,
    row,
    rows,
)

#: seconds after which parallel work counts as locked up
_PATIENCE = 60.0
_EVERYTHING = Wanted()


class DeadLetterContract(StoreCase):
    """What the dead letters must do on every store."""

    @pytest.fixture
    def letters(self, store: Store, clock: MovableClock) -> DeadLetters:
        """The dead letters of a fresh database."""
        return DeadLetters(store, clock=clock)

    async def test_an_entry_of_the_bus_is_kept_once_with_what_it_held(
        self, store: Store, letters: DeadLetters
    ) -> None:
        event = an_event(store, type=DEAD_LETTER, source="tidings:bus", data=a_burial())

        await letters.keep(event)
        await letters.keep(event)

        (kept,) = await letters.find(_EVERYTHING, limit=10)
        assert (kept.kind, kept.id, kept.bus_channel) == ("bus_entry", event.key, "USER_CHANNEL")
        assert (kept.reason, kept.in_doubt) == ("the event is not JSON", False)
        inspected = await letters.inspect(Kind.BUS_ENTRY, kept.id)
        assert inspected is not None
        assert (inspected.details["entry_id"], inspected.details["entry"]) == ("1-0", "{broken")

    async def test_what_a_stranger_left_out_of_a_burial_is_empty(
        self, store: Store, letters: DeadLetters
    ) -> None:
        await letters.keep(an_event(store, type=DEAD_LETTER, data={}))

        (kept,) = await letters.find(_EVERYTHING, limit=10)
        assert (kept.bus_channel, kept.reason) == ("", "")

    async def test_every_kind_is_in_one_list_newest_first_page_after_page(
        self, store: Store, letters: DeadLetters, clock: MovableClock
    ) -> None:
        for _ in range(2):
            await one_of_each(store, letters, clock)

        whole = await letters.find(_EVERYTHING, limit=100)
        pages, before = [], None
        while page := await letters.find(_EVERYTHING, limit=3, before=before):
            pages.append(page)
            before = Place.read(Place.of(page[-1]).cursor)

        assert [len(page) for page in pages] == [3, 3, 2]
        assert [each for page in pages for each in page] == list(whole)
        assert [each.at for each in whole] == sorted((each.at for each in whole), reverse=True)
        assert {each.kind for each in whole} == set(Kind)

    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            (Wanted(), {Kind.EVENT, Kind.NOTIFICATION, Kind.DELIVERY, Kind.BUS_ENTRY}),
            (Wanted(kind=Kind.EVENT), {Kind.EVENT}),
            (Wanted(channel="email"), {Kind.DELIVERY}),
            (Wanted(channel="sms"), set()),
            (Wanted(workflow="welcome"), {Kind.NOTIFICATION, Kind.DELIVERY}),
            (Wanted(workflow="other"), set()),
            (Wanted(provider="smtp"), {Kind.DELIVERY}),
            (Wanted(user_id="ada"), {Kind.EVENT, Kind.NOTIFICATION, Kind.DELIVERY}),
            (Wanted(user_id="bob"), set()),
            (Wanted(reason="NO such"), {Kind.DELIVERY}),
            (Wanted(reason="100%"), set()),
            (Wanted(in_doubt=True), set()),
            (
                Wanted(in_doubt=False),
                {Kind.EVENT, Kind.NOTIFICATION, Kind.DELIVERY, Kind.BUS_ENTRY},
            ),
        ],
    )
    async def test_they_are_found_by_what_they_are(
        self,
        store: Store,
        letters: DeadLetters,
        clock: MovableClock,
        wanted: Wanted,
        found: set[Kind],
    ) -> None:
        await one_of_each(store, letters, clock)

        assert {each.kind for each in await letters.find(wanted, limit=10)} == found

    async def test_they_are_found_by_time(
        self, store: Store, letters: DeadLetters, clock: MovableClock
    ) -> None:
        await a_failure(store)
        clock.advance(days=1)
        await a_failure(store)
        (later, earlier) = await letters.find(_EVERYTHING, limit=10)

        assert list(await letters.find(Wanted(since=later.at), limit=10)) == [later]
        assert list(await letters.find(Wanted(until=later.at), limit=10)) == [earlier]

    @pytest.mark.parametrize("cursor", ["", "x", "1-2", "9" * 17 + "-" + "0" * 36, "1-" + "0" * 36])
    async def test_a_cursor_of_nonsense_is_refused(self, cursor: str) -> None:
        with pytest.raises(InvalidInput):
            Place.read(cursor)

    async def test_a_delivery_is_inspected_with_its_calls(
        self, store: Store, letters: DeadLetters
    ) -> None:
        failed = await a_failure(store)

        inspected = await letters.inspect(Kind.DELIVERY, failed.id)

        assert inspected is not None
        assert inspected.details["address"] == "ada@example.com"
        assert inspected.letter.rule == "gave_up"
        assert [each["epoch"] for each in inspected.attempts] == []

    async def test_a_replayed_delivery_is_due_again_and_its_notification_tells_of_it(
        self, store: Store, letters: DeadLetters, clock: MovableClock
    ) -> None:
        failed = await a_failure(store)
        clock.advance(hours=1)

        assert await letters.replay(Kind.DELIVERY, [failed.id], by="key k1 (ops)") == 1

        stored = await row(store, schema.deliveries)
        assert (stored["state"], stored["tries"], stored["lapses"]) == ("pending", 0, 0)
        assert (stored["reason"], stored["rule"], stored["epoch"]) == (None, None, failed.epoch)
        assert abs(stored["due_at"] - clock.now()) < CLOCK_TOLERANCE
        told = (await row(store, schema.notifications))["decisions"][-1]
        assert (told["rule"], told["step"], told["channel"]) == ("replayed", 0, "email")
        assert "key k1 (ops)" in told["reason"]
        assert "no such mailbox" in told["reason"]
        assert (await claim_one(store)).epoch == failed.epoch + 1
        assert await letters.find(_EVERYTHING, limit=10) == []

    @pytest.mark.parametrize("policy", [SendPolicy(), SendPolicy(on_unknown=OnUnknown.CHECK)])
    async def test_the_age_of_a_replayed_delivery_counts_from_the_replay(
        self, store: Store, letters: DeadLetters, clock: MovableClock, policy: SendPolicy
    ) -> None:
        await add_delivery(store, policy=policy)
        (failed,) = await fail_all(store, await claim(store))
        clock.advance(days=30)

        await letters.replay(Kind.DELIVERY, [failed], by="a test")

        again = await claim_one(store)
        assert again.policy.replayed_at is not None
        assert abs(again.policy.replayed_at - clock.now()) < CLOCK_TOLERANCE
        assert replace(again.policy, replayed_at=None) == policy

    async def test_a_replayed_event_and_a_replayed_notification_are_planned_again(
        self, store: Store, letters: DeadLetters, clock: MovableClock
    ) -> None:
        await one_of_each(store, letters, clock)
        found = {each.kind: each.id for each in await letters.find(_EVERYTHING, limit=10)}

        done = [
            await letters.replay(kind, [found[kind]], by="a test")
            for kind in (Kind.EVENT, Kind.NOTIFICATION)
        ]

        assert done == [1, 1]
        event = await row(store, schema.events, id=found[Kind.EVENT])
        assert (event["state"], event["tries"], event["reason"]) == ("due", 0, None)
        run = await row(store, schema.notifications, id=found[Kind.NOTIFICATION])
        assert (run["state"], run["tries"], run["reason"]) == ("waiting", 0, None)
        assert run["decisions"][-1]["rule"] == "replayed"
        now = clock.now()
        assert all(abs(each["due_at"] - now) < CLOCK_TOLERANCE for each in (event, run))

    @pytest.mark.parametrize("state", ["sent", "delivered", "suppressed", "cancelled", "pending"])
    async def test_what_did_not_fail_is_never_replayed(
        self, store: Store, letters: DeadLetters, state: str
    ) -> None:
        failed = await a_failure(store)
        await change(store, schema.deliveries, state=state)

        assert await letters.replay(Kind.DELIVERY, [failed.id], by="a test", in_doubt=True) == 0
        assert (await row(store, schema.deliveries))["state"] == state

    @pytest.mark.parametrize("doubt", [{"doubt": True}, {"state": "held"}])
    async def test_what_is_in_doubt_is_replayed_only_where_that_is_asked_for(
        self, store: Store, letters: DeadLetters, doubt: dict[str, Any]
    ) -> None:
        failed = await a_failure(store)
        await change(store, schema.deliveries, **doubt)

        (letter,) = await letters.find(Wanted(in_doubt=True), limit=10)
        left = await letters.replay(Kind.DELIVERY, [failed.id], by="a test")
        asked = await letters.replay(Kind.DELIVERY, [failed.id], by="a test", in_doubt=True)

        assert (letter.in_doubt, left, asked) == (True, 0, 1)
        assert await letters.find(Wanted(in_doubt=False), limit=10) == []
        assert (await row(store, schema.deliveries))["state"] == "pending"

    @pytest.mark.parametrize("table", ["deliveries", "notifications", "events"])
    async def test_what_was_called_off_is_not_replayed(
        self, store: Store, letters: DeadLetters, clock: MovableClock, table: str
    ) -> None:
        failed = await a_failure(store)
        off = {"cancelled_at": clock.now()} if table == "deliveries" else {"state": "cancelled"}
        await change(store, schema.metadata.tables[table], **off)

        assert await letters.replay(Kind.DELIVERY, [failed.id], by="a test") == 0
        (listed,) = await letters.find(_EVERYTHING, limit=10)
        inspected = await letters.inspect(Kind.DELIVERY, failed.id)
        assert inspected is not None
        assert (listed, listed.called_off) == (inspected.letter, True)

    async def test_what_a_provider_took_after_all_is_marked_and_not_replayed(
        self, store: Store, letters: DeadLetters, clock: MovableClock
    ) -> None:
        failed = await a_failure(store)
        call = {"epoch": failed.epoch + 1, "provider": "smtp", "outcome": "sent"}
        late = schema.attempts.insert().values(
            delivery_id=failed.id, fenced=True, started_at=clock.now(), **call
        )
        await store.run(lambda connection: connection.execute(late))

        (listed,) = await letters.find(_EVERYTHING, limit=10)

        assert (listed.taken, listed.called_off, listed.is_over) == (True, False, True)
        assert await letters.replay(Kind.DELIVERY, [failed.id], by="a test", in_doubt=True) == 0

    async def test_an_entry_is_judged_as_it_would_be_accepted(
        self, store: Store, letters: DeadLetters
    ) -> None:
        await add_user(store, "ada", "ada@example.com")
        known = await add_event(store, "ada")
        entries = [
            known,
            replace(known, data={"other": 1}),
            an_event(store, type="ORDERED", user_id="ada", data={}),
            an_event(store, type="ORDERED", user_id="nobody", data={}),
        ]
        acceptances = [Acceptance(event=each, bus_channel="USER_CHANNEL") for each in entries]

        judged = [await letters.judge(each) for each in acceptances]

        assert judged == ["replayed", "id_reused", "stored", "unknown_user"]
        assert judged == [(await store.accept([each]))[0].status for each in acceptances]

    async def test_two_operators_who_replay_the_same_give_each_delivery_once(
        self, store: Store, other_store: Store, clock: MovableClock
    ) -> None:
        await add_user(store, "ada", "ada@example.com")
        for _ in range(100):
            await add_event(store, "ada")
        await plan(store)
        failed = await fail_all(store, await claim(store, limit=100))
        operators = [DeadLetters(each, clock=clock) for each in (store, other_store)]

        async with asyncio.timeout(_PATIENCE):
            counts = await asyncio.gather(
                *[
                    operator.replay(Kind.DELIVERY, ids, by="an operator")
                    for operator in operators
                    for ids in (failed, failed[::-1])
                ]
            )

        assert sum(counts) == 100
        told = [each["decisions"] for each in await rows(store, schema.notifications)]
        assert [len([one for one in each if one["rule"] == "replayed"]) for each in told] == [
            1
        ] * 100
        assert {each["state"] for each in await rows(store, schema.deliveries)} == {"pending"}

    async def test_an_entry_of_the_bus_is_marked_once_and_listed_no_more(
        self, store: Store, letters: DeadLetters
    ) -> None:
        event = an_event(store, type=DEAD_LETTER, data=a_burial())
        await letters.keep(event)

        marks = [await letters.mark_replayed(event.key) for _ in range(2)]

        assert marks == [True, False]
        assert await letters.find(_EVERYTHING, limit=10) == []
        assert await letters.state_of(Kind.BUS_ENTRY, event.key) == "replayed"
        await letters.keep(event)
        assert await letters.find(_EVERYTHING, limit=10) == []


def a_burial() -> dict[str, Any]:
    """What the bus says of an entry that nobody could read."""
    return {
        "bus_channel": "USER_CHANNEL",
        "entry_id": "1-0",
        "reason": "the event is not JSON",
        "entry": "{broken",
    }


async def a_failure(store: Store) -> Claimed:
    """A delivery that gave up."""
    await add_delivery(store)
    claimed = await claim_one(store)
    await fail_all(store, [claimed])
    return claimed


async def fail_all(store: Store, claimed: Sequence[Claimed]) -> list[str]:
    """These gave up; their ids."""
    failed = [
        Outcome(
            claimed=replace(each),
            state=DeliveryState.FAILED,
            reason="550 no such mailbox",
            rule="gave_up",
        )
        for each in claimed
    ]
    await store.settle(failed)
    return [each.id for each in claimed]


async def one_of_each(
    store: Store, letters: DeadLetters, clock: MovableClock
) -> dict[Kind, DeadLetter]:
    """A dead letter of each kind, one a second."""
    await a_failure(store)
    clock.advance(seconds=1)
    await add_event(store, "ada")
    await plan(store, lambda due: a_plan(due, state=NotificationState.WAITING, deliveries=()))
    await change(
        store, schema.notifications, {"state": "waiting"}, state="failed", reason="broken plan"
    )
    clock.advance(seconds=1)
    await add_event(store, "ada")
    await change(
        store, schema.events, {"state": "due"}, state="failed", reason="no plan", due_at=None
    )
    clock.advance(seconds=1)
    await letters.keep(an_event(store, type=DEAD_LETTER, data=a_burial()))
    clock.advance(seconds=1)
    return {each.kind: each for each in await letters.find(_EVERYTHING, limit=4)}


async def change(
    store: Store, table: sa.Table, where: dict[str, Any] | None = None, /, **values: Any
) -> None:
    """Change rows behind everybody's back."""
    statement = sa.update(table).values(values)
    for name, value in (where or {}).items():
        statement = statement.where(table.c[name] == value)

    def run(connection: sa.Connection) -> None:
        connection.execute(statement)

    await store.run(run)
