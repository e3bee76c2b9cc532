"""What the checker takes for an explanation of a repeat: a call whose answer nobody knew then."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from tests.faults.ends import read_ends
from tidings.core.ports import Store
from tidings.store import schema
from tidings.store.sqlite import SqliteStore
from tidings.testing.clock import MovableClock
from tidings.testing.store_contract.given import add_delivery, claim_one


@pytest.mark.parametrize(
    ("outcome", "fenced", "answered", "unanswered"),
    [
        ("unknown", False, 1, 1),
        ("sent", True, 9, 1),
        ("sent", True, 1, 0),
        ("sent", False, 9, 0),
    ],
)
async def test_a_late_answer_explains_a_repeat_only_if_that_had_begun(
    outcome: str, fenced: bool, answered: int, unanswered: int
) -> None:
    store: Store = await SqliteStore.open(None, clock=MovableClock())
    try:
        await add_delivery(store)
        first = await _call(store, 1, 0, answered, outcome, fenced=fenced)
        await _call(store, 2, 5, 6, "sent", fenced=False, of=first)

        (end,) = (await read_ends(store)).deliveries
    finally:
        await store.aclose()

    assert end.unanswered == unanswered


async def _call(
    store: Store,
    epoch: int,
    began: int,
    ended: int,
    outcome: str,
    *,
    fenced: bool,
    of: str | None = None,
) -> str:
    """One on record, in seconds from now; whose it is."""
    now, id_ = await store.now(), of or (await claim_one(store)).id
    call = schema.attempts.insert().values(
        delivery_id=id_,
        epoch=epoch,
        provider="smtp",
        outcome=outcome,
        fenced=fenced,
        started_at=now + timedelta(seconds=began),
        finished_at=now + timedelta(seconds=ended),
    )

    def work(connection: sa.Connection) -> None:
        connection.execute(call)

    await store.run(work)
    return id_
