"""What the log says of calls."""

from collections.abc import AsyncIterator

import pytest
import structlog
from structlog.contextvars import merge_contextvars

from tests.system.post_office import PostOffice, open_post_office
from tests.system.vendors import Vendor
from tidings.core.errors import OutcomeUnknown, PermanentError, TransientError
from tidings.core.logs import get_logger
from tidings.core.models import Message, Receipt


@pytest.fixture
async def office() -> AsyncIterator[PostOffice]:
    async with open_post_office() as office:
        yield office


@pytest.mark.parametrize(
    "trouble",
    [
        TransientError("421 busy", retry_after=30),
        PermanentError("550 never"),
        OutcomeUnknown("no answer"),
        KeyError("a fault of the provider"),
    ],
)
async def test_each_line_of_a_failing_call_names_the_integration(
    office: PostOffice, trouble: Exception
) -> None:
    class Troubled(Vendor):
        async def send(self, _message: Message) -> Receipt:
            get_logger("vendor").warning("it does not work")
            raise trouble

    await office.plan_welcomes()
    service = office.service(integrations=[Troubled().named("east")])

    with structlog.testing.capture_logs(processors=[merge_contextvars]) as lines:
        await service.work()

    told = [line for line in lines if line["log_level"] in ("warning", "error")]
    assert len(told) >= 2
    assert {line.get("integration") for line in told} == {"east"}
    assert "@" not in str(lines)
