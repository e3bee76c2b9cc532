"""One id, one event: the same content again is a repeat, any other is refused."""

from typing import Any

import orjson
import pytest

from tidings.core.ports import Store
from tidings.core.work import AcceptStatus, IdempotencyRecord
from tidings.store import schema
from tidings.testing.store_contract.case import StoreCase
from tidings.testing.store_contract.given import (
    accept,
    add_user,
    an_acceptance,
    an_event,
    row,
    rows,
)

Data = dict[str, Any]

STORED = AcceptStatus.STORED

#: what a database may give back in another form than it came in
AGAIN: list[Data] = [
    {"a": 1.0, "b": [1e16, 1.2345678901234567e18, 1e22, 1e100, -0.0, 5e-324]},
    {"long": 1, "b": {"y": [], "x": None}, "a": "ß"},
    {"most": 2**63 - 1, "least": -(2**63), "yes": [True, False]},
]
#: what Python holds equal, and JSON does not
OTHERS: list[tuple[Data, Data]] = [
    ({"paid": True}, {"paid": 1}),
    ({"paid": 0}, {"paid": False}),
    ({"paid": [{"by": 1.0}]}, {"paid": [{"by": True}]}),
]


def _turned(data: Data) -> Data:
    """The same data, its keys in the other order."""
    return dict(reversed(data.items()))


class SameEventContract(StoreCase):
    """What `accept` must make of an id that was there before."""

    async def test_the_same_id_with_the_same_content_is_a_replay(self, store: Store) -> None:
        await add_user(store, "ada")
        event = an_event(store, user_id="ada", data={"a": 1, "b": [2.0, "x"]})
        await accept(store, event)

        again = await accept(
            store, event, idempotency=IdempotencyRecord(key="k1", fingerprint="f1")
        )

        assert (again.status, again.event_id) == (AcceptStatus.REPLAYED, event.id)
        assert len(await rows(store, schema.events)) == 1

    @pytest.mark.parametrize("data", AGAIN)
    async def test_what_is_stored_says_the_same_as_itself(self, store: Store, data: Data) -> None:
        first = an_event(store, data=data)
        await accept(store, first)

        again = await accept(store, an_event(store, id=first.id, data=_turned(data)))

        assert again.status == AcceptStatus.REPLAYED

    @pytest.mark.parametrize(("data", "other"), OTHERS)
    async def test_true_is_no_number(self, store: Store, data: Data, other: Data) -> None:
        first = an_event(store, data=data)
        await accept(store, first)

        second = await accept(store, an_event(store, id=first.id, data=other))

        assert second.status == AcceptStatus.ID_REUSED
        assert orjson.dumps((await row(store, schema.events))["data"]) == orjson.dumps(data)

    @pytest.mark.parametrize(("one", "other"), [("k1", "k2"), ("k1", None), (None, "k1")])
    async def test_another_cancel_key_is_other_content(
        self, store: Store, one: str | None, other: str | None
    ) -> None:
        event = an_event(store)
        await accept(store, event, cancel_key=one)

        same = await accept(store, event, cancel_key=one)
        second = await accept(store, event, cancel_key=other)

        assert (same.status, second.status) == (AcceptStatus.REPLAYED, AcceptStatus.ID_REUSED)
        assert (await row(store, schema.events))["cancel_key"] == one

    @pytest.mark.parametrize(
        "changes", [{"type": "OTHER"}, {"user_id": "bob"}, {"user_id": None}, {"data": {"a": 2}}]
    )
    async def test_the_same_id_with_other_content_is_told_apart(
        self, store: Store, changes: dict[str, Any]
    ) -> None:
        await add_user(store, "ada")
        await add_user(store, "bob")
        event = an_event(store, user_id="ada", data={"a": 1})
        await accept(store, event)

        other = await accept(
            store,
            an_event(store, **({"id": event.id, "user_id": "ada", "data": {"a": 1}} | changes)),
        )

        assert (other.status, other.event_id) == (AcceptStatus.ID_REUSED, event.id)
        stored = await row(store, schema.events)
        assert (stored["type"], stored["user_id"], stored["data"]) == (
            "ORDER_SHIPPED",
            "ada",
            {"a": 1},
        )

    async def test_a_second_use_of_an_id_in_one_batch_sees_the_first(self, store: Store) -> None:
        event = an_event(store, data={"a": 1})
        other = an_event(store, id=event.id, data={"a": 2})

        accepted = await store.accept([an_acceptance(each) for each in (event, event, other)])

        assert [each.status for each in accepted] == [
            STORED,
            AcceptStatus.REPLAYED,
            AcceptStatus.ID_REUSED,
        ]
        assert (await row(store, schema.events))["data"] == {"a": 1}
