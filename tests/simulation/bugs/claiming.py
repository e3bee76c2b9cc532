"""Bugs of claiming and of holding what is in hand."""

import pytest

from tests.simulation.bugs.bug import LEASES, STORE, Bug, replaced, reworded
from tidings.core.work import Claimed
from tidings.delivery import courier
from tidings.delivery.hold import Hold
from tidings.delivery.window import Window
from tidings.store.sqlite import claim, settle
from tidings.users import rows as user_rows


def _plant_no_recheck(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(courier, "recheck", lambda _claimed, _now: None)


async def _as_claimed(_self: Hold, claimed: Claimed) -> Claimed:
    return claimed


def _always_room(self: Window) -> int:
    return self._slots.count


async def _no_beat(_self: Hold) -> None:
    return


BUGS = (
    Bug(
        name="a claim does not raise the epoch",
        seed=0,
        plant=reworded(claim, "CLAIM", "epoch = epoch + 1", "epoch = max(epoch, 1)"),
        test=f"{STORE}test_the_later_claims_outcome_still_counts",
    ),
    Bug(
        name="a claim takes what is in others' hands",
        seed=0,
        plant=reworded(claim, "ABANDONED", "AND due.due_at <= :now", ""),
        test=f"{STORE}test_what_is_in_hand_is_not_claimed_again",
    ),
    Bug(
        name="nobody takes over from the dead",
        seed=13,
        plant=reworded(claim, "ABANDONED", "due.state = 'sending'", "due.state = 'gone'"),
        test=f"{STORE}test_what_two_workers_died_with_is_taken_alone",
    ),
    Bug(
        name="a takeover leaves no attempt on record",
        seed=13,
        plant=reworded(claim, "_ADD_LAPSES", "WHERE true", "WHERE false"),
        test=f"{STORE}test_the_dead_workers_call_is_on_record_as_unknown",
    ),
    Bug(
        name="the beat does not move the lease",
        seed=4,
        plant=reworded(settle, "_BEAT", "due_at = :lease_end", "due_at = due_at"),
        test=f"{STORE}test_a_beat_holds_what_is_in_hand",
    ),
    Bug(
        name="the worker does not beat",
        seed=1,
        plant=replaced(Hold, "_beat", _no_beat),
        test=f"{LEASES}test_what_is_in_hand_is_beaten_for",
    ),
    Bug(
        name="a call begins though the lease is over",
        seed=52,
        plant=replaced(Hold, "current", _as_claimed),
        test=f"{LEASES}test_what_was_claimed_too_slowly_is_given_back_and_not_called",
    ),
    Bug(
        name="a claim is sent without a re-check",
        seed=2,
        plant=_plant_no_recheck,
        test="tests/system/test_delivery.py::test_an_opt_out_after_planning_wins",
    ),
    Bug(
        name="an opt-out leaves the consent version as it was",
        seed=2,
        plant=replaced(user_rows, "raise_consent", lambda *_arguments: None),
        test="tests/system/test_users.py::"
        "test_a_change_of_preferences_raises_the_consent_version[sqlite]",
    ),
    Bug(
        name="a worker takes more than it has slots",
        seed=15,
        plant=replaced(Window, "_vacant", _always_room),
        test="tests/system/test_delivery_running.py::"
        "test_on_stopping_what_is_in_hand_is_finished_and_nothing_new_is_claimed",
    ),
)
