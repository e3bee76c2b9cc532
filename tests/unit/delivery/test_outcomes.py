import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.delivery.claims import NOW, claimed
from tidings.core.errors import (
    AddressRejected,
    DeliveryError,
    OutcomeUnknown,
    PermanentError,
    TransientError,
)
from tidings.core.models import DeliveryState, Receipt
from tidings.delivery import outcomes
from tidings.delivery.retry import exponential

CALL = outcomes.Call(provider="smtp", started_at=NOW, finished_at=NOW)
RETRY = exponential(chance=lambda: 0.0)


@pytest.mark.parametrize(
    ("error", "word", "state"),
    [
        (TransientError("x"), "transient", DeliveryState.PENDING),
        (OutcomeUnknown("x"), "unknown", DeliveryState.PENDING),
        (PermanentError("x"), "permanent", DeliveryState.FAILED),
        (AddressRejected("x"), "rejected", DeliveryState.FAILED),
        (DeliveryError("x"), "transient", DeliveryState.PENDING),
    ],
)
def test_each_class_of_error_has_its_word_and_state(
    error: DeliveryError, word: str, state: DeliveryState
) -> None:
    outcome = outcomes.not_sent(claimed(), CALL, error, RETRY)

    assert outcome.attempt is not None
    assert (outcome.attempt.outcome, outcome.state, outcome.reason) == (word, state, "x")


def test_the_number_of_the_attempt_counts_what_was_tried_before() -> None:
    outcome = outcomes.not_sent(claimed(tries=3), CALL, TransientError("x"), RETRY)
    last = outcomes.not_sent(claimed(tries=47), CALL, TransientError("x"), RETRY)

    assert (outcome.state, outcome.due_in) == (DeliveryState.PENDING, 16)
    assert last.state == DeliveryState.FAILED


def test_a_receipt_without_an_id_is_a_receipt() -> None:
    outcome = outcomes.sent(claimed(), CALL, Receipt())

    assert outcome.attempt is not None
    assert (outcome.state, outcome.attempt.provider_id) == (DeliveryState.SENT, None)


def test_what_is_given_back_was_never_tried() -> None:
    outcome = outcomes.given_back(claimed())

    assert (outcome.state, outcome.due_in, outcome.attempt) == (DeliveryState.PENDING, 0, None)


def test_an_error_without_words_is_told_by_its_class() -> None:
    outcome = outcomes.not_sent(claimed(), CALL, TransientError(""), RETRY)

    assert outcome.reason == "TransientError"


@given(st.text(st.characters(), max_size=2000))
def test_a_strangers_words_fit_any_database_and_one_line(text: str) -> None:
    plain = outcomes.plain(text)

    assert len(plain) <= 500
    assert len(plain.splitlines()) <= 1
    assert "\x00" not in plain
    plain.encode()
