"""Settling: what became of deliveries in hand, fenced by epoch; and holding them longer.

`state || ''` keeps the planner from the partial index: its predicate would match, and every row by
id would then be looked for in the whole backlog.
"""

from collections.abc import Collection, Sequence, Set
from datetime import timedelta
from typing import TYPE_CHECKING

from tidings.core.policy import NOT_SENT, PERHAPS_SENT, with_doubt
from tidings.core.rules import Rule
from tidings.core.work import AttemptOutcome, Claimed, Outcome, Settled
from tidings.store.postgres.batches import columns
from tidings.store.rows import Row
from tidings.store.settling import (
    CALLED_OFF,
    TAKEN,
    Found,
    Hand,
    Standing,
    batches,
    hand,
    judge,
    outcome_row,
)

if TYPE_CHECKING:
    from tidings.store.postgres.connections import Connection

#: Whether an outcome means anything to its delivery: it is in the hand it was called from, or the
#: outcome is a late yes, and it waits for another call, is in another's hands, or was given up for
#: want of an answer.
_HEARD = f"""
deliveries.id = item.id
AND (deliveries.epoch = item.epoch AND deliveries.state || '' = 'sending'
     OR item.state = 'sent'
        AND (deliveries.state || '' IN ('pending', 'sending')
             OR deliveries.state || '' IN ('failed', 'held')
                AND deliveries.rule IN ('{Rule.WORKERS_DIED}', '{Rule.UNKNOWN_OUTCOME}')))
"""

#: `_called_off_words` of store.settling
_WORDS = f"""
CASE WHEN outcome IS NULL OR outcome = '{AttemptOutcome.ABSENT}'
     THEN CASE WHEN coalesce(doubt, doubted) THEN '{PERHAPS_SENT}' ELSE '{NOT_SENT}' END
     WHEN coalesce(doubt, doubted) THEN '{with_doubt(CALLED_OFF, doubt=True)}'
     ELSE '{CALLED_OFF}' END
"""

