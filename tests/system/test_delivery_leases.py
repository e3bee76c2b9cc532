"""What a worker has in hand: held beat by beat, let go in time, and settled once."""

import asyncio

import pytest
import structlog

from tests.system.post_office import (
    HeldProvider,
    PostOffice,
    running,
    until,
)
from tests.system.troubled_store import TroubledStore
from tidings.channels.recording import RecordingProvider
from tidings.core.errors import TransientError
from tidings.core.integrations import Integration, Limits
from tidings.core.ports import Change, Result
from tidings.memory_bus.shared_state import MemorySharedState
from tidings.store import schema
from tidings.users.people import Preference


@pytest.fixture
def store(office: PostOffice) -> TroubledStore:
    return TroubledStore(office.store)


class BreakableSharedState(MemorySharedState):
    """Raises what nobody foresaw, for as long as a test says."""

    is_broken = False

    async def change(self, key: str, change: Change[Result]) -> Result:
        if self.is_broken:
            raise ZeroDivisionError("a fault of ours")
        return await super().change(key, change)


async def test_what_is_in_hand_is_beaten_for(office: PostOffice, store: TroubledStore) -> None:
    await office.plan_welcomes()
    slow = HeldProvider()

    async with running(
        office.service(store=store, provider=slow, beat_seconds=0.02, drain_seconds=0.5)
    ):
        await until(lambda: store.answered["beat"] >= 2)
        slow.release.set()


async def test_a_slow_send_is_held_by_its_heartbeat(
    office: PostOffice, store: TroubledStore
) -> None:
    await office.plan_welcomes()
    slow, other = HeldProvider(), RecordingProvider()

    async with running(office.service(store=store, provider=slow, beat_seconds=0.05)):
        await until(lambda: slow.started == 1)
        async with running(office.service(provider=other, poll_seconds=0.02)):
            for _ in range(4):  # three leases long
                office.clock.advance(seconds=8)
                await _beats(store, 2)
        slow.release.set()
        await until(lambda: _all_sent(office))

    assert other.messages == []
    assert len(slow.messages) == 1


async def test_a_beat_that_hangs_is_followed_by_another(
    office: PostOffice, store: TroubledStore
) -> None:
    await office.plan_welcomes()
    slow = HeldProvider()
    store.hanging = frozenset({"beat"})

    async with running(office.service(store=store, provider=slow, beat_seconds=0.05)):
        await until(lambda: store.asked["beat"] >= 3)
        slow.release.set()
        await until(lambda: _all_sent(office))


async def test_what_was_claimed_too_slowly_is_given_back_and_not_called(
    office: PostOffice, store: TroubledStore
) -> None:
    await office.plan_welcomes()
    store.claim_seconds = 0.6

    with structlog.testing.capture_logs() as lines:
        await office.service(store=store, lease_seconds=0.5, beat_seconds=0.1).work()

    row = await office.delivery()
    assert (row["state"], row["tries"]) == ("pending", 0)
    assert office.provider.messages == []
    assert await office.rows(schema.attempts) == []
    assert any("the lease was over" in line["event"] for line in lines)


async def test_a_claim_that_a_fault_of_ours_broke_off_is_given_back_and_is_no_death(
    office: PostOffice, store: TroubledStore
) -> None:
    await office.plan_welcomes()
    store.claim_seconds = 0.3  # so that leave is asked for once more
    shared = BreakableSharedState(clock=office.clock)
    service = office.service(
        store=store,
        shared=shared,
        integrations=[Integration(name="test", provider=office.provider, limits=Limits(rate=100))],
        lease_seconds=1,
        beat_seconds=0.1,
        poll_seconds=0.05,
    )

    async with running(service):
        await until(lambda: _has_epoch(office, 1))
        shared.is_broken = True
        await until(lambda: store.answered["claim"] == store.asked["claim"])
        shared.is_broken = False
        await until(lambda: _all_sent(office))

    delivery = await office.delivery()
    assert (delivery["lapses"], delivery["doubt"], len(office.provider.messages)) == (0, False, 1)
    assert [each["outcome"] for each in await office.rows(schema.attempts)] == ["sent"]


