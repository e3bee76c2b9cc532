"""Claiming: due deliveries go into a worker's hands until their lease ends."""

import sqlite3
from collections.abc import Sequence

import orjson

from tidings.core.rules import Rule
from tidings.core.work import AttemptOutcome, Claimed, ClaimRequest, ClaimResult, Outcome
from tidings.store.lapses import ALONE_FROM, WORKER_DIED, end_of, ended
from tidings.store.schema.types import from_microseconds
from tidings.store.settling import AVOIDS_SECONDS, Times, is_released, provider_for, to_claimed
from tidings.store.sqlite.due import read_lanes
from tidings.store.sqlite.figures import minute
from tidings.store.sqlite.recipients import read_recipients
from tidings.store.sqlite.rows import batch, event_of

#: who was called lately, the last one last; the one on record may not have been called after all
_CALLED = f"""
    SELECT json_group_array(provider) FROM (
        SELECT provider FROM attempts
        WHERE attempts.delivery_id = due.id AND outcome <> '{AttemptOutcome.ABSENT}'
          AND finished_at > :now - :avoids
        ORDER BY epoch
    )
"""
_DUE = f"""
SELECT due.id, due.epoch, due.tries, due.lapses + (due.state = 'sending') AS lapses,
       due.state = 'sending' AS lapsed, due.doubt OR due.state = 'sending' AS doubt,
       due.policy, due.policy->>'on_unknown' AS on_unknown, due.provider, due.claimed_at,
       CASE WHEN due.tries > 0 THEN ({_CALLED}) ELSE '[]' END AS called,
       CASE WHEN last.outcome = '{AttemptOutcome.ABSENT}' THEN last.provider END AS asked_last,
       due.state = 'pending' AND coalesce(last.outcome <> '{AttemptOutcome.UNKNOWN}', false)
           AS answered,
       due.created_at, due.expires_at, due.cancelled_at IS NOT NULL AS cancelled,
       coalesce(due.rule = '{Rule.TAKEN}', false) AS taken,
       due.notification_id, due.user_id, due.workflow, due.step, due.channel, due.lane,
       due.address, due.template, due.template_version, due.locale, due.consent_version,
       events.source, events.source_id, events.type, events.user_id AS event_user_id,
       events.data, events.time
FROM deliveries AS due CROSS JOIN events ON events.id = due.event_id
LEFT JOIN attempts AS last ON due.epoch > 0 AND last.delivery_id = due.id AND last.epoch = (
    SELECT max(epoch) FROM attempts WHERE attempts.delivery_id = due.id
)
WHERE due.state = '{{state}}'
  AND due.channel = :channel AND due.lane = :lane AND due.due_at <= :now
ORDER BY due.due_at, due.rowid
LIMIT :limit
"""
#: what dead workers left comes before what waits in its lane
ABANDONED, WAITING = _DUE.format(state="sending"), _DUE.format(state="pending")
_AVOIDS = AVOIDS_SECONDS * 1_000_000
_ADD_LAPSES = f"""
INSERT INTO attempts (delivery_id, epoch, provider, outcome, fenced, error, started_at)
SELECT value->>0, value->>1, value->>2, '{AttemptOutcome.UNKNOWN}', 0, '{WORKER_DIED}', value->>3
FROM json_each(:rows) WHERE true
ON CONFLICT DO NOTHING
"""
CLAIM = """
UPDATE deliveries
SET state = 'sending', epoch = epoch + 1, due_at = :lease_end, claimed_at = :now,
    updated_at = :now, lapses = item.value->>1, doubt = item.value->>2, provider = item.value->>3,
    claim_id = :claim
FROM json_each(:rows) AS item
WHERE deliveries.id = item.value->>0
"""
_END = """
UPDATE deliveries
SET state = item.value->>3, reason = item.value->>4, rule = item.value->>5, due_at = NULL,
    updated_at = :now, lapses = item.value->>1, doubt = item.value->>2
FROM json_each(:rows) AS item
WHERE deliveries.id = item.value->>0
"""
_COUNT = """
INSERT INTO figure_deltas (minute, workflow, channel, provider, outcome, count)
SELECT :minute, workflow, channel, provider, state, count(*)
FROM json_each(:rows) AS item CROSS JOIN deliveries ON deliveries.id = item.value->>0
GROUP BY workflow, channel, provider, state
"""


