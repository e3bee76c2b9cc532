"""The commands about suppressions, on a system that answers in this process."""

import json
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
    assert refused.stderr.startswith("line 1 is refused: address: ")
    assert "eve at" not in refused.output


def test_every_line_that_is_piped_in_is_added_and_each_refusal_names_its_line(
    running: Answering,
) -> None:
    typed = "ada@example.com\n\n  ben@example.com \neve at example.com\ncy@example.com"

    added = running.run("add", "email", "-", typed=typed)
    again = running.run("add", "email", "-", "--json", typed=typed)

    assert (added.exit_code, again.exit_code) == (1, 1)
    assert added.stdout.endswith("\nOn the list: 3 of 4; refused: 1.\n")
    assert added.stderr.startswith("line 4 is refused: address: ")
    assert "eve at" not in added.output
    assert [each["line"] for each in json.loads(again.stdout)["refused"]] == [4]
    for name in ("ada", "ben", "cy"):
        found = running.told("find", "email", f"{name}@example.com")
        assert found in json.loads(again.stdout)["suppressions"]


def test_what_breaks_off_tells_what_was_added_before(running: Answering) -> None:
    refused = running.run("add", "pigeon", "-", typed="ada@example.com\nben@example.com\n")

    assert refused.exit_code == 1
    assert refused.stdout == "On the list: 0 of 2; refused: 0.\n"
    assert str(refused.exception).startswith("channel: ")


def test_one_address_is_asked_for_and_neither_none_nor_several_is_taken_for_it(
    running: Answering,
) -> None:
    several = running.run("find", "email", "-", typed="ada@example.com\nben@example.com\n")
    none = [running.run(command, "email", "-", typed="\n") for command in ("find", "add")]

    assert several.exit_code == 1
    assert str(several.exception) == "one address is asked for, and standard input has 2"
    assert {str(each.exception) for each in none} == {"standard input has no address"}


def test_a_long_list_is_read_page_by_page(running: Answering) -> None:
    for number in range(3):
        running.told("add", "email", f"user{number}@example.com")

    first = running.told("list", "--limit", "2")
    rest = running.told("list", "--limit", "2", "--after", first["next"])
    for_people = running.run("list", "--limit", "2")

    assert (len(first["suppressions"]), len(rest["suppressions"]), rest["next"]) == (2, 1, None)
    assert f"There may be more: --after {first['next']}" in for_people.stdout