async def test_a_no_that_was_confirmed_while_the_database_was_slow_to_answer_is_heeded(
    office: PostOffice, store: TroubledStore
) -> None:
    await office.plan_welcomes()
    store.claim_seconds, store.withheld = 0.1, frozenset({"reread"})

    async with running(office.service(store=store)):
        await until(lambda: store.done["reread"] == 1)
        no = Preference(workflow="welcome", channel="email", enabled=False)
        await office.house.users.set_preferences("u-user0", [no])
        await asyncio.sleep(0.06)  # longer than what was read holds
        store.withheld = frozenset()
        store.released.set()
        await until(lambda: _is_over(office))

    assert (await office.states(), office.provider.messages) == (["suppressed"], [])


async def test_a_claim_that_overtakes_our_own_starts_no_second_call(office: PostOffice) -> None:
    await office.plan_welcomes()
    slow = HeldProvider()
    service = office.service(provider=slow, lease_seconds=5, beat_seconds=1, poll_seconds=0.02)

    async with running(service):
        await until(lambda: slow.started == 1)
        office.clock.advance(seconds=6)
        await until(lambda: _has_epoch(office, 2))
        slow.release.set()
        await until(lambda: _all_sent(office))

    assert slow.started == 1


async def test_a_claim_of_our_own_whose_answer_is_late_starts_no_second_call(
    office: PostOffice, store: TroubledStore
) -> None:
    await office.plan_welcomes()
    slow = HeldProvider()
    service = office.service(store=store, provider=slow, lease_seconds=5, poll_seconds=0.02)

    async with running(service):
        await until(lambda: slow.started == 1)
        store.withheld = frozenset({"claim"})
        office.clock.advance(seconds=6)
        await until(lambda: _has_epoch(office, 2))
        slow.release.set()
        await until(lambda: store.answered["settle"] == 1)
        store.withheld = frozenset()
        store.released.set()
        await until(lambda: _all_sent(office))

    assert slow.started == 1


async def test_an_outcome_that_counted_is_not_told_again_under_a_claim_of_our_own(
    office: PostOffice, store: TroubledStore
) -> None:
    await office.plan_welcomes()
    office.provider.script([TransientError("421 busy")])
    store.withheld = frozenset({"settle"})

    async with running(office.service(store=store, poll_seconds=0.02)):
        await until(lambda: _is_pending(office))
        office.clock.advance(seconds=120)
        await until(lambda: _has_epoch(office, 2))
        store.withheld = frozenset()
        store.released.set()
        await until(lambda: _all_sent(office))

    assert (await office.delivery())["tries"] == 1
    assert [each["outcome"] for each in await office.rows(schema.attempts)] == ["transient", "sent"]


async def test_a_late_outcome_is_kept_as_an_attempt_and_overwrites_nothing(
    office: PostOffice,
) -> None:
    await office.plan_welcomes()
    slow, other = HeldProvider(), RecordingProvider()

    with structlog.testing.capture_logs() as lines:
        service = office.service(provider=slow, lease_seconds=5, beat_seconds=60, poll_seconds=60)
        async with running(service):
            await until(lambda: slow.started == 1)
            office.clock.advance(seconds=6)
            await office.service(provider=other).work()
            slow.release.set()

    row = await office.delivery()
    attempts = {each["epoch"]: each for each in await office.rows(schema.attempts)}
    assert (row["state"], row["epoch"], row["provider_id"]) == ("sent", 2, "recorded-1")
    assert (attempts[1]["fenced"], attempts[2]["fenced"]) == (True, False)
    assert any("a later claim had overtaken it" in line["event"] for line in lines)


async def _beats(store: TroubledStore, count: int) -> None:
    """So many more beats were answered."""
    enough = store.answered["beat"] + count
    await until(lambda: store.answered["beat"] >= enough)


async def _has_epoch(office: PostOffice, epoch: int) -> bool:
    return bool((await office.delivery())["epoch"] == epoch)


async def _is_pending(office: PostOffice) -> bool:
    row = await office.delivery()
    return (row["state"], row["epoch"]) == ("pending", 1)


async def _is_over(office: PostOffice) -> bool:
    return (await office.delivery())["state"] not in ("pending", "sending")


async def _all_sent(office: PostOffice) -> bool:
    return set(await office.states()) == {"sent"}
