"""Settling: what became of deliveries in hand, fenced by epoch; and holding them longer."""

import sqlite3
from collections.abc import Sequence

from tidings.core.models import DeliveryState
from tidings.core.work import Attempt, Claimed, Outcome, Settled
from tidings.store.schema.types import to_microseconds
from tidings.store.sqlite.figures import Tally
from tidings.store.sqlite.rows import batch, ids

_IN_HAND = """
SELECT id, epoch FROM deliveries
WHERE id IN (SELECT value FROM json_each(:ids)) AND +state = 'sending'
"""
_SETTLE = """
UPDATE deliveries
SET state = item.value->>1,
    reason = item.value->>2,
    due_at = item.value->>3,
    provider = coalesce(item.value->>4, provider),
    provider_id = coalesce(item.value->>5, provider_id),
    tries = tries + item.value->>6,
    updated_at = :now
FROM json_each(:rows) AS item
WHERE deliveries.id = item.value->>0
"""
#: what a later claim wrote down as unknown, for want of an answer, gives way to the answer
_ADD_ATTEMPTS = """
INSERT INTO attempts (delivery_id, epoch, provider, outcome, fenced, error, provider_id,
                      started_at, finished_at)
SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6,
       value->>7, value->>8
FROM json_each(:rows) WHERE true
ON CONFLICT (delivery_id, epoch) DO UPDATE
SET provider = excluded.provider, outcome = excluded.outcome, fenced = excluded.fenced,
    error = excluded.error, provider_id = excluded.provider_id,
    started_at = excluded.started_at, finished_at = excluded.finished_at
WHERE attempts.outcome = 'unknown' AND attempts.finished_at IS NULL
"""
_BEAT = """
UPDATE deliveries SET due_at = :lease_end
FROM json_each(:rows) AS item
WHERE deliveries.id = item.value->>0 AND epoch = item.value->>1 AND +state = 'sending'
"""

_RETRYABLE = frozenset({"transient", "unknown"})


def settle(connection: sqlite3.Connection, now: int, outcomes: Sequence[Outcome]) -> list[Settled]:
    """Write outcomes with their attempts and figures; an answer for each, in the order given."""
    settled = _fence(connection, outcomes)
    in_order = sorted(settled, key=lambda each: each.outcome.claimed.id)
    in_hand = [each.outcome for each in in_order if not each.fenced]
    connection.execute(_SETTLE, {"rows": batch([_row(each, now) for each in in_hand]), "now": now})
    attempts = [row for each in in_order for row in _attempt_rows(each)]
    connection.execute(_ADD_ATTEMPTS, {"rows": batch(attempts)})
    _count(connection, now, in_hand)
    return settled


def beat(connection: sqlite3.Connection, now: int, claimed: Sequence[Claimed], lease: int) -> None:
    """Hold what is still in hand for `lease` more microseconds."""
    rows = batch(sorted((each.id, each.epoch) for each in claimed))
    connection.execute(_BEAT, {"rows": rows, "lease_end": now + lease})


def _fence(connection: sqlite3.Connection, outcomes: Sequence[Outcome]) -> list[Settled]:
    wanted = {"ids": ids(each.claimed.id for each in outcomes)}
    in_hand = set(connection.execute(_IN_HAND, wanted))
    settled = []
    for outcome in outcomes:
        hand = (outcome.claimed.id, outcome.claimed.epoch)
        settled.append(Settled(outcome=outcome, fenced=hand not in in_hand))
        in_hand.discard(hand)
    return settled


def _row(outcome: Outcome, now: int) -> list[object]:
    attempt = outcome.attempt
    pending = outcome.state is DeliveryState.PENDING
    return [
        outcome.claimed.id,
        outcome.state,
        outcome.reason,
        now + round(outcome.due_in * 1_000_000) if pending else None,
        attempt.provider if attempt else None,
        attempt.provider_id if attempt else None,
        int(attempt is not None and attempt.outcome in _RETRYABLE),
    ]


def _attempt_rows(settled: Settled) -> list[list[object]]:
    attempt = settled.outcome.attempt
    return [] if attempt is None else [_attempt_row(settled, attempt)]


def _attempt_row(settled: Settled, attempt: Attempt) -> list[object]:
    return [
        settled.outcome.claimed.id,
        settled.outcome.claimed.epoch,
        attempt.provider,
        attempt.outcome,
        int(settled.fenced),
        attempt.error,
        attempt.provider_id,
        to_microseconds(attempt.started_at),
        to_microseconds(attempt.finished_at),
    ]


def _count(connection: sqlite3.Connection, now: int, outcomes: Sequence[Outcome]) -> None:
    tally = Tally()
    for outcome in outcomes:
        word = _figure(outcome)
        if word is not None:
            tally.count(
                word,
                workflow=outcome.claimed.workflow,
                channel=outcome.claimed.channel,
                provider=outcome.attempt.provider if outcome.attempt else "",
            )
    tally.write(connection, now)


def _figure(outcome: Outcome) -> str | None:
    if outcome.state is not DeliveryState.PENDING:
        return outcome.state
    return "retried" if outcome.attempt is not None else None
