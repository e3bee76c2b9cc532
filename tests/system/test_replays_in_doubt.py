"""What a person replays though it may have been sent: that holds while calls are answered."""

from collections.abc import AsyncIterator

import pytest

from tests.system.post_office import PostOffice, open_post_office
from tests.system.silence import BUSY, NO_ANSWER, Asked, Scripted, Silent, once_in_doubt
from tidings.channels.recording import RecordingProvider
from tidings.core.integrations import Integration
from tidings.core.models import Receipt
from tidings.store.dead_letter_rows import Kind
from tidings.store.dead_letters import DeadLetters
from tidings.testing.store_contract.given import a_request


@pytest.fixture
async def office() -> AsyncIterator[PostOffice]:
    async with open_post_office() as office:
        await office.plan_welcomes()
        yield office


async def test_a_person_who_replays_it_in_doubt_has_decided(office: PostOffice) -> None:
    provider = Silent()
    await once_in_doubt(office, provider, "check")
    await office.service(provider=provider).work()

    assert await replay(office) == 1
    await office.service(provider=provider).work()

    assert len(provider.messages) == 2


async def test_what_a_person_decided_stands_while_calls_are_answered(office: PostOffice) -> None:
    provider = Scripted(NO_ANSWER, BUSY, BUSY, Receipt(provider_id="v7"))
    await held_and_replayed(office, provider)

    await work_later(office, provider, times=3)

    row = await office.delivery()
    assert (row["state"], row["tries"], row["provider_id"]) == ("sent", 2, "v7")
    assert len(provider.messages) == 4


async def test_what_a_person_decided_is_over_with_the_next_call_without_an_answer(
    office: PostOffice,
) -> None:
    provider = Scripted(NO_ANSWER, BUSY, NO_ANSWER)
    await held_and_replayed(office, provider)

    await work_later(office, provider, times=4)

    row = await office.delivery()
    assert (row["state"], row["rule"]) == ("held", "unknown_outcome")
    assert len(provider.messages) == 3


async def test_what_a_person_decided_is_over_with_the_death_of_a_worker(
    office: PostOffice,
) -> None:
    provider = Scripted(NO_ANSWER, BUSY)
    await held_and_replayed(office, provider)
    await work_later(office, provider, times=1)
    request = a_request(providers=("test",), limit=1)
    await office.store.claim(request)
    office.clock.advance(seconds=11)

    await work_later(office, provider, times=1)

    assert await office.states() == ["held"]
    assert len(provider.messages) == 2


@pytest.mark.parametrize("policy", ["check", "hold"])
async def test_where_the_integration_is_gone_it_goes_to_whoever_is_called_now(
    office: PostOffice, policy: str
) -> None:
    old, new = Scripted(NO_ANSWER), Asked()
    await office.change(policy={"on_unknown": policy})
    for _ in range(2):
        await office.service(integrations=[Integration(name="old", provider=old)]).work()
        office.clock.advance(seconds=3)
    service = office.service(integrations=[Integration(name="new", provider=new)])

    assert await replay(office) == 1
    await service.work()

    assert (len(old.messages), len(new.messages), new.asked) == (1, 1, [])


async def held_and_replayed(office: PostOffice, provider: Scripted) -> None:
    """Its first call got no answer, the provider can't be asked, and a person wants it again."""
    await once_in_doubt(office, provider, "check")
    await office.service(provider=provider).work()
    assert await replay(office) == 1


async def work_later(office: PostOffice, provider: Scripted, *, times: int) -> None:
    """So many looks, and a minute after each."""
    for _ in range(times):
        await office.service(provider=provider).work()
        office.clock.advance(minutes=1)


async def test_a_replay_asks_first_where_that_is_wanted(office: PostOffice) -> None:
    provider = Asked(Receipt(provider_id="v7"))
    await office.change(policy={"on_unknown": "check"}, state="held", doubt=True, provider="test")

    assert await replay(office) == 1
    await office.service(provider=provider).work()

    assert provider.messages == []
    assert (await office.delivery())["provider_id"] == "v7"


async def test_what_turned_out_to_be_taken_is_not_replayed(office: PostOffice) -> None:
    await office.service(provider=RecordingProvider()).work()
    await office.change(state="held", doubt=True)

    assert await replay(office) == 0


async def replay(office: PostOffice) -> int:
    letters = DeadLetters(office.store, clock=office.clock)
    ids = [(await office.delivery())["id"]]
    return await letters.replay(Kind.DELIVERY, ids, by="a test", in_doubt=True)
