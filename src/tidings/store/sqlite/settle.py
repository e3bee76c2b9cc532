"""Settling: what became of deliveries in hand, fenced by epoch; and holding them longer."""

import sqlite3
from collections.abc import Collection, Mapping, Sequence, Set
from datetime import datetime

from tidings.core.models import DeliveryState
from tidings.core.rules import Rule
from tidings.core.work import AttemptOutcome, Claimed, Outcome, Settled
from tidings.store.schema.types import from_microseconds
from tidings.store.settling import (
    Found,
    Hand,
    Standing,
    batches,
    hand,
    judge,
    outcome_row,
    settled_as,
)
from tidings.store.sqlite.figures import minute
from tidings.store.sqlite.rows import batch, fetch, fetch_ids, ids

_IN_HAND = """
SELECT id, epoch FROM deliveries
WHERE id IN (SELECT value FROM json_each(:ids)) AND +state = 'sending'
"""
#: a late yes is heeded where nobody has it in hand and it waits for another call, or was given up
#: for want of an answer
_LEFT = f"""
SELECT id FROM deliveries
WHERE id IN (SELECT value FROM json_each(:ids))
  AND (+state = 'pending' OR +state IN ('failed', 'held')
       AND rule IN ('{Rule.WORKERS_DIED}', '{Rule.UNKNOWN_OUTCOME}'))
"""
#: those in hand of which a late yes is on record already, and from whom
_TAKEN = f"""
SELECT id, epoch, provider FROM deliveries
WHERE id IN (SELECT value FROM json_each(:ids)) AND +state = 'sending' AND rule = '{Rule.TAKEN}'
"""
#: those that were called off, to whom no other try is left
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
#: `rows` are the columns of `outcome_row`, whether the outcome counts, and whose call was taken,
#: where that was another than its own
_SETTLE = """
UPDATE deliveries
SET state = item.value->>2,
    reason = item.value->>3,
    rule = item.value->>17,
    doubt = coalesce(item.value->>18, doubt),
    due_at = :now + CAST(1000000 * (item.value->>4) AS INTEGER),
    tries = tries + item.value->>7,
    lapses = iif(item.value->>8, 0, lapses),
    provider = coalesce(item.value->>20, item.value->>10, provider),
    provider_id = coalesce(item.value->>11, provider_id),
    updated_at = :now
FROM json_each(:rows) AS item
WHERE deliveries.id = item.value->>0 AND item.value->>19
"""
#: a yes that comes while another has it in hand: however that one's call ends, it was taken
_NOTE_YES = f"""
UPDATE deliveries
SET rule = '{Rule.TAKEN}', updated_at = :now,
    provider = coalesce(item.value->>10, provider),
    provider_id = coalesce(item.value->>11, provider_id)
FROM (SELECT value FROM json_each(:rows) WHERE value->>2 = 'sent' AND NOT value->>19) AS item
WHERE deliveries.id = item.value->>0 AND +state = 'sending'
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
SELECT :minute, value->>5, value->>6, coalesce(value->>20, value->>10, '') AS provider,
       value->>9, count(*)
FROM json_each(:rows) WHERE value->>19 AND value->>9 IS NOT NULL
GROUP BY value->>5, value->>6, provider, value->>9
"""
_BEAT = """
UPDATE deliveries SET due_at = :lease_end
FROM json_each(:rows) AS item
WHERE deliveries.id = item.value->>0 AND epoch = item.value->>1 AND +state = 'sending'
RETURNING id
"""


def settle(connection: sqlite3.Connection, now: int, outcomes: Sequence[Outcome]) -> list[Settled]:
    """Write outcomes with their attempts and figures; an answer for each, in the order given."""
    found = Found.together([_settle_batch(connection, now, each) for each in batches(outcomes)])
    return judge(outcomes, found, _standing(connection, outcomes, found.heeded))


def beat(
    connection: sqlite3.Connection, now: int, claimed: Sequence[Claimed], lease: int
) -> Collection[str]:
    """Hold what is still in hand for `lease` more microseconds; the ids of what is held."""
    rows = batch(sorted((each.id, each.epoch) for each in claimed))
    held = connection.execute(_BEAT, {"rows": rows, "lease_end": now + lease})
    return {row[0] for row in held.fetchall()}


def _settle_batch(connection: sqlite3.Connection, now: int, outcomes: Sequence[Outcome]) -> Found:
    """Settle what holds no delivery twice."""
    found, takers = _look(connection, outcomes)
    rows = [
        [*outcome_row(settled_as(each, found)), hand(each) in found.heeded, takers.get(hand(each))]
        for each in outcomes
    ]
    values = {"rows": batch(rows), "now": now, "minute": minute(now)}
    for statement in (_NOTE_YES, _SETTLE, _ADD_ATTEMPTS, _COUNT):
        connection.execute(statement, values)
    return found


def _look(
    connection: sqlite3.Connection, outcomes: Sequence[Outcome]
) -> tuple[Found, Mapping[Hand, str]]:
    """How they stand, and who took those of which a late yes is on record already."""
    in_hand = _hands(connection, _IN_HAND, outcomes)
    late = _late(connection, [each for each in outcomes if hand(each) not in in_hand])
    takers = _takers(connection, [each for each in outcomes if not _is_yes(each)])
    found = Found(
        heeded=in_hand | late,
        called_off=_hands(connection, _CALLED_OFF, outcomes),
        taken=takers.keys() | late,
    )
    return found, takers


def _is_yes(outcome: Outcome) -> bool:
    return outcome.state is DeliveryState.SENT


def _late(connection: sqlite3.Connection, outcomes: Sequence[Outcome]) -> set[Hand]:
    yeses = [each for each in outcomes if _is_yes(each)]
    values = {"ids": ids(each.claimed.id for each in yeses)}
    left = fetch_ids(connection, _LEFT, values) if yeses else set()
    return {hand(each) for each in yeses if each.claimed.id in left}


def _takers(connection: sqlite3.Connection, outcomes: Sequence[Outcome]) -> dict[Hand, str]:
    wanted = {hand(each) for each in outcomes}
    values = {"ids": ids(each.claimed.id for each in outcomes)}
    rows = connection.execute(_TAKEN, values).fetchall() if outcomes else []
    return {(key, epoch): taker for key, epoch, taker in rows if (key, epoch) in wanted}


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
