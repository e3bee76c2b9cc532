"""Bugs of calls whose answer never came, and of what is of no use any more."""

import pytest

from tests.simulation.bugs.bug import STORE, UNKNOWN, Bug, replaced, reworded
from tidings.core.models import DeliveryState
from tidings.core.policy import NoMore
from tidings.core.work import Claimed
from tidings.delivery import outcomes
from tidings.delivery import recheck as rechecking
from tidings.delivery.courier import Courier
from tidings.store.lapses import MOST_LAPSES
from tidings.store.sqlite import claim, settle

POLICIES = "tests/system/test_delivery_policies.py::"


def _never_held(lapses: int, **_how: object) -> str | None:
    return DeliveryState.FAILED if lapses >= MOST_LAPSES else None


def _tried_again(_claimed: Claimed, _following: float | NoMore) -> bool:
    return False


def _plant_no_expiry(patch: pytest.MonkeyPatch) -> None:
    for module in (rechecking, outcomes):
        patch.setattr(module, "expired", lambda _claimed, _at: None)


BUGS = (
    Bug(
        name="at most once is forgotten when a worker dies",
        seed=36,
        plant=replaced(claim, "end_of", _never_held),
        test=f"{STORE}test_what_is_to_be_sent_at_most_once_is_held_when_its_worker_dies",
    ),
    Bug(
        name="at most once is tried again after silence",
        seed=65,
        plant=replaced(outcomes, "_is_held", _tried_again),
        test=f"{POLICIES}test_at_most_once_is_held_with_the_reason",
    ),
    Bug(
        name="a vendor that was to be asked first is called at once",
        seed=13,
        plant=replaced(Courier, "_asked_first", Courier._called),
        test=f"{UNKNOWN}test_what_the_provider_has_is_sent_and_is_not_sent_again",
    ),
    Bug(
        name="doubt is forgotten with the next outcome",
        seed=13,
        plant=reworded(settle, "_SETTLE", "coalesce(item.value->>18, doubt)", "0"),
        test=f"{UNKNOWN}test_a_provider_that_can_not_tell_is_asked_again_later[error0]",
    ),
    Bug(
        name="nobody looks whether it is of use any more",
        seed=82,
        plant=_plant_no_expiry,
        test=f"{POLICIES}test_a_code_that_waited_too_long_for_a_worker_is_not_sent",
    ),
)
