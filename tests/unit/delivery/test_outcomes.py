from datetime import timedelta

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
from tidings.core.policy import OnUnknown, RetryRule, SendPolicy
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
    assert (last.state, last.rule) == (DeliveryState.FAILED, "gave_up")


@pytest.mark.parametrize(
    ("error", "rule"),
    [
        (PermanentError("x"), "permanent"),
        (AddressRejected("x"), "rejected"),
        (TransientError("x", retry_after=61), "too_old"),
    ],
)
def test_every_end_names_its_rule(error: DeliveryError, rule: str) -> None:
    policy = SendPolicy(retry=RetryRule(max_age=60))

    outcome = outcomes.not_sent(claimed(policy=policy), CALL, error, RETRY)

    assert (outcome.state, outcome.rule) == (DeliveryState.FAILED, rule)


def test_what_can_not_be_rendered_fails_by_its_template() -> None:
    assert outcomes.failed(claimed(), "line 3").rule == "template"


def test_an_unknown_outcome_is_held_where_at_most_one_call_is_wanted() -> None:
    policy = SendPolicy(on_unknown=OnUnknown.HOLD)

    unknown = outcomes.not_sent(claimed(policy=policy), CALL, OutcomeUnknown("x"), RETRY)
    failed = outcomes.not_sent(claimed(policy=policy), CALL, TransientError("x"), RETRY)

    assert (unknown.state, unknown.rule) == (DeliveryState.HELD, "unknown_outcome")
    assert unknown.attempt is not None
    assert failed.state == DeliveryState.PENDING


def test_what_is_to_be_known_is_held_rather_than_given_up() -> None:
    last = claimed(tries=47, policy=SendPolicy(on_unknown=OnUnknown.CHECK))

    unknown = outcomes.not_sent(last, CALL, OutcomeUnknown("x"), RETRY)
    failed = outcomes.not_sent(last, CALL, TransientError("x"), RETRY)
    untold = outcomes.not_told(last, CALL, TransientError("x"), RETRY)

    assert {unknown.state, untold.state} == {DeliveryState.HELD}
    assert (failed.state, failed.rule) == (DeliveryState.FAILED, "gave_up")


def test_a_provider_that_can_not_tell_is_asked_again_when_it_says() -> None:
    checked = claimed(policy=SendPolicy(on_unknown=OnUnknown.CHECK), doubt=True)

    outcome = outcomes.not_told(checked, CALL, TransientError("busy", retry_after=90), RETRY)

    assert (outcome.state, outcome.due_in) == (DeliveryState.PENDING, 90)
    assert outcome.attempt is not None
    assert outcome.attempt.outcome == "unknown"
    assert outcome.reason == "Asked whether it has it, smtp could not tell: busy"


def test_another_try_that_would_come_too_late_for_anybody_is_none() -> None:
    soon = claimed(expires_at=NOW + timedelta(seconds=2))
    later = claimed(expires_at=NOW + timedelta(seconds=2, microseconds=1))

    expired = outcomes.not_sent(soon, CALL, TransientError("x"), RETRY)

    assert (expired.state, expired.rule) == (DeliveryState.EXPIRED, "expired")
    assert expired.attempt is not None
    assert expired.attempt.error == "x"
    assert outcomes.not_sent(later, CALL, TransientError("x"), RETRY).due_in == 2


@pytest.mark.parametrize(
    ("before", "error", "doubt"),
    [
        (False, TransientError("x"), False),
        (True, TransientError("x"), True),
        (False, OutcomeUnknown("x"), True),
    ],
)
def test_one_that_is_not_tried_again_says_whether_it_may_have_arrived(
    before: bool, error: DeliveryError, doubt: bool
) -> None:
    soon = claimed(expires_at=NOW + timedelta(seconds=2), doubt=before)

    expired = outcomes.not_sent(soon, CALL, error, RETRY)

    assert expired.state is DeliveryState.EXPIRED
    assert str(expired.reason).endswith("may have arrived.") is doubt


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
