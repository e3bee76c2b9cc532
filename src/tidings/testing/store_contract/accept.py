"""Accepting: durable, all or nothing, and the same thing twice is once."""

import asyncio
from typing import Any

import pytest

from tidings.core.errors import InvalidInput
from tidings.core.group_commit import GroupCommit
from tidings.core.models import REGISTERED_USER, Lane
from tidings.core.ports import Store
from tidings.core.work import AcceptStatus, IdempotencyRecord, Registration
from tidings.store import schema
from tidings.testing.clock import MovableClock
from tidings.testing.store_contract.case import CLOCK_TOLERANCE, StoreCase
from tidings.testing.store_contract.given import (
    accept,
    add_user,
    an_acceptance,
    an_event,
    row,
    rows,
    told,
)

ADA = Registration(
    user_id="u_ada", channel="email", address="ada@example.com", name="Ada", locale="en-GB"
)
STORED = AcceptStatus.STORED


class AcceptContract(StoreCase):
    """What `accept` must do."""

    async def test_an_event_is_stored_as_it_came_and_due_at_once(
        self, store: Store, clock: MovableClock
    ) -> None:
        clock.advance(days=3)
        data = {"order": 17, "łódź": ["ß", None, 1.5, {"deep": True}], "empty": ""}
        event = an_event(store, data=data)

        accepted = await accept(store, event, lane=Lane.CRITICAL)

        assert (accepted.status, accepted.event_id) == (STORED, event.id)
        stored = await row(store, schema.events)
        assert stored["id"] == event.key
        assert (stored["source"], stored["source_id"]) == (event.source, event.id)
        assert (stored["type"], stored["bus_channel"]) == ("ORDER_SHIPPED", "USER_CHANNEL")
        assert (stored["user_id"], stored["data"], stored["time"]) == (None, data, event.time)
        assert (stored["lane"], stored["state"], stored["tries"]) == ("critical", "due", 0)
        assert abs(stored["due_at"] - clock.now()) < CLOCK_TOLERANCE
        assert stored["accepted_at"] == stored["due_at"]

    async def test_nothing_to_accept_is_no_trouble(self, store: Store) -> None:
        assert list(await store.accept([])) == []

    async def test_answers_come_in_the_order_given(self, store: Store) -> None:
        events = [an_event(store, data={"number": number}) for number in range(500)]
        events.reverse()

        accepted = await store.accept([an_acceptance(event) for event in events])

        assert [each.event_id for each in accepted] == [event.id for event in events]
        assert {each.status for each in accepted} == {STORED}
        assert len(await rows(store, schema.events)) == 500

    async def test_a_registration_makes_the_user_in_the_same_commit(self, store: Store) -> None:
        event = an_event(store, type=REGISTERED_USER, user_id=ADA.user_id)

        accepted = await accept(store, event, registration=ADA)

        assert accepted.status == STORED
        user = await row(store, schema.users)
        assert (user["id"], user["name"], user["locale"]) == ("u_ada", "Ada", "en-GB")
        assert (user["consent_version"], user["registered_at"]) == (0, None)
        address = await row(store, schema.addresses)
        assert (address["user_id"], address["channel"]) == ("u_ada", "email")
        assert (address["address"], address["status"]) == ("ada@example.com", "active")

    async def test_a_registration_of_a_known_user_changes_nothing_of_theirs(
        self, store: Store
    ) -> None:
        await add_user(store, "u_ada", "newer@example.com", name="Countess", consent_version=4)

        accepted = await accept(store, an_event(store, user_id="u_ada"), registration=ADA)

        assert accepted.status == STORED
        user = await row(store, schema.users)
        assert (user["name"], user["consent_version"]) == ("Countess", 4)
        assert (await row(store, schema.addresses))["address"] == "newer@example.com"

    async def test_the_same_person_twice_in_a_batch_is_one_user_and_two_events(
        self, store: Store
    ) -> None:
        events = [an_event(store, user_id="u_ada") for _ in range(2)]

        accepted = await store.accept([an_acceptance(event, registration=ADA) for event in events])

        assert [each.status for each in accepted] == [STORED, STORED]
        assert len(await rows(store, schema.users)) == 1
        assert len(await rows(store, schema.addresses)) == 1

    async def test_the_same_key_and_body_gives_the_first_answer_again(self, store: Store) -> None:
        record = IdempotencyRecord(key="k1", fingerprint="f1")
        first, second = an_event(store), an_event(store)
        await accept(store, first, idempotency=record)

        again = await accept(store, second, idempotency=record, registration=ADA)

        assert (again.status, again.event_id) == (AcceptStatus.REPLAYED, first.id)
        assert (await row(store, schema.events))["id"] == first.key
        assert await rows(store, schema.users) == []

    async def test_the_same_key_with_another_body_is_told_apart(self, store: Store) -> None:
        await accept(
            store, an_event(store), idempotency=IdempotencyRecord(key="k1", fingerprint="f1")
        )

        other = await accept(
            store,
            an_event(store),
            idempotency=IdempotencyRecord(key="k1", fingerprint="f2"),
            registration=ADA,
        )

        assert other.status == AcceptStatus.KEY_REUSED
        assert len(await rows(store, schema.events)) == 1
        assert await rows(store, schema.users) == []

    @pytest.mark.parametrize("newest_first", [False, True])
    async def test_a_second_use_of_a_key_in_one_batch_sees_the_first(
        self, store: Store, newest_first: bool
    ) -> None:
        events = sorted([an_event(store) for _ in range(3)], key=lambda event: event.key)
        if newest_first:
            events.reverse()
        prints = ["f1", "f1", "f2"]

        accepted = await store.accept(
            [
                an_acceptance(event, idempotency=IdempotencyRecord(key="k1", fingerprint=mark))
                for event, mark in zip(events, prints, strict=True)
            ]
        )

        assert [each.status for each in accepted] == [
            STORED,
            AcceptStatus.REPLAYED,
            AcceptStatus.KEY_REUSED,
        ]
        assert accepted[1].event_id == events[0].id
        assert (await row(store, schema.events))["id"] == events[0].key
        assert (await row(store, schema.idempotency))["event_id"] == events[0].id

    async def test_an_event_for_an_unknown_user_stores_nothing(self, store: Store) -> None:
        record = IdempotencyRecord(key="k1", fingerprint="f1")

        accepted = await accept(store, an_event(store, user_id="nobody"), idempotency=record)

        assert accepted.status == AcceptStatus.UNKNOWN_USER
        assert await rows(store, schema.events) == []
        assert await rows(store, schema.idempotency) == []

    async def test_a_user_registered_in_the_batch_is_known_to_what_follows(
        self, store: Store
    ) -> None:
        first, second = (an_event(store, user_id="u_ada") for _ in range(2))

        accepted = await store.accept(
            [an_acceptance(first, registration=ADA), an_acceptance(second)]
        )

        assert [each.status for each in accepted] == [STORED, STORED]

    async def test_strangers_events_are_one_for_each_source_and_id(self, store: Store) -> None:
        events = [
            an_event(store, source=source, id="order-1")
            for source in ("https://a.example", "https://b.example", "https://a.example")
        ]

        accepted = await store.accept([an_acceptance(event) for event in events])

        assert [each.status for each in accepted] == [STORED, STORED, AcceptStatus.REPLAYED]
        assert [each.event_id for each in accepted] == ["order-1"] * 3
        stored = await rows(store, schema.events)
        assert {each["id"] for each in stored} == {event.key for event in events}

    @pytest.mark.parametrize("changes", [{"type": None}, {"type": "\ud800"}, {"data": {"a": {1}}}])
    async def test_what_no_database_takes_is_invalid_input(
        self, store: Store, changes: dict[str, Any]
    ) -> None:
        with pytest.raises(InvalidInput) as failure:
            await accept(store, an_event(store, source="ada@example.com", **changes))

        assert "@" not in told(failure.value)
        assert await rows(store, schema.events) == []

    async def test_one_bad_row_of_a_group_fails_alone(self, store: Store) -> None:
        group = GroupCommit(store.accept)
        good = [an_event(store) for _ in range(20)]
        bad = an_event(store, type="\ud800")

        waiting = [group.submit(an_acceptance(event)) for event in [*good[:10], bad, *good[10:]]]
        answers = await asyncio.gather(*waiting, return_exceptions=True)

        refused = [isinstance(each, InvalidInput) for each in answers]
        assert refused == [False] * 10 + [True] + [False] * 10
        assert len(await rows(store, schema.events)) == 20
        await group.aclose()
