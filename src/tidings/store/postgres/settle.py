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
    Hand,
    Standing,
    first_of_each,
    hand,
    judge,
    outcome_row,
)

if TYPE_CHECKING:
    from tidings.store.postgres.connections import Connection

#: whether an outcome finds its delivery in the hand it was called from
_IN_HAND = f"""
deliveries.id = item.id AND deliveries.epoch = item.epoch
AND (deliveries.state || '' = 'sending'
     OR (item.state = 'sent' AND deliveries.state || '' IN ('failed', 'held')
         AND deliveries.rule IN ('{Rule.WORKERS_DIED}', '{Rule.UNKNOWN_OUTCOME}')))
"""

#: `_called_off_words` of store.settling
_WORDS = f"""
CASE WHEN outcome IS NULL OR outcome = '{AttemptOutcome.ABSENT}'
     THEN CASE WHEN coalesce(doubt, doubted) THEN '{PERHAPS_SENT}' ELSE '{NOT_SENT}' END
     WHEN coalesce(doubt, doubted) THEN '{with_doubt(CALLED_OFF, doubt=True)}'
     ELSE '{CALLED_OFF}' END
"""

#: What a later claim wrote down as unknown, for want of an answer, gives way to the answer, and
#: what was given up for want of one is sent when the answer says so after all.
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
    SELECT item.*, delivery.id IS NOT NULL AS in_hand,
           CASE WHEN delivery.id IS NULL
                THEN EXISTS (SELECT 1 FROM deliveries WHERE {_IN_HAND}) ELSE false END AS busy,
           item.state = 'pending' AND delivery.cancelled_at IS NOT NULL AS called_off,
           delivery.doubt AS doubted
    FROM item LEFT JOIN LATERAL (
        SELECT id, cancelled_at, doubt FROM deliveries WHERE {_IN_HAND}
        FOR UPDATE SKIP LOCKED
    ) AS delivery ON true
),
held AS MATERIALIZED (
    SELECT id, epoch, workflow, channel, retries, answered, provider, provider_id, outcome, error,
           started_at, finished_at, route, doubt, in_hand, called_off,
           CASE WHEN called_off THEN 'cancelled' ELSE state END AS state,
           CASE WHEN called_off THEN {_WORDS} ELSE reason END AS reason,
           CASE WHEN called_off THEN '{Rule.CANCELLED}' ELSE rule END AS rule,
           CASE WHEN called_off THEN 'cancelled' ELSE figure END AS figure,
           CASE WHEN NOT called_off THEN due_in END AS due_in
    FROM found WHERE NOT busy
),
settled AS (
    UPDATE deliveries
    SET state = held.state, reason = held.reason, rule = held.rule,
        doubt = coalesce(held.doubt, deliveries.doubt),
        provider = coalesce(held.provider, deliveries.provider),
        provider_id = coalesce(held.provider_id, deliveries.provider_id),
        tries = deliveries.tries + held.retries,
        lapses = CASE WHEN held.answered THEN 0 ELSE deliveries.lapses END,
        due_at = now() + $1::interval + make_interval(secs => held.due_in),
        updated_at = now() + $1::interval
    FROM held
    WHERE deliveries.id = held.id AND held.in_hand
),
noted AS (
    INSERT INTO attempts (delivery_id, epoch, provider, outcome, fenced, error, provider_id,
                          started_at, finished_at, route)
    SELECT id, epoch, provider, outcome, NOT in_hand, error, provider_id, started_at, finished_at,
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
           coalesce(provider, ''), figure, count(*)
    FROM held WHERE in_hand AND figure IS NOT NULL
    GROUP BY workflow, channel, provider, figure
)
SELECT id::text, epoch, called_off, busy FROM found WHERE in_hand OR busy
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
    rows = [outcome_row(each) for each in first_of_each(outcomes)]
    settled = await connection.fetch(SETTLE, shift, *columns(rows, 19))
    found = {(row["id"], row["epoch"]): row for row in settled}
    busy = {key for key, row in found.items() if row["busy"]}
    in_hand = found.keys() - busy
    called_off = {key for key in in_hand if found[key]["called_off"]}
    standing = await _standing(connection, outcomes, in_hand)
    return judge(outcomes, in_hand, called_off, standing, busy=busy)


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
