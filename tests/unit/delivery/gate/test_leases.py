"""Calls at once: what the workers hold together, and what becomes of a dead one's."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tidings.delivery.gate.leases import HeadCount, Leases, alive, free, holding


def test_what_others_hold_is_not_free() -> None:
    leases = holding(holding({}, "a", 3, 0.0), "b", 4, 0.0)

    assert free(leases, 10, "a") == 6
    assert free(leases, 10, "c") == 3
    assert free(leases, 5, "c") == 0


def test_a_dead_workers_calls_are_free_again_after_its_life() -> None:
    leases = holding(holding({}, "dead", 10, 0.0), "living", 0, 8.0)

    assert free(alive(leases, 9.0, 10.0), 10, "living") == 0
    assert free(alive(leases, 10.1, 10.0), 10, "living") == 10


@settings(deadline=None)  # a busy machine is no fault
@given(
    st.integers(1, 20),
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 10), st.integers(0, 10))),
)
def test_together_they_never_hold_more_than_the_limit(
    limit: int, asks: list[tuple[str, int, int]]
) -> None:
    leases: Leases = {}
    held = dict.fromkeys("abc", 0)
    for worker, ended, wanted in asks:
        held[worker] -= min(ended, held[worker])
        held[worker] += max(0, min(wanted, free(leases, limit, worker) - held[worker]))
        leases = holding(leases, worker, held[worker], 0.0)

        assert sum(held.values()) <= limit


def test_fewer_workers_are_believed_only_after_a_life_without_a_disturbance() -> None:
    crew = HeadCount(4, life=10)

    crew.seen(1, 0.0)
    crew.seen(2, 9.0)
    before = crew.workers
    crew.disturbed()
    crew.seen(1, 11.0)
    disturbed = crew.workers
    crew.seen(1, 21.0)

    assert (before, disturbed, crew.workers) == (4, 4, 1)


def test_more_workers_are_believed_at_once() -> None:
    crew = HeadCount(4, life=10)

    crew.seen(7, 0.0)

    assert crew.workers == 7
