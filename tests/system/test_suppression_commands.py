"""The commands about suppressions, on a system that answers in this process."""

from collections.abc import Iterator

import pytest

from tests.system.running_commands import Answering, answering


@pytest.fixture
def running() -> Iterator[Answering]:
    with answering("suppressions") as running:
        yield running


def test_an_address_is_suppressed_found_listed_and_lifted(running: Answering) -> None:
    added = running.told("add", "email", "Eve@example.com", "--reason", "complaint")
    found = running.run("find", "email", "eve@example.com")
    listed = running.told("list")
    lifted = running.run("lift", added["id"])
    gone = running.run("find", "email", "eve@example.com")
    empty = running.run("list")

    assert (added["channel"], added["reason"]) == ("email", "complaint")
    assert found.stdout.endswith(f"email {added['id']}: complaint\n")
    assert listed == {"suppressions": [added], "next": None}
    assert lifted.stdout == f"{added['id']} is lifted: its address is used again.\n"
    assert (gone.exit_code, str(gone.exception)) == (1, "there is no such suppression")
    assert empty.stdout == "There are none.\n"


@pytest.mark.parametrize("words", [["email"], ["email", "-"]])
def test_an_address_that_is_piped_in_is_never_among_the_words_nor_told(
    running: Answering, words: list[str]
) -> None:
    added = running.run("add", *words, typed="eve@example.com\n")
    found = running.told("find", *words, typed="eve@example.com\n")

    assert added.stdout == f"{found['id']} is on the list: nothing is sent to it.\n"
    assert "eve" not in added.output


def test_an_address_that_is_none_is_refused_without_being_told(running: Answering) -> None:
    refused = running.run("add", "email", typed="eve at example.com\n")

    assert refused.exit_code == 1
    assert str(refused.exception).startswith("address: ")
    assert "eve at" not in str(refused.exception)


def test_a_long_list_is_read_page_by_page(running: Answering) -> None:
    for number in range(3):
        running.told("add", "email", f"user{number}@example.com")

    first = running.told("list", "--limit", "2")
    rest = running.told("list", "--limit", "2", "--after", first["next"])
    for_people = running.run("list", "--limit", "2")

    assert (len(first["suppressions"]), len(rest["suppressions"]), rest["next"]) == (2, 1, None)
    assert f"There may be more: --after {first['next']}" in for_people.stdout
