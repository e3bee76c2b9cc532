from dataclasses import replace

from structlog.testing import capture_logs

from tests.unit.delivery.claims import NOW, claimed
from tidings.core.errors import AddressRejected
from tidings.core.models import Receipt
from tidings.core.work import Outcome
from tidings.delivery import outcomes
from tidings.delivery.dead_addresses import IN_A_ROW, DeadAddresses
from tidings.delivery.retry import exponential


class Users:
    """Keeps what was dropped."""

    def __init__(self) -> None:
        self.dropped: list[str] = []

    async def reject(self, _channel: str, address: str) -> None:
        self.dropped.append(address)


def call(integration: str) -> outcomes.Call:
    return outcomes.Call(provider=integration, started_at=NOW, finished_at=NOW)


def refused(address: str, *, by: str = "east") -> Outcome:
    to = replace(claimed(), address=address)
    return outcomes.not_sent(to, call(by), AddressRejected("no such user"), exponential())


async def refuse(dead: DeadAddresses, count: int, *, by: str = "east") -> None:
    for number in range(count):
        await dead.note(refused(f"{by}-{number}@example.com", by=by))


async def test_an_integration_that_refuses_everybody_drops_ten_addresses_and_says_so_once() -> None:
    users = Users()
    dead = DeadAddresses(users.reject)

    with capture_logs() as logs:
        await refuse(dead, 10 * IN_A_ROW)

    assert len(users.dropped) == IN_A_ROW
    assert [(line["log_level"], line["integration"]) for line in logs] == [("error", "east")]


async def test_one_that_takes_a_message_is_believed_again() -> None:
    users = Users()
    dead = DeadAddresses(users.reject)
    await refuse(dead, 2 * IN_A_ROW)

    await dead.note(outcomes.sent(claimed(), call("east"), Receipt()))
    await refuse(dead, IN_A_ROW)

    assert len(users.dropped) == 2 * IN_A_ROW


async def test_each_integration_is_judged_for_itself() -> None:
    users = Users()
    dead = DeadAddresses(users.reject)
    await refuse(dead, 2 * IN_A_ROW)

    await dead.note(outcomes.sent(claimed(), call("west"), Receipt()))
    await dead.note(refused("west@example.com", by="west"))
    await dead.note(refused("east@example.com"))

    assert "west@example.com" in users.dropped
    assert "east@example.com" not in users.dropped
