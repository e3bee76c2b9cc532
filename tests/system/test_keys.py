"""Keys on both databases: made, checked, used, ended, and never to be read again."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import structlog

from tests.system.troubled_store import TroubledStore
from tidings.api.keyring import Keyring
from tidings.api.keys import KeyService
from tidings.core.errors import Conflict, InvalidInput, NotFound, Unauthorized, Unavailable
from tidings.core.keys import NewKey, Scope
from tidings.core.ports import Store
from tidings.store.schema import api_keys
from tidings.testing.clock import MovableClock


@pytest.fixture
def keyring(store: Store, clock: MovableClock) -> Keyring:
    return Keyring(store, clock=clock)


@pytest.fixture
def keys(store: Store, clock: MovableClock, keyring: Keyring) -> KeyService:
    return KeyService(store, clock=clock, changed=keyring.forget)


async def admin(keys: KeyService, name: str = "admin") -> NewKey:
    return await keys.create(name, [Scope.ADMIN], by="a test")


async def test_a_key_is_known_by_its_token_from_the_moment_it_is_made(
    keys: KeyService, keyring: Keyring
) -> None:
    assert not await keyring.is_configured()

    made = await admin(keys)

    assert await keyring.is_configured()
    assert (await keyring.by_token(made.token)).id == made.key.id


async def test_a_token_of_the_same_id_and_another_secret_is_refused(
    keys: KeyService, keyring: Keyring
) -> None:
    made = await admin(keys)
    changed = made.token[:-1] + ("a" if made.token[-1] != "a" else "b")

    for token in (changed, "tdg_aaaaaaaa_" + "a" * 52, "", made.key.id):
        with pytest.raises(Unauthorized):
            await keyring.by_token(token)


async def test_a_revoked_key_is_refused_at_once_and_having_keys_is_never_undone(
    keys: KeyService, keyring: Keyring
) -> None:
    made = await admin(keys)
    await keyring.by_token(made.token)

    revoked = await keys.revoke(made.key.id)

    assert revoked.revoked_at is not None
    assert await keyring.is_configured()
    with pytest.raises(Unauthorized, match="revoked"):
        await keyring.by_token(made.token)
    assert (await keys.revoke(made.key.id)).revoked_at == revoked.revoked_at


async def test_a_key_revoked_by_another_process_ends_when_the_keys_are_read_again(
    store: Store, keys: KeyService, clock: MovableClock
) -> None:
    made, elsewhere = await admin(keys), Keyring(store, clock=clock, fresh=0.0)
    await elsewhere.by_token(made.token)

    await keys.revoke(made.key.id)

    with pytest.raises(Unauthorized):
        await elsewhere.by_token(made.token)


async def test_a_key_ends_by_itself_when_it_expires(
    keys: KeyService, keyring: Keyring, clock: MovableClock
) -> None:
    await admin(keys)
    end = clock.now() + timedelta(days=1)
    made = await keys.create("shop", [Scope.TRIGGER], by="a test", expires_at=end)
    await keyring.by_token(made.token)

    clock.advance(days=1)

    with pytest.raises(Unauthorized, match="expired"):
        await keyring.by_token(made.token)


async def test_two_keys_of_a_name_may_be_live_and_a_third_only_once_one_is_revoked(
    keys: KeyService, keyring: Keyring
) -> None:
    old, new = await admin(keys), await admin(keys)
    await keyring.by_token(old.token)
    await keyring.by_token(new.token)

    with pytest.raises(Conflict, match="two keys named admin are live"):
        await admin(keys)
    await keys.revoke(old.key.id)

    await admin(keys)


async def test_the_first_key_must_be_an_admins(keys: KeyService) -> None:
    with pytest.raises(InvalidInput, match="admin"):
        await keys.create("shop", [Scope.TRIGGER], by="a test")

    assert await keys.list() == []


@pytest.mark.parametrize("name", ["", "two\nlines", "x" * 101])
async def test_a_name_that_is_none_is_refused(keys: KeyService, name: str) -> None:
    with pytest.raises(InvalidInput, match=r"^name"):
        await admin(keys, name)

    assert await keys.list() == []


async def test_an_end_that_is_past_is_refused(keys: KeyService, clock: MovableClock) -> None:
    with pytest.raises(InvalidInput, match=r"^expires_at"):
        await keys.create("shop", [Scope.ADMIN], by="a test", expires_at=clock.now())


async def test_the_last_use_of_a_key_is_kept_to_the_minute(
    keys: KeyService, keyring: Keyring, clock: MovableClock
) -> None:
    made = await admin(keys)
    await keyring.by_token(made.token)
    keyring.forget()
    await keyring.by_token(made.token)

    [kept] = await keys.list()

    assert kept.last_used_at is not None
    assert abs(kept.last_used_at - clock.now()) < timedelta(minutes=1)


async def test_an_unknown_key_can_not_be_revoked(keys: KeyService) -> None:
    with pytest.raises(NotFound, match="there is no key k3v7qz2a"):
        await keys.revoke("k3v7qz2a")


async def test_no_row_holds_a_token_or_its_secret(store: Store, keys: KeyService) -> None:
    made = await admin(keys)

    [row] = await store.run(lambda to: to.execute(sa.select(api_keys)).all())

    assert made.token.rpartition("_")[2] not in str(row)


class RevokingStore(TroubledStore):
    """Goes down while the keys are read, just as one of them is revoked here."""

    keyring: Keyring

    async def run(self, work: Callable[[sa.Connection], Any]) -> Any:
        if self.down | self.hanging:
            self.keyring.forget()
        return await super().run(work)


class SlowStore(TroubledStore):
    """Takes its time."""

    async def run(self, work: Callable[[sa.Connection], Any]) -> Any:
        await asyncio.sleep(1.5)
        return await super().run(work)


async def test_a_key_is_known_though_it_takes_long_to_read_the_keys_the_first_time(
    store: Store, keys: KeyService, clock: MovableClock
) -> None:
    made, keyring = await admin(keys), Keyring(SlowStore(store), clock=clock)

    assert (await keyring.by_token(made.token)).id == made.key.id


@pytest.mark.parametrize("trouble", ["down", "hanging"])
async def test_a_key_revoked_while_the_keys_can_not_be_read_is_refused(
    store: Store, keys: KeyService, clock: MovableClock, trouble: str
) -> None:
    made, troubled = await admin(keys), RevokingStore(store)
    troubled.keyring = keyring = Keyring(troubled, clock=clock, fresh=0.0)
    await keyring.by_token(made.token)

    setattr(troubled, trouble, frozenset({"run"}))

    with pytest.raises(Unavailable):
        await keyring.by_token(made.token)


async def test_keys_that_were_read_serve_on_while_the_database_is_away(
    store: Store, keys: KeyService, clock: MovableClock
) -> None:
    made, troubled = await admin(keys), TroubledStore(store)
    keyring = Keyring(troubled, clock=clock, fresh=0.0)
    troubled.down = frozenset({"run"})
    with pytest.raises(Unavailable):
        await keyring.by_token(made.token)

    troubled.down = frozenset()
    await keyring.by_token(made.token)
    troubled.down = frozenset({"run"})

    assert (await keyring.by_token(made.token)).id == made.key.id


async def test_a_database_that_does_not_answer_is_told_from_one_that_is_away(
    store: Store, keys: KeyService, clock: MovableClock
) -> None:
    made, troubled = await admin(keys), TroubledStore(store)
    keyring = Keyring(troubled, clock=clock, fresh=0.0)
    await keyring.by_token(made.token)
    troubled.hanging = frozenset({"run"})

    with structlog.testing.capture_logs() as lines:
        await keyring.by_token(made.token)

    assert [each["reason"] for each in lines] == ["no answer within 0.5 s"]


async def test_a_repeated_request_makes_no_second_key_and_names_the_first(
    keys: KeyService,
) -> None:
    made = await keys.create("admin", [Scope.ADMIN], by="a test", idempotency_key="k1")

    with pytest.raises(Conflict, match=f"made key {made.key.id} before"):
        await keys.create("admin", [Scope.ADMIN], by="a test", idempotency_key="k1")
    with pytest.raises(InvalidInput) as other:
        await keys.create("other", [Scope.ADMIN], by="a test", idempotency_key="k1")

    assert other.value.field == "Idempotency-Key"
    assert [each.id for each in await keys.list()] == [made.key.id]
