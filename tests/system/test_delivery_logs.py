"""What the log says of calls."""

import pytest
import structlog
from structlog.contextvars import merge_contextvars

from tests.system.post_office import PostOffice, running, until
from tests.system.vendors import Vendor
from tidings.core.errors import OutcomeUnknown, PermanentError, TransientError
from tidings.core.integrations import Limits
from tidings.core.logs import get_logger
from tidings.core.models import Message, Receipt
from tidings.core.ports import Change, Result
from tidings.memory_bus.shared_state import MemorySharedState


@pytest.mark.parametrize(
    "trouble",
    [
        TransientError("421 busy", retry_after=30),
        PermanentError("550 never"),
        OutcomeUnknown("no answer"),
        OutcomeUnknown("gateway", retry_after="30"),  # type: ignore[arg-type]  # its own fault
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


async def test_workers_that_can_not_agree_for_a_fault_of_ours_say_so(office: PostOffice) -> None:
    class Broken(MemorySharedState):
        async def change(self, _key: str, _change: Change[Result]) -> Result:
            raise ValueError

    limited = Vendor().named("east", limits=Limits(rate=100.0))
    service = office.service(integrations=[limited], shared=Broken(clock=office.clock))

    with structlog.testing.capture_logs() as lines:
        async with running(service):
            await until(lambda: any("can't be agreed on" in line["event"] for line in lines))

    assert not any("receipts" in line["event"] for line in lines)
