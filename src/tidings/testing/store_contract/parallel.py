"""Many at once: nobody waits for ever, and nothing is done twice."""

import asyncio

from tidings.core.ids import event_key
from tidings.core.models import Lane
from tidings.core.ports import Store
from tidings.core.work import Acceptance, AcceptStatus, IdempotencyRecord, Registration
from tidings.store import schema
from tidings.testing.store_contract.case import StoreCase
from tidings.testing.store_contract.given import (
    a_plan,
    add_event,
    add_user,
    an_acceptance,
    an_event,
    claim,
    figures,
    plan,
    rows,
)

#: seconds after which parallel work counts as locked up
PATIENCE = 60.0


def shared(store: Store, number: int) -> Acceptance:
    """The same person, key and event, whoever asks."""
    return an_acceptance(
        an_event(store, id=f"order-{number}", user_id=f"u{number}"),
        registration=Registration(
            user_id=f"u{number}", channel="email", address=f"{number}@x.example"
        ),
        idempotency=IdempotencyRecord(key=f"k{number}", fingerprint="f"),
    )


class ParallelContract(StoreCase):
    """What two processes on one database must not do to each other."""

    async def test_the_same_batches_in_opposite_orders_store_everything_once(
        self, store: Store, other_store: Store
    ) -> None:
        batch = [shared(store, number) for number in range(100)]

        async with asyncio.timeout(PATIENCE):
            answers = await asyncio.gather(
                *[store.accept(batch) for _ in range(4)],
                *[other_store.accept(batch[::-1]) for _ in range(4)],
            )

        statuses = [each.status for answer in answers for each in answer]
        assert statuses.count(AcceptStatus.STORED) == 100
        assert statuses.count(AcceptStatus.REPLAYED) == 700
        stored = [each["id"] for each in await rows(store, schema.events)]
        source = store.installation.source
        assert stored == sorted(event_key(source, f"order-{number}") for number in range(100))
        assert len(await rows(store, schema.addresses)) == 100

    async def test_accepting_and_planning_side_by_side_plans_every_event_once(
        self, store: Store, other_store: Store
    ) -> None:
        await add_user(store, "ada", "ada@example.com")
        planned: list[str] = []

        async def accept_some(into: Store) -> None:
            for _ in range(10):
                events = [an_event(into, user_id="ada") for _ in range(20)]
                await into.accept([an_acceptance(event) for event in events])

        async def plan_all(out_of: Store) -> None:
            while len(planned) < 400:
                result = await plan(out_of, limit=30)
                planned.extend(each.event.id for each in result.plans)
                await asyncio.sleep(0)

        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(
                accept_some(store), accept_some(other_store), plan_all(store), plan_all(other_store)
            )

        assert len(planned) == len(set(planned)) == 400
        assert len(await rows(store, schema.deliveries)) == 400
        assert (await figures(store))["planned", "welcome", "", ""] == 400

    async def test_once_holds_between_planners(self, store: Store, other_store: Store) -> None:
        for number in range(10):
            await add_user(store, f"u{number}")
        for _ in range(6):
            for number in range(10):
                await add_event(store, f"u{number}")

        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(
                *[
                    plan(each, lambda due: a_plan(due, once=True), limit=15)
                    for each in (store, other_store) * 2
                ]
            )

        states = [each["state"] for each in await rows(store, schema.notifications)]
        assert (states.count("planned"), states.count("skipped")) == (10, 50)
        assert len(await rows(store, schema.deliveries)) == 10

    async def test_workers_never_claim_the_same_delivery(
        self, store: Store, other_store: Store
    ) -> None:
        await add_user(store, "ada", "ada@example.com")
        for number in range(60):
            lanes = (Lane.CRITICAL, Lane.NORMAL, Lane.BULK)
            await add_event(store, "ada", lane=lanes[number % 3])
        await plan(store)

        async with asyncio.timeout(PATIENCE):
            hands = await asyncio.gather(
                *[claim(each, limit=7) for each in (store, other_store) * 3]
            )

        claimed = [each.id for hand in hands for each in hand]
        assert len(claimed) == len(set(claimed)) > 30
