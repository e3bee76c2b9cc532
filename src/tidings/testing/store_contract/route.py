"""Which integration a delivery goes to: the first with leave, another after a certain failure."""

import pytest

from tidings.core.models import DeliveryState
from tidings.core.policy import OnUnknown, SendPolicy
from tidings.core.ports import Store
from tidings.core.work import Attempt, Claimed, Outcome
from tidings.store import schema
from tidings.store.dead_letter_rows import Kind
from tidings.store.dead_letters import DeadLetters
from tidings.testing.clock import MovableClock
from tidings.testing.store_contract.case import StoreCase
from tidings.testing.store_contract.given import LEASE, add_delivery, claim, claim_one, row


class RouteContract(StoreCase):
    """Which integration `claim` gives a delivery to."""

    async def test_the_first_is_on_record_as_about_to_be_called(self, store: Store) -> None:
        await add_delivery(store)

        claimed = await claim_one(store, providers=("east", "west"))

        assert claimed.provider == "east"
        assert (await row(store, schema.deliveries))["provider"] == "east"

    async def test_after_a_certain_failure_another_one_is_called(self, store: Store) -> None:
        await add_delivery(store)
        await self._fail(store, await claim_one(store, providers=("east",)), "transient")

        claimed = await claim_one(store, providers=("east", "west"))

        assert (claimed.provider, claimed.doubt) == ("west", False)

    async def test_after_certain_failures_each_is_called_before_one_is_called_again(
        self, store: Store
    ) -> None:
        await add_delivery(store)

        called = [await self._call_in_vain(store, "east", "west", "north") for _ in range(5)]

        assert called == ["east", "west", "north", "east", "west"]

    async def test_whoever_may_be_called_first_one_that_was_not_called_comes_before(
        self, store: Store
    ) -> None:
        await add_delivery(store)

        called = [
            await self._call_in_vain(store, *providers)
            for providers in (
                ("east", "west", "north"),
                ("west", "east", "north"),
                ("east", "west", "north"),
                ("north", "west"),
            )
        ]

        assert called == ["east", "west", "north", "west"]

    async def test_what_was_given_back_still_goes_where_it_did_not_fail(self, store: Store) -> None:
        await add_delivery(store)
        await self._fail(store, await claim_one(store, providers=("east",)), "transient")
        claimed = await claim_one(store, providers=("east", "west"))
        await store.settle([Outcome(claimed=claimed, state=DeliveryState.PENDING)])

        assert (await claim_one(store, providers=("west", "east"))).provider == "west"

    async def test_after_a_minute_one_that_failed_is_as_good_as_any(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_delivery(store)
        await self._fail(store, await claim_one(store, providers=("east",)), "transient")
        clock.advance(seconds=61)

        assert (await claim_one(store, providers=("east", "west"))).provider == "east"

    async def test_where_there_is_no_other_the_same_is_called_again(self, store: Store) -> None:
        await add_delivery(store)
        await self._fail(store, await claim_one(store, providers=("east",)), "transient")

        assert (await claim_one(store, providers=("east",))).provider == "east"

    async def test_in_doubt_it_stays_where_it_may_have_been_taken(self, store: Store) -> None:
        await add_delivery(store)
        await self._fail(store, await claim_one(store, providers=("east",)), "unknown")

        claimed = await claim_one(store, providers=("west", "east"))

        assert (claimed.provider, claimed.doubt) == ("east", True)

    @pytest.mark.parametrize(
        ("on_unknown", "provider"),
        [(OnUnknown.RETRY, "west"), (OnUnknown.CHECK, "east"), (OnUnknown.HOLD, "east")],
    )
    async def test_in_doubt_it_goes_elsewhere_only_where_a_repeat_is_allowed(
        self, store: Store, on_unknown: OnUnknown, provider: str
    ) -> None:
        await add_delivery(store, policy=SendPolicy(on_unknown=on_unknown))
        await self._fail(store, await claim_one(store, providers=("east",)), "unknown")

        assert (await claim_one(store, providers=("west",))).provider == provider

    @pytest.mark.parametrize(
        ("outcome", "answered"), [("transient", True), ("absent", True), ("unknown", False)]
    )
    async def test_it_comes_with_whether_its_last_call_was_answered(
        self, store: Store, outcome: str, answered: bool
    ) -> None:
        await add_delivery(store)
        first = await claim_one(store)
        await self._fail(store, first, "unknown")
        await self._fail(store, await claim_one(store), outcome)

        again = await claim_one(store)

        assert (first.answered, again.answered) == (False, answered)

    async def test_a_dead_workers_call_was_not_answered(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_delivery(store)
        await self._fail(store, await claim_one(store), "transient")
        await claim(store)
        clock.advance(seconds=LEASE + 1)

        assert not (await claim_one(store)).answered

    async def test_a_dead_workers_call_leaves_doubt(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_delivery(store)
        await claim(store, providers=("east",))
        clock.advance(seconds=LEASE + 1)

        claimed = await claim_one(store, providers=("west", "east"))

        assert (claimed.provider, claimed.doubt) == ("east", True)
        assert (await row(store, schema.deliveries))["doubt"] is True

    @pytest.mark.parametrize("providers", [("west", "east"), ("east", "west")])
    async def test_one_that_was_asked_and_said_no_is_called_itself(
        self, store: Store, providers: tuple[str, ...]
    ) -> None:
        await self._ask(store)

        claimed = await claim_one(store, providers=providers)

        assert (claimed.provider, claimed.doubt, claimed.asked) == ("east", False, True)

    async def test_where_one_that_said_no_may_not_be_called_another_is(self, store: Store) -> None:
        await self._ask(store)

        claimed = await claim_one(store, providers=("west", "north"))

        assert (claimed.provider, claimed.doubt, claimed.asked) == ("west", False, False)

    async def test_what_is_given_back_after_a_no_still_goes_where_it_was_asked(
        self, store: Store, clock: MovableClock
    ) -> None:
        await self._ask(store)
        claimed = await claim_one(store, providers=("west",))
        await store.settle([Outcome(claimed=claimed, state=DeliveryState.PENDING)])
        clock.advance(seconds=61)

        assert (await claim_one(store, providers=("west", "east"))).provider == "east"

    async def test_a_failure_after_a_no_is_one_like_any_other(self, store: Store) -> None:
        await self._ask(store)
        await self._fail(store, await claim_one(store, providers=("east",)), "transient")

        claimed = await claim_one(store, providers=("east", "west"))

        assert (claimed.provider, claimed.asked) == ("west", False)

    async def test_a_no_after_a_dead_worker_counts_too(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_delivery(store)
        await claim(store, providers=("east",))
        clock.advance(seconds=LEASE + 1)
        await self._fail(store, await claim_one(store, providers=("east",)), "absent")

        assert (await claim_one(store, providers=("west", "east"))).provider == "east"

    @pytest.mark.parametrize("policy", OnUnknown)
    @pytest.mark.parametrize(
        ("set_up", "provider", "elsewhere"),
        [(("west", "east"), "east", False), (("west",), "west", True)],
    )
    async def test_what_was_replayed_in_doubt_goes_elsewhere_where_its_integration_is_gone(
        self,
        store: Store,
        clock: MovableClock,
        policy: OnUnknown,
        set_up: tuple[str, ...],
        provider: str,
        elsewhere: bool,
    ) -> None:
        await add_delivery(store, policy=SendPolicy(on_unknown=policy))
        held = await claim_one(store, providers=("east",))
        await self._end(store, held, DeliveryState.HELD, "unknown")
        letters = DeadLetters(store, clock=clock)
        await letters.replay(Kind.DELIVERY, [held.id], by="a test", in_doubt=True)

        callable_now = set_up if policy is OnUnknown.RETRY else ("west",)
        claimed = await claim_one(store, providers=callable_now, set_up=set_up)

        assert (claimed.provider, claimed.elsewhere) == (provider, elsewhere)
        assert claimed.doubt

    @pytest.mark.parametrize("died", [False, True])
    async def test_what_nobody_replayed_since_it_came_in_doubt_waits_where_it_may_have_been_taken(
        self, store: Store, clock: MovableClock, died: bool
    ) -> None:
        await add_delivery(store, policy=SendPolicy(on_unknown=OnUnknown.CHECK))
        first = await claim_one(store, providers=("east",))
        if died:
            clock.advance(seconds=LEASE + 1)
        else:
            await self._fail(store, first, "unknown")

        claimed = await claim_one(store, providers=("west",), set_up=("west",))

        assert (claimed.provider, claimed.elsewhere) == ("east", False)

    async def _ask(self, store: Store) -> None:
        await add_delivery(store, policy=SendPolicy(on_unknown=OnUnknown.CHECK))
        await self._fail(store, await claim_one(store, providers=("east",)), "unknown")
        await self._fail(store, await claim_one(store, providers=("east",)), "absent")

    async def _call_in_vain(self, store: Store, *providers: str) -> str:
        claimed = await claim_one(store, providers=providers)
        await self._fail(store, claimed, "transient")
        return claimed.provider

    async def _fail(self, store: Store, claimed: Claimed, outcome: str) -> None:
        await self._end(store, claimed, DeliveryState.PENDING, outcome)

    async def _end(
        self, store: Store, claimed: Claimed, state: DeliveryState, outcome: str
    ) -> None:
        now = await store.now()
        call = Attempt(provider=claimed.provider, outcome=outcome, started_at=now, finished_at=now)
        await store.settle([Outcome(claimed=claimed, state=state, attempt=call)])
