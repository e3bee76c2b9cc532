from datetime import timedelta
from typing import Any

import pytest

from tests.unit.delivery.claims import NOW, ada, claimed
from tidings.core.models import DeliveryState, Lane
from tidings.delivery.recheck import recheck


def test_nothing_changed_since_planning_so_it_is_sent() -> None:
    assert recheck(claimed(), NOW) is None


def test_a_change_that_still_allows_it_stops_nothing() -> None:
    recipient = ada(consent_version=4, preferences={("orders", "email"): False})

    assert recheck(claimed(recipient=recipient), NOW) is None


@pytest.mark.parametrize(
    "scope", [("welcome", "email"), ("welcome", "*"), ("*", "email"), ("*", "*")]
)
def test_an_opt_out_since_planning_suppresses_it(scope: tuple[str, str]) -> None:
    recipient = ada(consent_version=4, preferences={scope: False})

    refusal = recheck(claimed(recipient=recipient), NOW)

    assert refusal is not None
    assert (refusal.state, refusal.rule) == (DeliveryState.SUPPRESSED, "preference")
    assert refusal.reason.startswith("The user turned ")


def test_the_critical_lane_cannot_be_opted_out_of() -> None:
    recipient = ada(consent_version=4, preferences={("*", "*"): False})

    assert recheck(claimed(recipient=recipient, lane=Lane.CRITICAL), NOW) is None


def test_a_user_who_is_gone_gets_nothing() -> None:
    refusal = recheck(claimed(recipient=None), NOW)

    assert refusal is not None
    assert (refusal.state, refusal.rule) == (DeliveryState.SUPPRESSED, "user_gone")


def test_everybody_has_a_feed_without_any_address() -> None:
    recipient = ada(consent_version=4, addresses={})

    assert recheck(claimed(recipient=recipient, channel="in_app", address="u_ada"), NOW) is None


def test_an_opt_out_of_the_feed_since_planning_suppresses_it() -> None:
    recipient = ada(consent_version=4, preferences={("*", "in_app"): False})

    refusal = recheck(claimed(recipient=recipient, channel="in_app", address="u_ada"), NOW)

    assert refusal is not None
    assert refusal.rule == "preference"


@pytest.mark.parametrize("lane", list(Lane))
@pytest.mark.parametrize("addresses", [{}, {"email": ("b@example.com",)}, {"sms": ("+48",)}])
def test_an_address_that_is_no_longer_theirs_gets_nothing_on_any_lane(
    lane: Lane, addresses: dict[str, tuple[str, ...]]
) -> None:
    recipient = ada(consent_version=4, addresses=addresses)

    refusal = recheck(claimed(recipient=recipient, lane=lane), NOW)

    assert refusal is not None
    assert (refusal.state, refusal.rule) == (DeliveryState.SUPPRESSED, "address_gone")
    assert "@" not in refusal.reason


def test_what_was_called_off_is_not_sent_on_any_lane() -> None:
    refusal = recheck(claimed(cancelled=True, lane=Lane.CRITICAL), NOW)

    assert refusal is not None
    assert (refusal.state, refusal.rule) == (DeliveryState.CANCELLED, "cancelled")
    assert refusal.reason == "It was called off before it was sent."


def test_what_was_called_off_and_may_have_been_sent_says_so() -> None:
    refusal = recheck(claimed(cancelled=True, doubt=True), NOW)

    assert refusal is not None
    assert refusal.reason == "It was called off, but an earlier call of it may have arrived."


@pytest.mark.parametrize(
    "refused",
    [
        {"recipient": None},
        {"recipient": ada(consent_version=4, addresses={})},
        {"recipient": ada(consent_version=4, preferences={("*", "*"): False})},
        {"recipient": ada(addresses={}, suppressed={"email": ("a@example.com",)})},
        {"expires_at": NOW},
    ],
)
def test_whatever_speaks_against_a_call_an_earlier_one_may_have_arrived(
    refused: dict[str, Any],
) -> None:
    sure, in_doubt = (recheck(claimed(doubt=doubt, **refused), NOW) for doubt in (False, True))

    assert sure is not None
    assert in_doubt is not None
    assert in_doubt.reason == f"{sure.reason} An earlier call of it may have arrived."
    assert (in_doubt.state, in_doubt.rule) == (sure.state, sure.rule)


def test_what_is_of_no_use_any_more_is_not_sent() -> None:
    late = claimed(expires_at=NOW, lane=Lane.CRITICAL)

    refusal = recheck(late, NOW)

    assert recheck(late, NOW - timedelta(microseconds=1)) is None
    assert refusal is not None
    assert (refusal.state, refusal.rule) == (DeliveryState.EXPIRED, "expired")
    assert refusal.reason == "It was of use until 2026-11-23 05:43:00 UTC only."


@pytest.mark.parametrize(
    ("rejected", "reason"),
    [
        ({}, "The email address is no longer the user's."),
        (
            {"email": ("a@example.com",)},
            "A provider refused the email address for good: it is not used any more.",
        ),
    ],
)
def test_what_was_removed_and_what_was_refused_for_good_are_told_apart(
    rejected: dict[str, tuple[str, ...]], reason: str
) -> None:
    refusal = recheck(claimed(recipient=ada(addresses={}, rejected=rejected)), NOW)

    assert refusal is not None
    assert (refusal.state, refusal.rule) == (DeliveryState.SUPPRESSED, "address_gone")
    assert refusal.reason == reason


@pytest.mark.parametrize("lane", list(Lane))
def test_a_suppressed_address_gets_nothing_on_any_lane(lane: Lane) -> None:
    recipient = ada(addresses={}, suppressed={"email": ("a@example.com",)})

    refusal = recheck(claimed(recipient=recipient, lane=lane), NOW)

    assert refusal is not None
    assert (refusal.state, refusal.rule) == (DeliveryState.SUPPRESSED, "suppressed")
    assert "@" not in refusal.reason
