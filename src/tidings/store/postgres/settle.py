"""Settling: what became of deliveries in hand, fenced by epoch; and holding them longer.

`state || ''` keeps the planner from the partial index: its predicate would match, and every row by
id would then be looked for in the whole backlog.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from tidings.core.models import DeliveryState
from tidings.core.work import Attempt, Claimed, Outcome, Settled
from tidings.store.postgres.batches import columns
from tidings.store.postgres.errors import storable

if TYPE_CHECKING:
    from tidings.store.postgres.connections import Connection

#: what a later claim wrote down as unknown, for want of an answer, gives way to the answer
SETTLE = """
WITH item AS (
    SELECT * FROM unnest(
        $2::uuid[], $3::integer[], $4::text[], $5::text[], $6::float8[], $7::text[], $8::text[],
        $9::text[], $10::text[], $11::smallint[], $12::text[], $13::text[], $14::text[],
        $15::timestamptz[], $16::timestamptz[]
    ) AS item (id, epoch, state, reason, due_in, workflow, channel,
               provider, provider_id, retryable, figure, outcome, error,
               started_at, finished_at)
),
held AS MATERIALIZED (
    SELECT item.*, delivery.id IS NOT NULL AS in_hand
    FROM item LEFT JOIN LATERAL (
        SELECT id FROM deliveries
        WHERE deliveries.id = item.id AND deliveries.epoch = item.epoch
          AND deliveries.state || '' = 'sending'
        FOR UPDATE
    ) AS delivery ON true
),
settled AS (
    UPDATE deliveries
    SET state = held.state, reason = held.reason,
        provider = coalesce(held.provider, deliveries.provider),
        provider_id = coalesce(held.provider_id, deliveries.provider_id),
        tries = deliveries.tries + held.retryable,
        due_at = now() + $1::interval + make_interval(secs => held.due_in),
        updated_at = now() + $1::interval
    FROM held
    WHERE deliveries.id = held.id AND held.in_hand
),
noted AS (
    INSERT INTO attempts (delivery_id, epoch, provider, outcome, fenced, error, provider_id,
                          started_at, finished_at)
    SELECT id, epoch, provider, outcome, NOT in_hand, error, provider_id, started_at, finished_at
    FROM held WHERE outcome IS NOT NULL
    ON CONFLICT (delivery_id, epoch) DO UPDATE
    SET provider = excluded.provider, outcome = excluded.outcome, fenced = excluded.fenced,
        error = excluded.error, provider_id = excluded.provider_id,
        started_at = excluded.started_at, finished_at = excluded.finished_at
    WHERE attempts.outcome = 'unknown' AND attempts.finished_at IS NULL
),
counted AS (
    INSERT INTO figure_deltas (minute, workflow, channel, provider, outcome, count)
    SELECT date_trunc('minute', now() + $1::interval), workflow, channel,
           coalesce(provider, ''), figure, count(*)
    FROM held WHERE in_hand AND figure IS NOT NULL
    GROUP BY workflow, channel, provider, figure
)
SELECT id::text, epoch FROM held WHERE in_hand
"""
BEAT = """
UPDATE deliveries SET due_at = now() + $1::interval + $2::interval
FROM unnest($3::uuid[], $4::integer[]) AS item (id, epoch)
WHERE deliveries.id = item.id AND deliveries.epoch = item.epoch
  AND deliveries.state || '' = 'sending'
"""

_RETRYABLE = frozenset({"transient", "unknown"})


async def settle(
    connection: "Connection", shift: timedelta, outcomes: Sequence[Outcome]
) -> list[Settled]:
    """Write outcomes with their attempts and figures; an answer for each, in the order given."""
    first = _first_of_each(outcomes)
    rows = [_row(first[hand]) for hand in sorted(first)]
    settled = await connection.fetch(SETTLE, shift, *columns(rows, 15))
    in_hand = {(row["id"], row["epoch"]) for row in settled}
    return [
        Settled(
            outcome=outcome,
            fenced=_hand(outcome) not in in_hand or first[_hand(outcome)] is not outcome,
        )
        for outcome in outcomes
    ]


async def beat(
    connection: "Connection", shift: timedelta, claimed: Sequence[Claimed], lease: timedelta
) -> None:
    """Hold what is still in hand for one more lease."""
    hands = sorted((each.id, each.epoch) for each in claimed)
    await connection.execute(BEAT, shift, lease, *columns(hands, 2))


def _first_of_each(outcomes: Iterable[Outcome]) -> dict[tuple[str, int], Outcome]:
    # A hand can be settled once; a second outcome in the same batch comes too late.
    first: dict[tuple[str, int], Outcome] = {}
    for outcome in outcomes:
        first.setdefault(_hand(outcome), outcome)
    return first


def _hand(outcome: Outcome) -> tuple[str, int]:
    return outcome.claimed.id, outcome.claimed.epoch


def _row(outcome: Outcome) -> list[object]:
    claimed, attempt = outcome.claimed, outcome.attempt
    pending = outcome.state is DeliveryState.PENDING
    return [
        claimed.id,
        claimed.epoch,
        outcome.state,
        _text(outcome.reason),
        outcome.due_in if pending else None,
        claimed.workflow,
        claimed.channel,
        *_call(attempt),
        int(attempt is not None and attempt.outcome in _RETRYABLE),
        _figure(outcome),
        *_answer(attempt),
    ]


def _call(attempt: Attempt | None) -> list[object]:
    if attempt is None:
        return [None, None]
    return [attempt.provider, _text(attempt.provider_id)]


def _answer(attempt: Attempt | None) -> list[object]:
    if attempt is None:
        return [None, None, None, None]
    return [attempt.outcome, _text(attempt.error), attempt.started_at, attempt.finished_at]


def _text(text: str | None) -> str | None:
    # A provider's words may hold what PostgreSQL's text can't; that must not cost the outcome.
    return None if text is None else storable(text)


def _figure(outcome: Outcome) -> str | None:
    if outcome.state is not DeliveryState.PENDING:
        return outcome.state
    return "retried" if outcome.attempt is not None else None