#: What a later claim wrote down as unknown, for want of an answer, gives way to the answer. A yes
#: that comes while another has it in hand is noted: however that one's call ends, it was taken. The
#: batch holds no delivery twice.
SETTLE = f"""
WITH item AS (
    SELECT * FROM unnest(
        $2::uuid[], $3::integer[], $4::text[], $5::text[], $6::float8[], $7::text[], $8::text[],
        $9::smallint[], $10::boolean[], $11::text[], $12::text[], $13::text[], $14::text[],
        $15::text[], $16::timestamptz[], $17::timestamptz[], $18::text[], $19::text[],
        $20::boolean[]
    ) AS item (id, epoch, state, reason, due_in, workflow, channel,
               retries, answered, figure, provider, provider_id, outcome, error,
               started_at, finished_at, route, rule, doubt)
),
found AS MATERIALIZED (
    SELECT item.*, coalesce(NOT elsewhere, false) AS heeded, coalesce(elsewhere, false) AS noted,
           CASE WHEN elsewhere IS NULL
                THEN EXISTS (SELECT 1 FROM deliveries WHERE {_HEARD}) ELSE false END AS busy,
           item.state IN ('pending', 'held') AND cancelled_at IS NOT NULL AS called_off,
           coalesce(late OR known AND item.state <> 'sent', false) AS taken,
           CASE WHEN known AND item.state <> 'sent' THEN taker END AS taker,
           doubted
    FROM item LEFT JOIN LATERAL (
        SELECT state <> 'sending' AS late,
               state = 'sending' AND deliveries.epoch <> item.epoch AS elsewhere,
               coalesce(rule = '{Rule.TAKEN}', false) AS known,
               provider AS taker, cancelled_at, doubt AS doubted
        FROM deliveries WHERE {_HEARD}
        FOR UPDATE SKIP LOCKED
    ) AS delivery ON true
),
held AS MATERIALIZED (
    SELECT id, epoch, workflow, channel, retries, answered, provider, provider_id, outcome, error,
           started_at, finished_at, route, doubt, heeded, noted,
           coalesce(taker, provider) AS counted,
           CASE WHEN taken THEN 'sent' WHEN called_off THEN 'cancelled' ELSE state END AS state,
           CASE WHEN taken THEN '{TAKEN}' WHEN called_off THEN {_WORDS} ELSE reason END AS reason,
           CASE WHEN taken THEN '{Rule.TAKEN}' WHEN called_off THEN '{Rule.CANCELLED}'
                ELSE rule END AS rule,
           CASE WHEN taken THEN 'sent' WHEN called_off THEN 'cancelled' ELSE figure END AS figure,
           CASE WHEN NOT taken AND NOT called_off THEN due_in END AS due_in
    FROM found WHERE NOT busy
),
settled AS (
    UPDATE deliveries
    SET state = held.state, reason = held.reason, rule = held.rule,
        doubt = coalesce(held.doubt, deliveries.doubt),
        provider = coalesce(held.counted, deliveries.provider),
        provider_id = coalesce(held.provider_id, deliveries.provider_id),
        tries = deliveries.tries + held.retries,
        lapses = CASE WHEN held.answered THEN 0 ELSE deliveries.lapses END,
        due_at = now() + $1::interval + make_interval(secs => held.due_in),
        updated_at = now() + $1::interval
    FROM held
    WHERE deliveries.id = held.id AND held.heeded
),
said_yes AS (
    UPDATE deliveries
    SET rule = '{Rule.TAKEN}', updated_at = now() + $1::interval,
        provider = coalesce(held.provider, deliveries.provider),
        provider_id = coalesce(held.provider_id, deliveries.provider_id)
    FROM held
    WHERE deliveries.id = held.id AND held.noted
),
attempted AS (
    INSERT INTO attempts (delivery_id, epoch, provider, outcome, fenced, error, provider_id,
                          started_at, finished_at, route)
    SELECT id, epoch, provider, outcome, NOT heeded, error, provider_id, started_at, finished_at,
           route
    FROM held WHERE outcome IS NOT NULL
    ON CONFLICT (delivery_id, epoch) DO UPDATE
    SET provider = excluded.provider, outcome = excluded.outcome, fenced = excluded.fenced,
        error = excluded.error, provider_id = excluded.provider_id,
        started_at = excluded.started_at, finished_at = excluded.finished_at,
        route = excluded.route
    WHERE attempts.outcome = '{AttemptOutcome.UNKNOWN}' AND attempts.finished_at IS NULL
),
counted AS (
    INSERT INTO figure_deltas (minute, workflow, channel, provider, outcome, count)
    SELECT date_trunc('minute', now() + $1::interval), workflow, channel,
           coalesce(counted, ''), figure, count(*)
    FROM held WHERE heeded AND figure IS NOT NULL
    GROUP BY workflow, channel, counted, figure
)
SELECT id::text, epoch, heeded, called_off, taken, busy FROM found WHERE heeded OR busy
"""
STANDING = """
SELECT item.id::text, item.epoch, deliveries.state, attempts.outcome,
       attempts.started_at, attempts.finished_at, coalesce(attempts.fenced, false) AS fenced
FROM unnest($1::uuid[], $2::integer[]) AS item (id, epoch)
LEFT JOIN deliveries ON deliveries.id = item.id AND deliveries.epoch = item.epoch
LEFT JOIN attempts ON attempts.delivery_id = item.id AND attempts.epoch = item.epoch
"""
BEAT = """
WITH held AS MATERIALIZED (
    SELECT delivery.id
    FROM unnest($3::uuid[], $4::integer[]) AS item (id, epoch)
    CROSS JOIN LATERAL (
        SELECT id FROM deliveries
        WHERE deliveries.id = item.id AND deliveries.epoch = item.epoch
          AND deliveries.state || '' = 'sending'
        FOR UPDATE SKIP LOCKED
    ) AS delivery
)
UPDATE deliveries SET due_at = clock_timestamp() + $1::interval + $2::interval
FROM held WHERE deliveries.id = held.id
RETURNING deliveries.id::text
"""


async def settle(
    connection: "Connection", shift: timedelta, outcomes: Sequence[Outcome]
) -> list[Settled]:
    """Write outcomes with their attempts and figures; an answer for each, in the order given."""
    few = [await _settle_batch(connection, shift, each) for each in batches(outcomes)]
    found = Found.together(few)
    return judge(outcomes, found, await _standing(connection, outcomes, found.heeded))


async def _settle_batch(
    connection: "Connection", shift: timedelta, outcomes: Sequence[Outcome]
) -> Found:
    """Settle what holds no delivery twice."""
    rows = [outcome_row(each) for each in outcomes]
    found = await connection.fetch(SETTLE, shift, *columns(rows, 19))
    marked = {
        mark: {(row["id"], row["epoch"]) for row in found if row[mark]}
        for mark in ("heeded", "called_off", "taken", "busy")
    }
    return Found(**marked)


async def beat(
    connection: "Connection", shift: timedelta, claimed: Sequence[Claimed], lease: timedelta
) -> Collection[str]:
    """Hold what is still in hand, and nobody has locked, for one more lease."""
    hands = sorted((each.id, each.epoch) for each in claimed)
    rows = await connection.fetch(BEAT, shift, lease, *columns(hands, 2))
    return {row["id"] for row in rows}


async def _standing(
    connection: "Connection", outcomes: Sequence[Outcome], in_hand: Set[Hand]
) -> dict[Hand, Standing]:
    if len(in_hand) == len(outcomes):
        return {}
    wanted = sorted({hand(each) for each in outcomes})
    rows = await connection.fetch(STANDING, *columns(wanted, 2))
    return {(row["id"], row["epoch"]): _to_standing(row) for row in rows}


def _to_standing(row: Row) -> Standing:
    return Standing(
        state=row["state"],
        outcome=row["outcome"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        fenced=row["fenced"],
    )
