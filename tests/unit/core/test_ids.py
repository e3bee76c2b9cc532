import uuid

from hypothesis import given
from hypothesis import strategies as st

from tidings.core.ids import Ids, address_user_id, derived, event_key

OURS = "tidings:8b0f2d9e"


def test_new_ids_are_uuid7_and_rise_even_within_one_millisecond() -> None:
    ids = Ids()

    made = [ids.new() for _ in range(5_000)]

    assert made == sorted(set(made))
    assert {uuid.UUID(one).version for one in made} == {7}


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_the_same_parts_derive_the_same_id_with_the_parents_time(parts: list[str]) -> None:
    parent = Ids().new()

    child = derived(parent, *parts)

    assert child == derived(parent, *parts)
    assert child[:13] == parent[:13]
    assert uuid.UUID(child).version == 8


def test_other_parts_derive_another_id() -> None:
    parent = Ids().new()

    assert derived(parent, "ab", "c") != derived(parent, "a", "bc")


def test_our_own_uuids_stand_for_themselves_and_all_else_is_hashed() -> None:
    own = Ids().new()

    assert event_key(OURS, own) == own
    assert event_key(OURS, own.upper()) != own
    assert event_key("shop", own) != own
    assert event_key("shop", "order-1") == event_key("shop", "order-1")
    assert event_key("shop", "order-1") != event_key("shop2", "order-1")


@given(st.text(), st.text())
def test_what_is_hashed_is_a_uuid5_of_one_namespace(source: str, event_id: str) -> None:
    namespace = uuid.UUID("5d0a3c1e-6f0b-5c8e-9d6b-2f1f6b7f0c11")

    assert event_key(source, event_id) == str(uuid.uuid5(namespace, f"{source}\x00{event_id}"))


def test_an_id_derived_once_is_derived_for_ever() -> None:
    parent = "019aaf3e-6a00-7000-8000-000000000001"

    assert derived(parent, "welcome", "ada") == "019aaf3e-6a00-8eaf-8b1a-4dae47f5b132"


def test_a_users_id_depends_on_the_key_and_shows_nothing_of_the_address() -> None:
    user_id = address_user_id(b"k1", "ana@example.com")

    assert user_id == address_user_id(b"k1", "ana@example.com")
    assert user_id != address_user_id(b"k2", "ana@example.com")
    assert "ana" not in user_id
