"""The checker finds every kind of fault that is planted in its accounts, and none where is none."""

from collections import Counter
from dataclasses import replace

import pytest

from tests.faults.checker import Asked, End, Ends, judge
from tests.faults.provider_ledger import Call

ANA = Call(at=1.0, address="ana@example.com", key="1")
BEN = Call(at=2.0, address="ben@example.com", key="2")
ASKED = {ANA.address: Asked.OK, BEN.address: Asked.OK}
ENDS = Ends(
    deliveries=[
        End(key="1", address=ANA.address, state="sent"),
        End(key="2", address=BEN.address, state="sent"),
    ]
)
ANAS_ALONE = Ends(deliveries=ENDS.deliveries[:1])


def test_a_faultless_run_is_found_faultless() -> None:
    verdict = judge(ASKED, [ANA, BEN], ENDS)

    assert not verdict.broken
    assert not verdict.explained
    assert not verdict.recovered
    assert not verdict.unsent


def test_what_was_accepted_and_is_nowhere_is_lost() -> None:
    assert judge(ASKED, [ANA], ANAS_ALONE).broken == {"lost": [BEN.address]}


def test_what_is_called_sent_and_was_not_is_a_false_success() -> None:
    assert judge(ASKED, [ANA], ENDS).broken == {"false_success": ["2"]}


@pytest.mark.parametrize("asked", [{ANA.address: Asked.OK}, ASKED | {BEN.address: Asked.FAIL}])
def test_what_nobody_asked_for_or_was_refused_is_unexpected(asked: dict[str, Asked]) -> None:
    assert judge(asked, [ANA, BEN], ENDS).broken == {"unexpected": [BEN.address]}


def test_what_was_asked_without_an_answer_may_come_or_not() -> None:
    asked = ASKED | {BEN.address: Asked.UNKNOWN}

    assert judge(asked, [ANA, BEN], ENDS).recovered == {BEN.address}
    assert not judge(asked, [ANA, BEN], ENDS).broken
    assert not judge(asked, [ANA], ANAS_ALONE).broken


def test_a_repeat_without_a_reason_is_unexplained() -> None:
    verdict = judge(ASKED, [ANA, BEN, ANA, ANA], ENDS)

    assert verdict.unexplained == Counter({"1": 2})
    assert verdict.broken == {"unexplained": ["1"]}


def test_a_call_without_an_answer_explains_one_repeat() -> None:
    unanswered = Ends(deliveries=[replace(ENDS.deliveries[0], unanswered=1), ENDS.deliveries[1]])

    assert judge(ASKED, [ANA, BEN, ANA], unanswered).explained == Counter({"1": 1})
    assert not judge(ASKED, [ANA, BEN, ANA], unanswered).broken
    assert judge(ASKED, [ANA, BEN, ANA, ANA], unanswered).unexplained == Counter({"1": 1})


def test_a_second_message_to_an_address_is_unexplained_though_its_id_is_another() -> None:
    again = replace(ANA, key="3")

    assert judge(ASKED, [ANA, BEN, again], ENDS).unexplained == Counter({"3": 1})


@pytest.mark.parametrize("state", ["pending", "sending"])
def test_what_is_still_to_be_sent_is_unfinished(state: str) -> None:
    ends = Ends(deliveries=[ENDS.deliveries[0], replace(ENDS.deliveries[1], state=state)])

    assert judge(ASKED, [ANA, BEN], ends).broken == {"unfinished": ["2"]}


def test_what_is_still_to_be_planned_is_unfinished() -> None:
    ends = replace(ENDS, unplanned=frozenset({"event"}))

    assert judge(ASKED, [ANA, BEN], ends).broken == {"unfinished": ["event"]}


def test_what_ended_otherwise_than_sent_is_told() -> None:
    ends = Ends(deliveries=[ENDS.deliveries[0], replace(ENDS.deliveries[1], state="failed")])

    assert judge(ASKED, [ANA], ends).unsent == {BEN.address: "failed"}
    assert not judge(ASKED, [ANA], ends).broken
