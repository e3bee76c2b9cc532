"""The silence integrations asked for: read as written, by all, and never shortened."""

from datetime import timedelta
from functools import partial

from tidings.core.ports import Store
from tidings.store.pauses import pauses_of, prolong
from tidings.testing.store_contract.case import StoreCase


class PauseContract(StoreCase):
    """What must become of pauses."""

    async def test_a_pause_is_read_by_others_for_its_channel_alone(
        self, store: Store, other_store: Store
    ) -> None:
        until = await store.now() + timedelta(hours=1)
        pauses = {("email", "east"): until, ("sms", "east"): until + timedelta(hours=1)}
        await store.run(lambda connection: prolong(connection, pauses))

        found = await other_store.run(lambda connection: pauses_of(connection, "email"))

        assert found == {"east": until}
        assert await store.run(lambda connection: pauses_of(connection, "push")) == {}

    async def test_the_later_end_of_a_pause_is_kept_whatever_comes_last(self, store: Store) -> None:
        until = await store.now()
        for minutes in (5, 9, 7):
            pauses = {("email", "east"): until + timedelta(minutes=minutes)}
            await store.run(partial(prolong, pauses=pauses))

        found = await store.run(lambda connection: pauses_of(connection, "email"))

        assert found == {"east": until + timedelta(minutes=9)}
