import asyncio
from datetime import timedelta
from math import inf, nan

import pytest
import structlog

from tidings.core.errors import (
    AddressRejected,
    OutcomeUnknown,
    TransientError,
)
from tidings.core.metrics import Metrics
from tidings.core.models import Content, Lane, Message, Receipt
from tidings.core.ports import Middleware, Send
from tidings.core.quiet_log import QuietLog
from tidings.delivery.middleware import Meter, contained_find, containment, timeout, wrapped

MESSAGE = Message(
    id="m1",
    channel="email",
    address="a@example.com",
    content=Content(text="Hi"),
    lane=Lane.CRITICAL,
)


def ending_in(end: Exception | None) -> Send:
    async def send(_message: Message) -> Receipt:
        if end is not None:
            raise end
        return Receipt(provider_id="p1")

    return send


class _Asked:
    """Can be asked, and answers by an error."""

    concurrency = 1

    def __init__(self, error: Exception) -> None:
        self._answer = ending_in(error)

    async def send(self, message: Message) -> Receipt:
        return await self._answer(message)

    async def find(self, message: Message) -> Receipt | None:
        return await self._answer(message)

    async def aclose(self) -> None:
        pass


async def never(_message: Message) -> Receipt:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


def counted(metrics: Metrics, outcome: str) -> float | None:
    labels = {"channel": "email", "lane": "critical", "provider": "smtp", "outcome": outcome}
    return metrics.registry.get_sample_value("tidings_attempts_total", labels)


async def test_a_call_that_takes_too_long_has_an_unknown_outcome() -> None:
    send = timeout(0.01)(never)

    with pytest.raises(OutcomeUnknown, match=r"within 0\.01 s"):
        await send(MESSAGE)


async def test_a_call_in_time_passes_through_every_layer() -> None:
    layers = (
        Meter(Metrics(), channel="email", provider="smtp"),
        containment(QuietLog("delivery")),
        timeout(5),
    )

    assert await wrapped(ending_in(None), *layers)(MESSAGE) == Receipt(provider_id="p1")


async def test_the_first_layer_is_the_outermost() -> None:
    order: list[str] = []

    def named(name: str) -> Middleware:
        def layer(send: Send) -> Send:
            async def noting(message: Message) -> Receipt:
                order.append(name)
                return await send(message)

            return noting

        return layer

    await wrapped(ending_in(None), named("outer"), named("inner"))(MESSAGE)

    assert order == ["outer", "inner"]


async def test_a_foreign_exception_becomes_an_unknown_outcome_and_is_logged() -> None:
    send = containment(QuietLog("delivery"))(ending_in(KeyError("a@example.com")))

    with (
        structlog.testing.capture_logs() as lines,
        pytest.raises(OutcomeUnknown, match="KeyError"),
    ):
        await send(MESSAGE)

    assert [line["delivery_id"] for line in lines] == ["m1"]
    assert "in send" in lines[0]["stack"]
    assert "@" not in str(lines)


async def test_a_provider_that_always_breaks_is_told_once_a_second() -> None:
    send = containment(QuietLog("delivery"))(ending_in(KeyError("x")))

    with structlog.testing.capture_logs() as lines:
        await asyncio.gather(*[send(MESSAGE) for _ in range(100)], return_exceptions=True)

    assert len(lines) == 1


async def test_our_own_errors_pass_as_they_are() -> None:
    error = TransientError("later", retry_after=5)

    with pytest.raises(TransientError) as raised:
        await containment(QuietLog("delivery"))(ending_in(error))(MESSAGE)

    assert raised.value is error


@pytest.mark.parametrize("wait", ["30", timedelta(seconds=30), nan, inf, -1.0])
@pytest.mark.parametrize("error", [TransientError, OutcomeUnknown])
async def test_a_wait_that_is_none_is_left_out_and_the_error_stands(
    error: type[TransientError | OutcomeUnknown], wait: object
) -> None:
    broken = error("later", retry_after=wait)  # type: ignore[arg-type]  # a provider's own fault
    quiet_log = QuietLog("delivery")
    find = contained_find(_Asked(broken), seconds=5, quiet_log=QuietLog("delivery"))
    assert find is not None

    for call in (containment(quiet_log)(ending_in(broken)), find):
        broken.retry_after = wait  # type: ignore[assignment]
        with structlog.testing.capture_logs() as lines, pytest.raises(error) as raised:
            await call(MESSAGE)

        assert raised.value is broken
        assert broken.retry_after is None
        assert [line["delivery_id"] for line in lines] == ["m1"]


@pytest.mark.parametrize("wait", [0, 5, 2.5, 10**400])
async def test_a_wait_of_seconds_is_kept_and_needs_no_line(wait: float) -> None:
    error = TransientError("later", retry_after=wait)

    with structlog.testing.capture_logs() as lines, pytest.raises(TransientError):
        await containment(QuietLog("delivery"))(ending_in(error))(MESSAGE)

    assert (error.retry_after, lines) == (wait, [])


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (None, "sent"),
        (TransientError("x"), "transient"),
        (AddressRejected("x"), "rejected"),
        (OutcomeUnknown("x"), "unknown"),
    ],
)
async def test_every_call_is_counted_by_its_outcome(end: Exception | None, outcome: str) -> None:
    metrics = Metrics()
    send = Meter(metrics, channel="email", provider="smtp")(ending_in(end))

    await asyncio.gather(send(MESSAGE), return_exceptions=True)

    assert counted(metrics, outcome) == 1
    labels = b'{channel="email",lane="critical",provider="smtp"}'
    assert b"tidings_attempt_seconds_count" + labels + b" 1.0" in metrics.render()


@pytest.mark.parametrize(("answer", "outcome"), [(Receipt(), "found"), (None, "absent")])
async def test_a_question_is_counted_by_its_answer(answer: Receipt | None, outcome: str) -> None:
    async def find(_message: Message) -> Receipt | None:
        return answer

    metrics = Metrics()

    assert await Meter(metrics, channel="email", provider="smtp").asking(find)(MESSAGE) == answer
    assert counted(metrics, outcome) == 1


async def test_a_call_that_is_broken_off_is_counted_as_unknown() -> None:
    metrics = Metrics()
    send = Meter(metrics, channel="email", provider="smtp")(never)
    task = asyncio.ensure_future(send(MESSAGE))

    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])

    assert counted(metrics, "unknown") == 1


@pytest.mark.parametrize("given", [None, "p1", Receipt(provider_id=1)])  # type: ignore[arg-type]  # a provider's own fault
async def test_a_call_that_came_back_was_taken_whatever_it_gave(given: object) -> None:
    async def careless(_message: Message) -> Receipt:
        return given  # type: ignore[return-value]  # as providers without types do

    with structlog.testing.capture_logs() as lines:
        receipt = await containment(QuietLog("delivery"))(careless)(MESSAGE)

    assert isinstance(receipt, Receipt)
    assert isinstance(receipt.provider_id, str | None)
    assert len(lines) == 1
