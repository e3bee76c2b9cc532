"""What becomes of planning that failed, and what planning counts as."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tidings.core.errors import StaleDefinitions
from tidings.core.models import Event, Lane, NotificationState
from tidings.core.work import DueEvent, EventPlan, PlannedNotification
from tidings.store.planning import (
    Due,
    Planned,
    PutOff,
    counts,
    decide_all,
    lost,
    put_off,
    require_current,
)

NOW = datetime(2026, 11, 23, 5, 43, tzinfo=UTC)
EVENT = Event(id="e1", type="T", source="s", time=NOW)
NOTIFICATION = PlannedNotification(
    id="n1",
    user_id="u_ada",
    workflow="welcome",
    workflow_version="w1",
    lane=Lane.NORMAL,
    once=True,
    state=NotificationState.WAITING,
    step=1,
    due_at=NOW,
    decisions=(),
    deliveries=(),
)


def due(tries: int = 0) -> Due[DueEvent]:
    work = DueEvent(event=EVENT, lane=Lane.NORMAL, tries=tries, recipient=None, now=NOW)
    return Due(key="k1", event_key="k1", work=work)


def put_off_after(tries: int, error: Exception) -> PutOff:
    (found,) = put_off([(due(tries), error)], [])
    return found


def test_each_try_waits_twice_as_long_and_the_fifth_is_the_last() -> None:
    found = [put_off_after(tries, ValueError()) for tries in range(5)]

    assert [each.seconds for each in found] == [1, 2, 4, 8, None]
    assert [each.tries for each in found] == [1, 2, 3, 4, 5]
    assert [each.failed.final for each in found] == [False] * 4 + [True]


def test_a_reason_names_the_kind_of_error_and_can_be_stored() -> None:
    assert put_off_after(0, KeyError("x")).reason == "KeyError: 'x'"
    assert put_off_after(0, ValueError("a\x00b\ud800")).reason == "ValueError: ab?"
    assert len(put_off_after(0, ValueError("x" * 5000)).reason) == 1000


def test_what_the_planner_breaks_on_is_told_apart_from_what_it_decided() -> None:
    def decide(each: DueEvent) -> EventPlan:
        if each.tries:
            raise ZeroDivisionError
        return EventPlan(event=each.event)

    decided, failures = decide_all([due(0), due(1)], decide)

    assert [each.due.work.tries for each in decided] == [0]
    assert [(each.work.tries, type(error)) for each, error in failures] == [(1, ZeroDivisionError)]


def test_definitions_that_changed_end_it_for_all() -> None:
    def decide(_each: DueEvent) -> EventPlan:
        raise StaleDefinitions("changed")

    with pytest.raises(StaleDefinitions):
        decide_all([due()], decide)
    with pytest.raises(StaleDefinitions, match="stamp 4, not 3"):
        require_current(4, 3)


def test_a_loser_of_once_is_skipped_with_its_reason() -> None:
    found = lost(Planned(event_key="k1", notification=NOTIFICATION), NOW).notification

    assert (found.state, found.due_at, found.deliveries) == (NotificationState.SKIPPED, None, ())
    assert [decision.rule for decision in found.decisions] == ["once"]


def test_figures_count_by_workflow_and_state() -> None:
    planned = replace(NOTIFICATION, state=NotificationState.PLANNED)
    tips = replace(planned, workflow="tips")

    found = counts([NOTIFICATION, planned, tips, planned])

    assert found == [
        ("tips", "planned", 1),
        ("welcome", "planned", 2),
        ("welcome", "waiting", 1),
    ]
