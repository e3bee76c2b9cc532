"""Settling: what became of deliveries in hand, fenced by epoch; and holding them longer."""

import sqlite3
from collections.abc import Collection, Sequence, Set
from datetime import datetime

from tidings.core.models import DeliveryState
from tidings.core.rules import Rule
from tidings.core.work import AttemptOutcome, Claimed, Outcome, Settled
from tidings.store.schema.types import from_microseconds
from tidings.store.settling import (
    Hand,
    Standing,
    first_of_each,
    hand,
    judge,
    outcome_row,
    settled_as,
)
from tidings.store.sqlite.figures import minute
from tidings.store.sqlite.rows import batch, fetch, ids

#: the columns of `outcome_row`, and last whether the delivery was in hand
_IN_HAND = """
SELECT id, epoch FROM deliveries
WHERE id IN (SELECT value FROM json_each(:ids)) AND +state = 'sending'
"""
#: what was given up for want of an answer is sent when the answer says so after all
_GIVEN_UP = f"""
SELECT id, epoch FROM deliveries
WHERE id IN (SELECT value FROM json_each(:ids)) AND +state IN ('failed', 'held')
  AND rule IN ('{Rule.WORKERS_DIED}', '{Rule.UNKNOWN_OUTCOME}')
"""
#: those of them that were called off, to whom no other try is left
_CALLED_OFF = """
SELECT id, epoch FROM deliveries
WHERE id IN (SELECT value FROM json_each(:ids)) AND cancelled_at IS NOT NULL
"""
_STANDING = """
SELECT item.value->>0 AS id, item.value->>1 AS epoch, deliveries.state, attempts.outcome,
       attempts.started_at, attempts.finished_at, coalesce(attempts.fenced, 0) AS fenced
FROM json_each(:rows) AS item
LEFT JOIN deliveries ON deliveries.id = item.value->>0 AND deliveries.epoch = item.value->>1
LEFT JOIN attempts
ON attempts.delivery_id = item.value->>0 AND attempts.epoch = item.value->>1
"""
_SETTLE = """
UPDATE deliveries
SET state = item.value->>2,
    reason = item.value->>3,
    rule = item.value->>17,
    doubt = coalesce(item.value->>18, doubt),
    due_at = :now + CAST(1000000 * (item.value->>4) AS INTEGER),
    tries = tries + item.value->>7,
    lapses = iif(item.value->>8, 0, lapses),
    provider = coalesce(item.value->>10, provider),
    provider_id = coalesce(item.value->>11, provider_id),
    updated_at = :now
FROM json_each(:rows) AS item
WHERE deliveries.id = item.value->>0 AND item.value->>19
"""
#: what a later claim wrote down as unknown, for want of an answer, gives way to the answer
_ADD_ATTEMPTS = f"""
INSERT INTO attempts (delivery_id, epoch, provider, outcome, fenced, error, provider_id,
                      started_at, finished_at, route)
SELECT value->>0, value->>1, value->>10, value->>12, NOT value->>19, value->>13, value->>11,
       value->>14, value->>15, value->>16
FROM json_each(:rows) WHERE value->>12 IS NOT NULL
ON CONFLICT (delivery_id, epoch) DO UPDATE
SET provider = excluded.provider, outcome = excluded.outcome, fenced = excluded.fenced,
    error = excluded.error, provider_id = excluded.provider_id,
    started_at = excluded.started_at, finished_at = excluded.finished_at, route = excluded.route
WHERE attempts.outcome = '{AttemptOutcome.UNKNOWN}' AND attempts.finished_at IS NULL
"""
_COUNT = """
INSERT INTO figure_deltas (minute, workflow, channel, provider, outcome, count)
SELECT :minute, value->>5, value->>6, coalesce(value->>10, ''), value->>9, count(*)
FROM json_each(:rows) WHERE value->>19 AND value->>9 IS NOT NULL
GROUP BY value->>5, value->>6, value->>10, value->>9
"""
_BEAT = """
UPDATE deliveries SET due_at = :lease_end
FROM json_each(:rows) AS item
WHERE deliveries.id = item.value->>0 AND epoch = item.value->>1 AND +state = 'sending'
RETURNING id
"""


def settle(connection: sqlite3.Connection, now: int, outcomes: Sequence[Outcome]) -> list[Settled]:
    """Write outcomes with their attempts and figures; an answer for each, in the order given."""
    first = first_of_each(outcomes)
    taken = [each for each in first if each.state is DeliveryState.SENT]
    in_hand = _hands(connection, _IN_HAND, first) | _hands(connection, _GIVEN_UP, taken)
    called_off = _hands(connection, _CALLED_OFF, first)
    judged = [settled_as(each, called_off) for each in first]
    rows = batch([[*outcome_row(each), hand(each) in in_hand] for each in judged])
    connection.execute(_SETTLE, {"rows": rows, "now": now})
    connection.execute(_ADD_ATTEMPTS, {"rows": rows})
    connection.execute(_COUNT, {"rows": rows, "minute": minute(now)})
    return judge(outcomes, in_hand, called_off, _standing(connection, outcomes, in_hand))


def beat(
    connection: sqlite3.Connection, now: int, claimed: Sequence[Claimed], lease: int
) -> Collection[str]:
    """Hold what is still in hand for `lease` more microseconds; the ids of what is held."""
    rows = batch(sorted((each.id, each.epoch) for each in claimed))
    held = connection.execute(_BEAT, {"rows": rows, "lease_end": now + lease})
    return {row[0] for row in held.fetchall()}


def _hands(
    connection: sqlite3.Connection, statement: str, outcomes: Sequence[Outcome]
) -> set[Hand]:
    wanted = {hand(each) for each in outcomes}
    values = {"ids": ids(each.claimed.id for each in outcomes)}
    return wanted & set(connection.execute(statement, values))


def _standing(
    connection: sqlite3.Connection, outcomes: Sequence[Outcome], in_hand: Set[Hand]
) -> dict[Hand, Standing]:
    if len(in_hand) == len(outcomes):
        return {}
    wanted = batch(sorted({hand(each) for each in outcomes}))
    rows = fetch(connection, _STANDING, {"rows": wanted})
    return {(row["id"], row["epoch"]): _to_standing(row) for row in rows}


def _to_standing(row: sqlite3.Row) -> Standing:
    return Standing(
        state=row["state"],
        outcome=row["outcome"],
        started_at=_time(row["started_at"]),
        finished_at=_time(row["finished_at"]),
        fenced=bool(row["fenced"]),
    )


def _time(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else from_microseconds(microseconds)