def claim(
    connection: sqlite3.Connection, now: int, lease: int, request: ClaimRequest
) -> ClaimResult:
    """Take due deliveries for `lease` microseconds, lane after lane."""
    values = {"channel": request.channel, "now": now, "avoids": _AVOIDS}
    rows = read_lanes(connection, (ABANDONED, WAITING), values, request.limit, request.lanes)
    taken = _together([row for row in rows if ending(row) is None])
    over = [row for row in rows if ending(row)]
    note_lapses(connection, [*taken, *over])
    chosen = [_provider(row, request) for row in taken]
    _take(connection, now, now + lease, taken, chosen, request.id)
    claimed = read_claimed(connection, now, taken, chosen, epochs=1)
    return ClaimResult(taken=claimed, ended=end(connection, now, over))


def abandoned(
    connection: sqlite3.Connection, since: int, channel: str, limit: int
) -> list[sqlite3.Row]:
    """What dead workers left, whose leases ended before a moment, lane after lane."""
    values = {"channel": channel, "now": since, "avoids": _AVOIDS}
    return read_lanes(connection, (ABANDONED,), values, limit)


def _together(rows: Sequence[sqlite3.Row]) -> Sequence[sqlite3.Row]:
    if rows and rows[0]["lapses"] >= ALONE_FROM:
        return rows[:1]
    return [row for row in rows if row["lapses"] < ALONE_FROM]


def ending(row: sqlite3.Row) -> str | None:
    """The state in which a row ends instead of being taken, or None."""
    return end_of(
        row["lapses"],
        lapsed=bool(row["lapsed"]),
        taken=bool(row["taken"]),
        cancelled=bool(row["cancelled"]),
        on_unknown=row["on_unknown"],
    )


def _provider(row: sqlite3.Row, request: ClaimRequest) -> str:
    last, doubt = row["provider"], bool(row["doubt"])
    released = is_released(
        last, request.set_up, tries=row["tries"], lapses=row["lapses"], doubt=doubt
    )
    return provider_for(
        request.providers,
        last=None if released else last,
        asked=row["asked_last"],
        called=orjson.loads(row["called"]),
        doubt=doubt,
        on_unknown=row["on_unknown"],
    )


def note_lapses(connection: sqlite3.Connection, rows: Sequence[sqlite3.Row]) -> None:
    """Note the dead workers' calls, of whose ends nobody knows."""
    lapsed = [
        [row["id"], row["epoch"], row["provider"], row["claimed_at"]]
        for row in rows
        if row["lapsed"]
    ]
    if lapsed:
        connection.execute(_ADD_LAPSES, {"rows": batch(lapsed)})


def _take(
    connection: sqlite3.Connection,
    now: int,
    lease_end: int,
    rows: Sequence[sqlite3.Row],
    providers: Sequence[str],
    claim_id: str,
) -> None:
    changes = [
        [row["id"], row["lapses"], row["doubt"], provider]
        for row, provider in zip(rows, providers, strict=True)
    ]
    values = {"rows": batch(changes), "now": now, "lease_end": lease_end, "claim": claim_id}
    connection.execute(CLAIM, values)


def end(connection: sqlite3.Connection, now: int, rows: Sequence[sqlite3.Row]) -> list[Outcome]:
    """Bring rows to the ends they have, and count them."""
    if not rows:
        return []
    claimed = read_claimed(connection, now, rows, [row["provider"] for row in rows])
    outcomes = [ended(each, ending(row) or "") for row, each in zip(rows, claimed, strict=True)]
    changes = [
        [row["id"], row["lapses"], row["doubt"], each.state, each.reason, each.rule]
        for row, each in zip(rows, outcomes, strict=True)
    ]
    connection.execute(_END, {"rows": batch(changes), "now": now})
    connection.execute(_COUNT, {"rows": batch(changes), "minute": minute(now)})
    return outcomes


def read_claimed(
    connection: sqlite3.Connection,
    now: int,
    rows: Sequence[sqlite3.Row],
    providers: Sequence[str],
    *,
    epochs: int = 0,
) -> list[Claimed]:
    """Deliveries from their rows, with their users."""
    recipients = read_recipients(connection, (row["user_id"] for row in rows))
    return [
        to_claimed(
            {
                **row,
                "epoch": row["epoch"] + epochs,
                "provider": provider,
                "asked": not row["doubt"] and provider == row["asked_last"],
                "elsewhere": row["doubt"] and row["provider"] not in (None, provider),
            },
            _times(row, now),
            event=event_of(row),
            recipient=recipients.get(row["user_id"]),
        )
        for row, provider in zip(rows, providers, strict=True)
    ]


def _times(row: sqlite3.Row, now: int) -> Times:
    expires_at = row["expires_at"]
    return Times(
        created_at=from_microseconds(row["created_at"]),
        expires_at=None if expires_at is None else from_microseconds(expires_at),
        read_at=from_microseconds(now),
    )
