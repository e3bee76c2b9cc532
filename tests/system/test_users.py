"""The User Service on both databases."""

import asyncio

import pytest
import sqlalchemy as sa

from tidings.core.clock import SystemClock
from tidings.core.errors import InvalidInput, NotFound
from tidings.core.ports import Store
from tidings.store.schema import addresses, users
from tidings.users.people import Preference, Saved, User
from tidings.users.service import UserService

ADDRESS = "ann@example.com"
NO_WELCOME = Preference(workflow="welcome", channel="email", enabled=False)
NOTHING = Preference(workflow="*", channel="*", enabled=False)


@pytest.fixture
def service(store: Store) -> UserService:
    return UserService(store, SystemClock())


async def count(store: Store, table: sa.Table) -> int:
    query = sa.select(sa.func.count()).select_from(table)
    return await store.run(lambda connection: connection.execute(query).scalar_one())


async def test_a_user_is_kept_in_normal_form(service: UserService) -> None:
    saved = await service.put("ann", email="Ann@Bücher.example", name=" Ann ", locale="pt_br")

    assert saved == Saved(user=await service.get("ann"), created=True)
    assert saved.user == User(
        id="ann",
        email="ann@xn--bcher-kva.example",
        email_status="active",
        name="Ann",
        locale="pt-BR",
        consent_version=0,
    )


async def test_put_replaces_the_whole(service: UserService, store: Store) -> None:
    await service.put("ann", email=ADDRESS, name="Ann", locale="de")

    user = (await service.put("ann", name="Anna")).user

    assert (user.email, user.email_status, user.name, user.locale) == (None, None, "Anna", None)
    assert await count(store, addresses) == 0


async def test_a_change_of_address_raises_the_consent_version(service: UserService) -> None:
    versions = [
        (await service.put("ann", email=email, name=name)).user.consent_version
        for email, name in [
            (ADDRESS, "Ann"),
            (ADDRESS, "Anna"),
            ("ANN@example.com", "Anna"),
            ("new@example.com", "Anna"),
            (None, "Anna"),
            (None, "Ann"),
            (ADDRESS, "Ann"),
        ]
    ]

    assert versions == [0, 0, 0, 1, 2, 2, 3]


async def test_puts_of_one_user_at_once_leave_one_address(
    service: UserService, store: Store
) -> None:
    puts = [service.put("ann", email=f"ann{number}@example.com") for number in range(20)]

    saved = await asyncio.gather(*puts)

    assert sum(each.created for each in saved) == 1
    assert await count(store, addresses) == 1
    assert (await service.get("ann")).consent_version == 19


async def test_nothing_is_stored_of_a_user_with_a_fault(service: UserService, store: Store) -> None:
    with pytest.raises(InvalidInput) as refusal:
        await service.put("ann", email=ADDRESS, name="Ann", locale="no such locale")

    assert refusal.value.field == "locale"
    assert await count(store, users) == 0


async def test_an_unknown_user_is_not_found(service: UserService) -> None:
    with pytest.raises(NotFound):
        await service.get("nobody")
    with pytest.raises(NotFound):
        await service.preferences("nobody")
    with pytest.raises(NotFound):
        await service.set_preferences("nobody", [NO_WELCOME])


async def test_preferences_are_replaced_as_a_set(service: UserService) -> None:
    await service.put("ann", email=ADDRESS)

    assert await service.preferences("ann") == []
    assert await service.set_preferences("ann", [NO_WELCOME, NOTHING]) == [NOTHING, NO_WELCOME]
    assert await service.set_preferences("ann", [NOTHING]) == [NOTHING]
    assert await service.preferences("ann") == [NOTHING]


async def test_a_change_of_preferences_raises_the_consent_version(service: UserService) -> None:
    await service.put("ann", email=ADDRESS)

    versions = []
    for choices in [[], [NO_WELCOME], [NO_WELCOME], [NO_WELCOME, NOTHING], []]:
        await service.set_preferences("ann", choices)
        versions.append((await service.get("ann")).consent_version)

    assert versions == [0, 1, 1, 2, 3]


async def test_preferences_outlive_a_put_of_the_user(service: UserService) -> None:
    await service.put("ann", email=ADDRESS)
    await service.set_preferences("ann", [NO_WELCOME])

    await service.put("ann", email="new@example.com")

    assert await service.preferences("ann") == [NO_WELCOME]


async def test_a_rejected_address_is_out_of_use_for_all_who_have_it(service: UserService) -> None:
    for user_id, email in [("ann", ADDRESS), ("twin", ADDRESS), ("bob", "bob@example.com")]:
        await service.put(user_id, email=email)

    await service.reject_address("email", ADDRESS)
    await service.reject_address("email", ADDRESS)

    found = [await service.get(user_id) for user_id in ("ann", "twin", "bob")]
    assert [(user.email_status, user.consent_version) for user in found] == [
        ("rejected", 1),
        ("rejected", 1),
        ("active", 0),
    ]


async def test_a_rejected_address_stays_so_until_another_came(service: UserService) -> None:
    await service.put("ann", email=ADDRESS)
    await service.reject_address("email", ADDRESS)

    states = [
        (await service.put("ann", email=email)).user.email_status
        for email in (ADDRESS, "new@example.com", ADDRESS)
    ]

    assert states == ["rejected", "active", "active"]
