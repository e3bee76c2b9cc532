from dataclasses import replace

from tests.browser.samples import attempt, decision, delivery, moments_ago, notification
from tidings.core.models import Verdict
from tidings.notifications.timeline import timeline


def test_a_story_is_told_in_the_order_it_happened_with_its_rules() -> None:
    chosen = decision(Verdict.SEND, "default", "Wanted.", minutes=3)
    calls = [attempt("transient", "421 busy", 2.5), attempt("sent", None, 2)]
    ended = replace(delivery("failed", "Too old.", calls), rule="too_old")

    told = timeline(notification(decisions=[chosen], deliveries=[ended]))

    assert [(entry.kind, entry.result, entry.rule, entry.reason) for entry in told] == [
        ("decision", "send", "default", "Wanted."),
        ("attempt", "transient", None, "421 busy"),
        ("attempt", "sent", None, None),
        ("end", "failed", "too_old", "Too old."),
    ]


def test_a_call_that_went_another_way_says_why() -> None:
    elsewhere = replace(attempt("transient", "421 busy"), route="smtp was skipped: it failed.")

    (told,) = timeline(notification(deliveries=[delivery("pending", None, [elsewhere])]))

    assert told.reason == "smtp was skipped: it failed. What came of it: 421 busy"


def test_a_call_that_came_too_late_says_so() -> None:
    late = replace(attempt("sent"), fenced=True)

    (told,) = timeline(notification(deliveries=[delivery("pending", None, [late])]))

    assert "came too late" in told.what


def test_what_is_under_way_has_no_end() -> None:
    assert timeline(notification(deliveries=[delivery("sending")])) == ()


def test_what_is_waited_for_comes_last_since_whenever_it_is_so() -> None:
    waiting = replace(delivery("pending"), waits="It waits: smtp asked for silence.")
    later = delivery("sending", None, [attempt("transient", "421 busy", 0.5)])

    told = timeline(notification(deliveries=[waiting, later]))

    assert [entry.kind for entry in told] == ["attempt", "wait"]


def test_what_was_called_off_after_it_failed_says_so() -> None:
    dead = replace(delivery("failed", "No mailbox."), cancelled_at=moments_ago(0.5))

    told = timeline(notification(deliveries=[dead]))

    assert [(entry.kind, entry.result, entry.rule) for entry in told] == [
        ("end", "failed", None),
        ("cancel", "called off", "cancelled"),
    ]


def test_what_was_called_off_before_it_was_sent_has_just_that_end() -> None:
    ended = replace(delivery("cancelled", "Called off."), cancelled_at=moments_ago(1))

    assert [entry.kind for entry in timeline(notification(deliveries=[ended]))] == ["end"]
