from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from tidings.api.problems import KINDS, problem
from tidings.client.problems import content_of, part_of
from tidings.core.errors import Conflict, InvalidInput, OutcomeUnknown, TidingsError, Unavailable
from tidings.egress.http import Answer

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def answer(status: int, body: object = None, **headers: str) -> Answer:
    return Answer(status=status, headers=headers, body=orjson.dumps(body))


def raised(status: int, body: object = None, **headers: str) -> TidingsError:
    with pytest.raises(TidingsError) as refusal:
        content_of(answer(status, body, **headers), now=NOW)
    return refusal.value


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_problem_of_the_api_comes_back_as_the_error_it_was(kind: type[TidingsError]) -> None:
    sent = problem(kind("what happened"))

    error = raised(sent["status"], sent)

    assert type(error) is kind
    assert str(error) == "what happened"


def test_the_field_at_fault_and_the_time_to_wait_come_along() -> None:
    refused = raised(422, problem(InvalidInput("no", field="a.b")))
    down = raised(503, problem(Unavailable("down")), **{"retry-after": "7"})

    assert isinstance(refused, InvalidInput)
    assert refused.field == "a.b"
    assert isinstance(down, Unavailable)
    assert down.retry_after == 7


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("0", 0.0), ("120", 120.0), ("Sun, 01 Mar 2026 12:00:30 GMT", 30.0), ("soon", 1.0), ("", 1.0)],
)
def test_when_to_ask_again_is_what_was_said_or_soon(said: str, seconds: float) -> None:
    error = raised(429, **{"retry-after": said})

    assert isinstance(error, Unavailable)
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    ("status", "kind"),
    [(301, TidingsError), (400, TidingsError), (502, OutcomeUnknown), (504, OutcomeUnknown)],
)
def test_what_a_proxy_answers_is_an_error_of_ours(status: int, kind: type[TidingsError]) -> None:
    error = raised(status, "<html>")

    assert type(error) is kind
    assert str(status) in str(error)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null"])
def test_an_answer_that_is_no_object_is_not_taken_for_one(body: bytes) -> None:
    with pytest.raises(TidingsError, match="is this Tidings"):
        content_of(Answer(status=200, body=body), now=NOW)


def test_an_answer_of_something_else_is_named_as_such() -> None:
    content: dict[str, Any] = {"id": 1}

    assert part_of(content, "id") == 1
    with pytest.raises(TidingsError, match="no event_id"):
        part_of(content, "event_id")


def test_a_conflict_stays_one_whatever_its_body() -> None:
    assert type(raised(409, [])) is Conflict
