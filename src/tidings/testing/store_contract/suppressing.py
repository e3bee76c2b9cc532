"""Suppressions: an address on the list gets nothing, whoever has it, and whenever it came."""

import asyncio

import pytest

from tidings.core.errors import InvalidInput, NotFound
from tidings.core.models import Recipient
from tidings.core.ports import Store
from tidings.core.work import DueEvent, Registration
from tidings.store import schema
from tidings.testing.clock import MovableClock
from tidings.testing.store_contract.case import StoreCase
from tidings.testing.store_contract.given import (
    a_plan,
    accept,
    add_delivery,
    add_user,
    an_acceptance,
    an_event,
    claim_one,
    noting,
    plan,
    row,
    rows,
)
from tidings.testing.store_contract.parallel import PATIENCE
from tidings.users.service import UserService
from tidings.users.suppressions import SuppressionService

ADA = "ada@example.com"
#: how often what may cross is let cross
_ROUNDS = 20


class SuppressingContract(StoreCase):
    """What the list must do on every store."""

    @pytest.fixture
    def suppressions(self, store: Store, clock: MovableClock) -> SuppressionService:
        """What is under test."""
        return SuppressionService(store, clock=clock, channels=["email", "push", "in_app"])

    @pytest.fixture
    def users(self, store: Store, clock: MovableClock) -> UserService:
        """Where addresses come from."""
        return UserService(store, clock=clock)

    async def test_whoever_has_the_address_is_decided_about_again(
        self, store: Store, suppressions: SuppressionService
    ) -> None:
        await add_delivery(store, "ada", address=ADA)
        await add_user(store, "ben", "ben@example.com")

        await suppressions.put("email", "Ada@Example.com", reason="complaint")

        recipient = (await claim_one(store)).recipient
        assert recipient is not None
        assert (recipient.addresses, recipient.suppressed) == ({}, {"email": (ADA,)})
        assert recipient.consent_version == 1
        assert (await row(store, schema.users, id="ben"))["consent_version"] == 0

    async def test_the_planner_sees_it_too(
        self, store: Store, suppressions: SuppressionService
    ) -> None:
        await add_user(store, "ada", ADA, "ada@example.org")
        await accept(store, an_event(store, user_id="ada"))
        await suppressions.put("email", ADA)

        recipient = await self._planned_for(store)

        assert recipient.addresses == {"email": ("ada@example.org",)}
        assert recipient.suppressed == {"email": (ADA,)}

    async def test_it_keeps_no_address(
        self, store: Store, suppressions: SuppressionService
    ) -> None:
        kept = await suppressions.put("email", ADA)

        assert (kept.channel, kept.reason) == ("email", "asked for")
        assert "ada@" not in str(await rows(store, schema.suppressions)).lower()
        assert await suppressions.find("email", ADA) == await suppressions.get(kept.id) == kept

    async def test_once_more_changes_the_reason_alone(
        self, store: Store, suppressions: SuppressionService
    ) -> None:
        await add_user(store, "ada", ADA)
        first = await suppressions.put("email", ADA)

        again = await suppressions.put("email", ADA, reason="bounce")

        assert (again.id, again.created_at, again.reason) == (first.id, first.created_at, "bounce")
        assert (await row(store, schema.users))["consent_version"] == 1

    async def test_one_who_registers_it_later_gets_nothing_there(
        self, store: Store, suppressions: SuppressionService
    ) -> None:
        await suppressions.put("email", ADA)

        for user_id, address in [("ada", ADA), ("ben", "ben@example.com")]:
            registration = Registration(user_id=user_id, channel="email", address=address)
            await accept(store, an_event(store), registration=registration)

        kept = {each["user_id"]: each["status"] for each in await rows(store, schema.addresses)}
        assert kept == {"ada": "suppressed", "ben": "active"}

    async def test_one_who_is_given_it_later_gets_nothing_there(
        self, suppressions: SuppressionService, users: UserService
    ) -> None:
        await suppressions.put("email", ADA)

        saved = await users.put("ada", email=ADA)
        other = await users.put("ada", email="ada@example.org")

        assert (saved.user.email_status, other.user.email_status) == ("suppressed", "active")

    async def test_it_can_be_lifted_for_whoever_has_it(
        self, store: Store, suppressions: SuppressionService, users: UserService
    ) -> None:
        await add_user(store, "ada", ADA)
        kept = await suppressions.put("email", ADA)
        await users.put("ben", email=ADA)

        assert await suppressions.lift(kept.id) == kept

        found = [await users.get(each) for each in ("ada", "ben")]
        assert [each.email_status for each in found] == ["active", "active"]
        assert [each.consent_version for each in found] == [2, 1]
        for missing in (suppressions.get, suppressions.lift):
            with pytest.raises(NotFound):
                await missing(kept.id)

    async def test_what_a_provider_refused_stays_refused(
        self, store: Store, suppressions: SuppressionService, users: UserService
    ) -> None:
        await add_user(store, "ada", ADA)
        await users.reject_address("email", ADA)

        kept = await suppressions.put("email", ADA)
        await suppressions.lift(kept.id)

        assert (await users.get("ada")).email_status == "rejected"

    async def test_it_is_listed_page_by_page(self, suppressions: SuppressionService) -> None:
        kept = [await suppressions.put("push", f"token-{number}") for number in range(5)]

        first = await suppressions.list(limit=2)
        rest = await suppressions.list(after=first[-1].id)

        assert [*first, *rest] == sorted(kept, key=lambda each: each.id)

    @pytest.mark.parametrize(
        ("channel", "address"),
        [("email", "nobody"), ("in_app", "ada"), ("emial", ADA), ("push", "two\nlines")],
    )
    async def test_what_is_no_address_can_not_be_suppressed(
        self, suppressions: SuppressionService, channel: str, address: str
    ) -> None:
        with pytest.raises(InvalidInput):
            await suppressions.put(channel, address)

    async def test_who_comes_while_it_is_put_on_the_list_does_not_slip_through(
        self,
        store: Store,
        other_store: Store,
        suppressions: SuppressionService,
        users: UserService,
    ) -> None:
        for number in range(_ROUNDS):
            address = f"ada{number}@example.com"
            registration = Registration(user_id=f"r{number}", channel="email", address=address)
            await asyncio.gather(
                users.put(f"p{number}", email=address),
                suppressions.put("email", address),
                accept(other_store, an_event(store), registration=registration),
                users.reject_address("email", "nobody@example.com"),
            )

        kept = await rows(store, schema.addresses)
        assert len(kept) == 2 * _ROUNDS
        assert {each["status"] for each in kept} == {"suppressed"}

    async def test_who_comes_while_it_is_lifted_is_not_held_back_for_ever(
        self,
        store: Store,
        other_store: Store,
        suppressions: SuppressionService,
        users: UserService,
    ) -> None:
        for number in range(_ROUNDS):
            address = f"ada{number}@example.com"
            kept = await suppressions.put("email", address)
            registration = Registration(user_id=f"r{number}", channel="email", address=address)
            await asyncio.gather(
                users.put(f"p{number}", email=address),
                suppressions.lift(kept.id),
                accept(other_store, an_event(store), registration=registration),
            )

        kept_back = [each["status"] for each in await rows(store, schema.addresses)]
        assert kept_back == ["active"] * 2 * _ROUNDS

    async def test_many_who_come_at_once_and_many_put_on_the_list_do_not_cross(
        self, store: Store, other_store: Store, suppressions: SuppressionService
    ) -> None:
        registrations = [
            Registration(user_id=f"r{number}", channel="email", address=f"{number}@example.com")
            for number in range(4 * _ROUNDS)
        ]
        batch = [an_acceptance(an_event(store), registration=each) for each in registrations]
        some = registrations[::-4]

        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(
                store.accept(batch[::2]),
                other_store.accept(batch[::-2]),
                *[suppressions.put("email", each.address) for each in some],
            )

        kept = await rows(store, schema.addresses)
        held = {each["address"] for each in kept if each["status"] == "suppressed"}
        assert (len(kept), held) == (len(batch), {each.address for each in some})

    async def _planned_for(self, store: Store) -> Recipient:
        heard: list[DueEvent] = []
        await plan(store, noting(heard, a_plan))
        (due,) = heard
        assert due.recipient is not None
        return due.recipient
