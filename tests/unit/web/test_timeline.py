from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from tests.browser.samples import (
    attempt,
    decision,
    delivery,
    event,
    moments_ago,
    notification,
)
from tidings.core.models import Verdict
from tidings.notifications.explanation import Explanation
from tidings.notifications.recent import EventSummary
from tidings.web.timeline import badges, needs_reason, open_reasons, outcomes, timeline


def summary(
    outcomes: Mapping[str, int], state: str = "planned", reason: str | None = None
) -> EventSummary:
    explained: Explanation = event()
    return EventSummary(
        key=explained.event_id,
        event_id=explained.event_id,
        type=explained.type,
        user_id=explained.user_id,
        accepted_at=explained.accepted_at,
        state=state,
        reason=reason,
        workflows=(),
        outcomes=outcomes,
    )


def labels(state: str, outcomes: Mapping[str, int]) -> list[tuple[str, str]]:
    return [(badge.label, badge.tone) for badge in badges(state, outcomes)]


def test_a_planned_event_stands_where_its_messages_stand() -> None:
    assert labels("planned", {"sent": 1, "failed": 2}) == [("sent", "good"), ("2 failed", "bad")]


def test_an_event_that_is_not_planned_yet_waits() -> None:
    assert labels("due", {}) == [("waiting", "wait")]


def test_messages_on_their_way_wait_whatever_they_wait_for() -> None:
    assert labels("planned", {"pending": 1, "sending": 1, "waiting": 1}) == [("3 waiting", "wait")]


def test_an_event_no_workflow_listens_to_says_so() -> None:
    assert labels("planned", {}) == [("no workflow", "quiet")]


def test_a_run_that_was_planned_and_sends_nothing_was_skipped() -> None:
    assert labels("planned", {"planned": 1, "skipped": 1}) == [("2 skipped", "quiet")]


def test_a_story_stands_where_its_row_of_the_dashboard_does() -> None:
    two = [delivery("sent"), delivery("failed")]

    explained = event(notification(deliveries=two), notification("waiting"))

    assert outcomes(explained) == {"sent": 1, "failed": 1, "waiting": 1}


def test_an_event_whose_planning_failed_says_so() -> None:
    assert labels("failed", {}) == [("failed", "bad")]


def test_a_reason_is_looked_for_only_where_one_is_missing() -> None:
    now = moments_ago(0)

    assert needs_reason(summary({"skipped": 1}), now)
    assert needs_reason(summary({"waiting": 1}), now)
    assert not needs_reason(summary({"sent": 1}), now)
    assert not needs_reason(summary({"skipped": 1}, reason="Nobody is there."), now)


def test_a_message_that_was_to_be_called_long_ago_needs_a_reason() -> None:
    waiting = summary({"pending": 1})

    assert needs_reason(waiting, waiting.accepted_at + timedelta(seconds=5))
    assert not needs_reason(waiting, waiting.accepted_at + timedelta(seconds=4))


def test_a_message_says_what_it_waits_for() -> None:
    waiting = replace(delivery("pending"), waits="It waits: http asked for silence.")

    assert open_reasons(event(notification(deliveries=[waiting]))) == (waiting.waits,)


def test_each_reason_is_told_once() -> None:
    refused = decision(Verdict.SKIP, "once", "Welcomed before.")
    explained = event(
        notification("skipped", [refused]),
        notification(deliveries=[delivery("failed", "No mailbox."), delivery("sent")]),
        notification(deliveries=[delivery("failed", "No mailbox.")]),
    )

    assert open_reasons(explained) == ("Welcomed before.", "No mailbox.")


def test_a_run_whose_planning_failed_after_a_wait_tells_why() -> None:
    waited = decision(Verdict.WAIT, "delay", "Waits 2 hours.")
    explained = event(notification("failed", [waited], reason="ValueError: no"))

    assert open_reasons(explained) == ("ValueError: no",)


def test_what_waits_says_until_when() -> None:
    waits = decision(Verdict.WAIT, "delay", "Waits 2 days, until 2026-11-25 07:00:00 UTC.")

    explained = event(notification("waiting", [waits]))

    assert open_reasons(explained) == ("Waits 2 days, until 2026-11-25 07:00:00 UTC.",)


def test_the_story_is_told_in_the_order_it_happened() -> None:
    chosen = decision(Verdict.SEND, "default", "Wanted.", minutes=3)
    calls = [attempt("transient", "421 busy", 2.5), attempt("sent", None, 2)]
    explained = event(notification(decisions=[chosen], deliveries=[delivery("sent", None, calls)]))

    story = [(entry.badge.label, entry.why, entry.rule) for entry in timeline(explained)]

    assert story == [
        ("accepted", None, None),
        ("send", "Wanted.", "default"),
        ("call transient", "421 busy", None),
        ("call sent", None, None),
        ("sent", None, None),
    ]


def test_what_one_run_waits_for_comes_after_what_happened_to_the_others() -> None:
    waiting = replace(delivery("pending"), waits="It waits: smtp asked for silence.")
    later = delivery("sending", None, [attempt("transient", "421 busy", 0.5)])
    runs = [notification(deliveries=[waiting]), notification(deliveries=[later])]

    story = timeline(event(*runs))

    assert [entry.badge.label for entry in story] == ["accepted", "call transient", "pending"]


def test_a_delivery_under_way_has_no_end_in_its_story() -> None:
    explained = event(notification(deliveries=[delivery("sending")]))

    assert [entry.badge.label for entry in timeline(explained)] == ["accepted"]
