"""The commands about dead letters, on a system that answers in this process."""

from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from tests.system.running_commands import Answering
from tests.system.running_commands import answering as answering_to
from tests.system.test_dead_letters import buried, change, fail
from tidings.cli import app
from tidings.core.ids import Ids
from tidings.testing.fake_system import FakeSystem


async def _fail(system: FakeSystem) -> None:
    """Three refused mails, and an entry nobody can read."""
    await fail(system, 3)
    await system.dead_letters.keep(buried("{broken"))


@pytest.fixture
def answering() -> Iterator[Answering]:
    with answering_to("dead-letters", _fail) as answering:
        yield answering


def test_they_are_listed_shown_counted_and_replayed(answering: Answering) -> None:
    listed = answering.told("list", "--kind", "delivery", "--reason", "SPAM", "--limit", "2")
    letter = listed["dead_letters"][0]
    shown = answering.run("show", letter["kind"], letter["id"])
    counted = answering.told("replay", "--workflow", "welcome", "--dry-run")
    one = answering.run("replay", letter["kind"], letter["id"])
    rest = answering.told("replay", "--all")

    assert (len(listed["dead_letters"]), listed["next"] is None) == (2, False)
    assert "554 no spam please" in shown.output
    assert f"\n  event {letter['event_id']}\n" in shown.output
    assert "user" in shown.output
    assert counted == {"replayed": 3, "left": 0, "in_doubt": 0}
    assert f"delivery {letter['id']} is replayed." in one.output
    assert rest == {"replayed": 2, "left": 1, "in_doubt": 0}


def test_wrong_usage_exits_with_another_status_than_an_error() -> None:
    result = CliRunner().invoke(app, ["dead-letters", "list", "--limit", "500"])

    assert (result.exit_code, "Usage: " in result.stderr) == (2, True)


def test_those_of_one_user_are_found_by_the_users_id(answering: Answering) -> None:
    letter = answering.told("list", "--kind", "delivery")["dead_letters"][0]

    listed = answering.told("list", "--user", letter["user_id"])
    replayed = answering.told("replay", "--user", letter["user_id"])

    assert [each["id"] for each in listed["dead_letters"]] == [letter["id"]]
    assert replayed == {"replayed": 1, "left": 0, "in_doubt": 0}


def test_for_people_there_is_a_line_for_each_and_a_sentence_at_the_end(
    answering: Answering,
) -> None:
    listed = answering.run("list", "--limit", "3")
    replayed = answering.run("replay", "--all")

    assert listed.stdout.count("\n") == 4
    assert "There are older ones: --before " in listed.stdout
    assert replayed.stdout == "3 replayed, 1 left as they are.\n"


def test_those_in_doubt_are_counted_and_what_takes_them_is_told(answering: Answering) -> None:
    letter = answering.told("list", "--kind", "delivery")["dead_letters"][0]
    answering.do(lambda system: change(system, letter["id"], doubt=True))

    replayed = answering.run("replay", "--kind", "delivery")
    rest = answering.told("replay", "--kind", "delivery", "--in-doubt")

    assert replayed.stdout.splitlines() == [
        "2 replayed.",
        "1 left out because they may have been delivered: --in-doubt takes them too.",
    ]
    assert rest == {"replayed": 1, "left": 0, "in_doubt": 0}


def test_one_that_is_in_doubt_is_refused_with_the_option_that_takes_it(
    answering: Answering,
) -> None:
    letter = answering.told("list", "--kind", "delivery")["dead_letters"][0]
    answering.do(lambda system: change(system, letter["id"], doubt=True))

    refused = answering.run("replay", "delivery", letter["id"])

    assert refused.exit_code == 1
    assert str(refused.exception) == (
        f"delivery {letter['id']} is in doubt: nobody can tell whether a call of it was taken, "
        "so that it may have been delivered: --in-doubt sends it all the same"
    )


@pytest.mark.parametrize(
    "option", [["--dry-run"], ["--all"], ["--kind", "event"], ["--reason", "x"]]
)
def test_options_beside_one_letter_are_refused_before_anything_is_asked(option: list[str]) -> None:
    words = ["dead-letters", "replay", "delivery", Ids().new(), *option]

    result = CliRunner().invoke(app, words)

    assert (result.exit_code, "KIND ID" in str(result.exception)) == (1, True)


@pytest.mark.parametrize("command", ["show", "replay"])
def test_an_id_cut_short_is_told_so(command: str) -> None:
    result = CliRunner().invoke(app, ["dead-letters", command, "delivery", "0198c0de"])

    assert (result.exit_code, "copy the whole one" in str(result.exception)) == (1, True)


@pytest.mark.parametrize(
    "words", [["replay"], ["replay", "delivery"], ["replay", "event", "x", "--workflow", "y"]]
)
def test_a_command_that_does_not_say_which_is_refused(words: list[str]) -> None:
    result = CliRunner().invoke(app, ["dead-letters", *words])

    assert result.exit_code == 1
    assert result.exception is not None
