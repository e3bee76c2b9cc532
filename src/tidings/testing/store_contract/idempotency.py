"""One key, one effect: whoever asks, however often, from however many processes; for seven days."""

import asyncio
import random
from collections import Counter

from tidings.core.group_commit import GroupCommit
from tidings.core.models import Event
from tidings.core.ports import Store
from tidings.core.work import Acceptance, Accepted, AcceptStatus, IdempotencyRecord
from tidings.store import schema
from tidings.store.retention import Retention
from tidings.testing.clock import MovableClock
from tidings.testing.store_contract.case import StoreCase
from tidings.testing.store_contract.given import accept, an_acceptance, an_event, rows

#: keys, and requests under each of them, in the race of two processes
KEYS, REQUESTS = 20, 100
#: seconds after which parallel work counts as locked up
_PATIENCE = 60.0

STORED, REPLAYED, REUSED = AcceptStatus.STORED, AcceptStatus.REPLAYED, AcceptStatus.KEY_REUSED


def keyed(
    store: Store, key: str, fingerprint: str = "f", *, event: Event | None = None
) -> Acceptance:
    """A request under a key; each has an event of its own, unless one is given."""
    record = IdempotencyRecord(key=key, fingerprint=fingerprint)
    return an_acceptance(event or an_event(store), idempotency=record)


class IdempotencyContract(StoreCase):
    """What a key must mean."""

    async def test_parallel_requests_under_one_key_store_one_event_and_have_one_answer(
        self, store: Store, other_store: Store
    ) -> None:
        answers = await race(
            (store, other_store),
            [keyed(store, f"k{number % KEYS}") for number in range(KEYS * REQUESTS)],
        )

        statuses = Counter(each.status for each in answers)
        assert statuses == {STORED: KEYS, REPLAYED: KEYS * (REQUESTS - 1)}
        stored = {each["source_id"] for each in await rows(store, schema.events)}
        assert {each.event_id for each in answers} == stored
        assert len(stored) == KEYS

    async def test_of_two_bodies_racing_under_one_key_one_wins_and_the_other_is_told_apart(
        self, store: Store, other_store: Store
    ) -> None:
        requests = [keyed(store, f"k{number % 10}", f"f{number % 20}") for number in range(400)]

        answers = await race((store, other_store), requests)

        kept = {each["key"]: each["fingerprint"] for each in await rows(store, schema.idempotency)}
        assert Counter(each.status for each in answers) == {STORED: 10, REPLAYED: 190, REUSED: 200}
        for request, answer in zip(requests, answers, strict=True):
            assert request.idempotency is not None
            won = kept[request.idempotency.key] == request.idempotency.fingerprint
            assert (answer.status is REUSED) is not won

    async def test_a_key_that_came_with_a_known_event_is_kept_too(self, store: Store) -> None:
        known = an_event(store, id="order-7")
        await store.accept([keyed(store, "a", event=known)])

        again = await store.accept([keyed(store, "b", event=known)])
        other = await store.accept([keyed(store, "b", "g"), keyed(store, "a", "g")])
        repeat = await store.accept([keyed(store, "b")])

        assert list(again) == list(repeat) == [Accepted(status=REPLAYED, event_id="order-7")]
        assert [each.status for each in other] == [REUSED, REUSED]
        assert len(await rows(store, schema.events)) == 1

    async def test_in_one_batch_such_a_key_is_known_to_those_behind_it(self, store: Store) -> None:
        known = an_event(store, id="order-7")
        await store.accept([an_acceptance(known)])

        answers = await store.accept(
            [keyed(store, "b", event=known), keyed(store, "b"), keyed(store, "b", "g")]
        )

        assert [each.status for each in answers] == [REPLAYED, REPLAYED, REUSED]
        assert {each.event_id for each in answers} == {"order-7"}

    async def test_of_a_known_event_and_a_new_one_racing_under_one_key_one_wins(
        self, store: Store, other_store: Store
    ) -> None:
        known = an_event(store, id="order-7")
        await store.accept([an_acceptance(known)])
        requests = [
            keyed(store, f"k{number % 10}", "new")
            if number % 20 < 10
            else keyed(store, f"k{number % 10}", "known", event=known)
            for number in range(400)
        ]

        answers = await race((store, other_store), requests)

        kept = {each["key"]: each["fingerprint"] for each in await rows(store, schema.idempotency)}
        won = sum(fingerprint == "new" for fingerprint in kept.values())
        assert len(kept) == 10
        assert Counter(each.status for each in answers) == Counter(
            {STORED: won, REPLAYED: 200 - won, REUSED: 200}
        )
        assert len(await rows(store, schema.events)) == 1 + won

    async def test_a_repeat_after_a_lost_answer_gets_it_from_any_process(
        self, store: Store, other_store: Store
    ) -> None:
        lost = await store.accept([keyed(store, f"k{number}") for number in range(50)])

        again = await other_store.accept([keyed(store, f"k{number}") for number in range(50)])

        assert {each.status for each in again} == {REPLAYED}
        assert [each.event_id for each in again] == [each.event_id for each in lost]
        assert len(await rows(store, schema.events)) == 50

    async def test_a_key_is_kept_for_seven_days_and_free_again_after(
        self, store: Store, clock: MovableClock
    ) -> None:
        first = await keep(store, "k1")
        clock.advance(days=7, seconds=-60)

        assert await Retention(store).apply() == 0
        assert await keep(store, "k1") == Accepted(status=REPLAYED, event_id=first.event_id)

        clock.advance(seconds=120)
        assert await Retention(store).apply() == 1
        assert (await keep(store, "k1")).status is STORED

    async def test_what_is_over_is_taken_away_by_any_number_of_processes_in_batches(
        self, store: Store, other_store: Store, clock: MovableClock
    ) -> None:
        await store.accept([keyed(store, f"old{number}") for number in range(95)])
        clock.advance(days=8)
        await store.accept([keyed(store, f"new{number}") for number in range(5)])

        async with asyncio.timeout(_PATIENCE):
            removed = await asyncio.gather(
                *[Retention(each, batch=10).apply() for each in (store, other_store) * 2]
            )

        assert sum(removed) == 95
        left = [each["key"] for each in await rows(store, schema.idempotency)]
        assert left == [f"new{number}" for number in range(5)]


async def race(stores: tuple[Store, ...], requests: list[Acceptance]) -> list[Accepted]:
    """Requests in any order through the group of a random process; their answers as they came."""
    chance = random.Random(20261125)  # noqa: S311 - a seed, no secret
    groups = [GroupCommit(store.accept, limit=50) for store in stores]
    order = chance.sample(range(len(requests)), len(requests))
    async with asyncio.timeout(_PATIENCE):
        answers = await asyncio.gather(
            *[chance.choice(groups).submit(requests[index]) for index in order]
        )
    for group in groups:
        await group.aclose()
    return [
        answer for _, answer in sorted(zip(order, answers, strict=True), key=lambda one: one[0])
    ]


async def keep(store: Store, key: str) -> Accepted:
    """Accept one request under a key."""
    record = IdempotencyRecord(key=key, fingerprint="f")
    return await accept(store, an_event(store), idempotency=record)
