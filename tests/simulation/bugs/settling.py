"""Bugs of sending and settling."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.simulation.bugs.bug import (
    DELIVERY,
    LEASES,
    OUTAGES,
    STORE,
    UNKNOWN,
    Bug,
    replaced,
    reworded,
)
from tidings.core.errors import DeliveryError, Unavailable
from tidings.core.models import Content, DeliveryState, Message, Receipt
from tidings.core.work import Claimed, Outcome, Settled
from tidings.delivery import courier, outcomes, retry
from tidings.delivery.courier import Courier
from tidings.delivery.settler import Settler
from tidings.delivery.under_way import UnderWay
from tidings.delivery.watch import Watch
from tidings.store import settling as judging
from tidings.store.settling import Hand, hand
from tidings.store.sqlite import settle
from tidings.store.sqlite.rows import batch

_message, _sent, _hands = courier._message, outcomes.sent, settle._hands
_called = Courier._called


def _any_epoch(connection: object, statement: str, wanted: Sequence[Outcome]) -> set[Hand]:
    ids = {"ids": batch([each.claimed.id for each in wanted])}
    found = {row[0] for row in connection.execute(statement, ids)}  # type: ignore[attr-defined]
    return {hand(each) for each in wanted if each.claimed.id in found}


def _message_of_its_own(claimed: Claimed, content: Content) -> Message:
    message = _message(claimed, content)
    return replace(message, id=f"{message.id}-{claimed.epoch}")


def _sent_again(claimed: Claimed, call: outcomes.Call, receipt: Receipt) -> Outcome:
    return replace(_sent(claimed, call, receipt), state=DeliveryState.PENDING, due_in=1.0)


async def _settled_or_not(self: Settler, outcome: Outcome) -> Settled | None:
    try:
        return await self._group.submit(outcome)
    except Unavailable:
        return None


async def _given_back(self: Courier, claimed: Claimed, message: Message) -> Outcome:
    outcome = await _called(self, claimed, message)
    error = outcome.attempt.error if outcome.attempt else None
    stopped = error is not None and "was stopped" in error
    return outcomes.given_back(claimed) if stopped else outcome


async def _sent_for_good(self: Courier, claimed: Claimed, message: Message) -> Outcome:
    outcome = await _called(self, claimed, message)
    if outcome.attempt is not None and outcome.attempt.outcome == "unknown":
        return replace(outcome, state=DeliveryState.SENT)
    return outcome


async def _settle_as_it_was(self: UnderWay, outcome: Outcome) -> None:
    await self._settle(outcome)


async def _settle_as_if_it_never_counted(self: UnderWay, outcome: Outcome) -> None:
    settled = None
    while (newest := self._hold.newest(outcome.claimed)) is not settled:
        await self._settle(replace(outcome, claimed=newest))
        settled = newest


def _nothing_asked_for(_error: DeliveryError) -> float:
    return 0.0


def _plant_deaf_ears(patch: pytest.MonkeyPatch) -> None:
    """Neither the message nor its integration waits: each alone would hold the call back."""
    patch.setattr(retry, "_asked_for", _nothing_asked_for)
    patch.setattr(Watch, "_heed", _heed_nothing)


def _heed_nothing(_self: Watch, _error: DeliveryError) -> None:
    return


def _no_tries(_attempt: object) -> int:
    return 0


BUGS = (
    Bug(
        name="an outcome is settled whatever its epoch",
        seed=52,
        plant=replaced(settle, "_hands", _any_epoch),
        test=f"{STORE}test_a_late_outcome_changes_no_state_and_is_kept_as_an_attempt",
    ),
    Bug(
        name="what is settled is settled again",
        seed=5,
        plant=reworded(settle, "_IN_HAND", "+state = 'sending'", "epoch > 0"),
        test=f"{STORE}test_settling_twice_counts_once",
    ),
    Bug(
        name="a try counts twice",
        seed=0,
        plant=reworded(settle, "_SETTLE", "tries + item.value->>7", "tries + 2 * (item.value->>7)"),
        test=f"{STORE}test_a_retry_is_due_when_it_says_and_counts_the_try[transient]",
    ),
    Bug(
        name="a try is not counted",
        seed=0,
        plant=replaced(judging, "_retries", _no_tries),
        test=f"{DELIVERY}test_after_hours_of_tries_it_has_failed_with_the_last_reason",
    ),
    Bug(
        name="a success is tried again",
        seed=0,
        plant=replaced(outcomes, "sent", _sent_again),
        test=f"{DELIVERY}test_a_planned_mail_is_rendered_sent_and_settled",
    ),
    Bug(
        name="a call without an answer counts as sent",
        seed=3,
        plant=replaced(Courier, "_called", _sent_for_good),
        test=f"{DELIVERY}test_an_unknown_outcome_is_kept_as_such_and_tried_again",
    ),
    Bug(
        name="an outcome is dropped when the database is away",
        seed=1,
        plant=replaced(Settler, "_settled", _settled_or_not),
        test=f"{OUTAGES}test_an_outcome_outlives_an_outage_and_nothing_is_sent_twice",
    ),
    Bug(
        name="what was called is given back as if it was not",
        seed=2,
        plant=replaced(Courier, "_called", _given_back),
        test="tests/system/test_delivery_running.py::"
        "test_a_call_that_does_not_end_in_time_is_settled_as_unknown",
    ),
    Bug(
        name="a late outcome leaves no attempt",
        seed=42,
        plant=reworded(
            settle,
            "_ADD_ATTEMPTS",
            "WHERE value->>12 IS NOT NULL",
            "WHERE value->>12 IS NOT NULL AND value->>19",
        ),
        test=f"{LEASES}test_a_late_outcome_is_kept_as_an_attempt_and_overwrites_nothing",
    ),
    Bug(
        name="a late yes is not heeded where the message waits",
        seed=20,
        plant=reworded(settle, "_LEFT", "+state = 'pending' OR ", ""),
        test=f"{STORE}test_what_was_taken_back_is_sent[sent]",
    ),
    Bug(
        name="an outcome is settled under the epoch that a claim of our own overtook",
        seed=None,
        unseen="a worker beats before it claims, so it overtakes itself only if clocks are moved",
        plant=replaced(UnderWay, "_settle_as_newest", _settle_as_it_was),
        test=f"{LEASES}test_a_claim_that_overtakes_our_own_starts_no_second_call",
    ),
    Bug(
        name="an outcome that counted is told again under the next claim",
        seed=None,
        unseen="a claim of our own must come between an outcome's commit and its answer: too rare",
        plant=replaced(UnderWay, "_settle_as_newest", _settle_as_if_it_never_counted),
        test=f"{LEASES}test_an_outcome_that_counted_is_not_told_again_under_a_claim_of_our_own",
    ),
    Bug(
        name="a message has another id with each attempt",
        seed=0,
        plant=replaced(courier, "_message", _message_of_its_own),
        test=f"{UNKNOWN}test_it_is_called_again_where_nothing_else_is_wanted",
    ),
    Bug(
        name="Retry-After is undercut",
        seed=0,
        plant=_plant_deaf_ears,
        test="tests/unit/delivery/test_retry.py::"
        "test_an_unknown_outcome_is_tried_again_and_not_before_it_was_asked_to",
    ),
)
