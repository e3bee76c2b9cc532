"""A call whose answer never came: it may have been taken, and the workflow says what then."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from tests.system.post_office import PATIENCE, PostOffice, open_post_office, running, until
from tests.system.silence import Asked, Deaf, Silent, once_in_doubt
from tidings.channels.recording import RecordingProvider
from tidings.core.errors import PermanentError, TemplateError, TransientError
from tidings.core.integrations import Integration, Limits
from tidings.core.models import Content, Message, Receipt
from tidings.delivery.gate.breaker import IN_ROW
from tidings.store import schema
from tidings.users.people import Preference


@pytest.fixture
async def office() -> AsyncIterator[PostOffice]:
    async with open_post_office() as office:
        await office.plan_welcomes()
        yield office


async def attempts(office: PostOffice) -> list[tuple[str, str | None]]:
    return [(row["outcome"], row["error"]) for row in await office.rows(schema.attempts)]


def state_of_integration(office: PostOffice) -> float | None:
    labels = {"channel": "email", "provider": "test"}
    return office.house.metrics.registry.get_sample_value("tidings_integration_state", labels)


async def test_it_is_called_again_where_nothing_else_is_wanted(office: PostOffice) -> None:
    provider = Silent()
    await once_in_doubt(office, provider, "retry")

    await office.service().work()

    assert await office.states() == ["sent"]
    assert [message.id for message in provider.messages] == [
        message.id for message in office.provider.messages
    ]


async def test_it_is_held_where_at_most_one_call_is_wanted(office: PostOffice) -> None:
    await once_in_doubt(office, Silent(), "hold")

    assert await office.service().work() == 0

    row = await office.delivery()
    assert (row["state"], row["rule"], row["reason"]) == ("held", "unknown_outcome", "no answer")
    assert row["due_at"] is None


async def test_what_the_provider_has_is_sent_and_is_not_sent_again(office: PostOffice) -> None:
    provider = Asked(Receipt(provider_id="x-1"))
    await once_in_doubt(office, provider, "check")

    await office.service(provider=provider).work()

    row = await office.delivery()
    assert (row["state"], row["provider_id"]) == ("sent", "x-1")
    assert await attempts(office) == [("unknown", "no answer"), ("found", None)]
    assert [message.id for message in provider.messages] == provider.asked == [row["id"]]


async def test_what_the_provider_surely_has_not_is_sent_again(office: PostOffice) -> None:
    await once_in_doubt(office, Silent(), "check")
    service = office.service()

    await service.work()
    asked = await office.delivery()
    await service.work()

    assert (asked["state"], asked["doubt"], asked["tries"]) == ("pending", False, 1)
    assert await office.states() == ["sent"]
    assert await attempts(office) == [
        ("unknown", "no answer"),
        ("absent", "Asked whether it has it, test said no."),
        ("sent", None),
    ]


async def test_what_was_asked_about_is_called_at_once(office: PostOffice) -> None:
    await once_in_doubt(office, Silent(), "check")

    async with running(office.service(poll_seconds=PATIENCE)):
        await until(lambda: len(office.provider.messages) == 1)


async def test_a_question_takes_a_token_of_the_rate_as_a_call_does(office: PostOffice) -> None:
    provider = Asked(None)
    await once_in_doubt(office, provider, "check")
    limited = Integration(name="test", provider=provider, limits=Limits(rate=1.0))
    service = office.service(integrations=[limited])

    await service.work()
    assert await service.work() == 0
    assert (len(provider.asked), len(provider.messages)) == (1, 1)
    office.clock.advance(seconds=1)
    await service.work()

    assert (len(provider.asked), len(provider.messages)) == (1, 2)


async def test_what_is_asked_is_watched_as_a_call_is(office: PostOffice) -> None:
    provider = Asked(*[TransientError("503 out of order")] * IN_ROW, Receipt())
    await office.plan_welcomes(IN_ROW)
    await office.change(policy={"on_unknown": "check"}, doubt=True, provider="test")
    service = office.service(provider=provider)

    await service.work()
    after_silence = state_of_integration(office)
    office.clock.advance(seconds=3)
    await service.work()

    assert (after_silence, state_of_integration(office)) == (2, 1)


@pytest.mark.parametrize("error", [TransientError("busy"), PermanentError("no"), ValueError("?")])
async def test_a_provider_that_can_not_tell_is_asked_again_later(
    office: PostOffice, error: Exception
) -> None:
    provider = Asked(error, Receipt())
    await once_in_doubt(office, provider, "check")
    service = office.service(provider=provider)

    await service.work()
    assert (await office.delivery())["state"] == "pending"
    assert await service.work() == 0
    office.clock.advance(seconds=5)
    await service.work()

    assert await office.states() == ["sent"]
    assert [outcome for outcome, _ in await attempts(office)] == ["unknown", "unknown", "found"]
    assert len(provider.messages) == 1


async def test_a_provider_that_does_not_answer_the_question_is_asked_again_later(
    office: PostOffice,
) -> None:
    provider = Deaf()
    await once_in_doubt(office, provider, "check")

    await office.service(provider=provider, call_seconds=0.01).work()

    row = await office.delivery()
    assert (row["state"], row["tries"]) == ("pending", 2)
    assert "did not answer within 0.01 s" in row["reason"]
    assert len(provider.messages) == 1


async def test_where_nobody_can_be_asked_it_waits_for_a_person(office: PostOffice) -> None:
    provider = Silent()
    await once_in_doubt(office, provider, "check")

    await office.service(provider=provider).work()

    row = await office.delivery()
    assert (row["state"], row["rule"]) == ("held", "unknown_outcome")
    assert row["reason"] == "It may have been sent, and test can't be asked whether it has it."
    assert len(provider.messages) == 1


async def test_a_certain_failure_is_never_asked_about(office: PostOffice) -> None:
    class Busy(RecordingProvider):
        async def find(self, message: Message) -> Receipt | None:
            raise AssertionError(message.id)

    provider = Busy()
    provider.script([TransientError("busy"), None])
    await office.change(policy={"on_unknown": "check"})
    service = office.service(provider=provider)

    await service.work()
    office.clock.advance(seconds=3)
    await service.work()

    assert await office.states() == ["sent"]


async def test_being_stopped_while_asking_changes_nothing(office: PostOffice) -> None:
    provider = Deaf()
    await once_in_doubt(office, provider, "check")
    service = office.service(provider=provider, drain_seconds=0.1)
    stopping = asyncio.Event()
    running = asyncio.create_task(service.run(stopping))
    while (await office.delivery())["state"] != "sending":
        await asyncio.sleep(0.005)

    stopping.set()
    await running

    row = await office.delivery()
    assert (row["state"], row["doubt"], row["tries"]) == ("pending", True, 1)


OPTED_OUT = Preference(workflow="*", channel="*", enabled=False)


async def test_an_opt_out_does_not_hide_what_an_earlier_call_came_to(office: PostOffice) -> None:
    provider = Asked(Receipt(provider_id="x-1"))
    await once_in_doubt(office, provider, "check")
    await opt_out(office)

    await office.service(provider=provider).work()

    row = await office.delivery()
    assert (row["state"], row["provider_id"]) == ("sent", "x-1")
    assert len(provider.messages) == 1


@pytest.mark.parametrize(
    ("answer", "may_have_arrived"), [(None, False), (TransientError("busy"), True)]
)
async def test_after_an_opt_out_a_provider_that_has_it_not_or_can_not_tell_is_not_called(
    office: PostOffice, answer: Exception | None, may_have_arrived: bool
) -> None:
    provider = Asked(answer)
    await once_in_doubt(office, provider, "check")
    await opt_out(office)

    await office.service(provider=provider).work()

    row = await office.delivery()
    assert (row["state"], row["rule"], row["doubt"]) == (
        "suppressed",
        "preference",
        may_have_arrived,
    )
    assert row["reason"].endswith("may have arrived.") is may_have_arrived
    assert len(provider.messages) == len(provider.asked) == 1


async def test_after_an_opt_out_a_template_that_can_not_be_rendered_is_no_failure(
    office: PostOffice,
) -> None:
    provider = Asked()
    await once_in_doubt(office, provider, "check")
    await opt_out(office)

    await office.service(provider=provider, templates=Broken()).work()

    assert (await office.delivery())["rule"] == "preference"
    assert provider.asked == []


class Broken:
    """Renders nothing."""

    async def render(self, _version: str, _context: Mapping[str, Any]) -> Content:
        raise TemplateError("line 1: no such name")


async def opt_out(office: PostOffice) -> None:
    """The user of the only delivery wants nothing any more."""
    user = (await office.delivery())["user_id"]
    await office.house.users.set_preferences(user, [OPTED_OUT])
