"""Claiming: due deliveries go into a worker's hands until their lease ends, in one statement."""

from datetime import timedelta
from typing import TYPE_CHECKING

from tidings.core.work import AttemptOutcome, Claimed, ClaimRequest, ClaimResult
from tidings.store.lapses import ALONE_FROM, ended
from tidings.store.postgres.due import locked_due
from tidings.store.postgres.lapses import CHANGES, COLUMNS, COUNT, ENDING, NOTE
from tidings.store.postgres.recipients import RECIPIENT, to_recipient
from tidings.store.rows import Row, to_event
from tidings.store.settling import AVOIDS_SECONDS, Times, to_claimed

if TYPE_CHECKING:
    from tidings.store.postgres.connections import Connection

_DUE = locked_due(
    "state = 'sending' AND channel = $2",
    "state = 'pending' AND channel = $2",
    table="deliveries",
    columns=(*COLUMNS, "array_position($6::text[], lane) AS place"),
    limit="$3",
    lanes="unnest($6::text[])",
)

#: how it went last; the provider on record may be one that was not called after all
_LAST = """
    SELECT provider, outcome FROM attempts
    WHERE attempts.delivery_id = due.id AND due.epoch > 0
    ORDER BY attempts.epoch DESC LIMIT 1
"""
#: the first that was not called lately, or else the one whose turn was longest ago
_LEAST_LATELY = f"""
    SELECT name FROM unnest($5::text[]) WITH ORDINALITY AS each (name, place)
    ORDER BY (
        SELECT max(attempts.epoch) FROM attempts
        WHERE attempts.delivery_id = due.id AND attempts.provider = name
          AND attempts.outcome <> '{AttemptOutcome.ABSENT}'
          AND attempts.finished_at > now() + $1::interval - interval '{AVOIDS_SECONDS} s'
    ) NULLS FIRST, each.place
    LIMIT 1
"""

#: `is_released` of store.settling
_RELEASED = "(tries = 0 AND lapses = 0 AND due.provider <> ALL ($7::text[]))"

#: what `claimed_of` reads, of a delivery `changed` with its event and its user; $1 is the shift
CLAIMED = f"""
changed.id::text, changed.epoch, changed.tries, changed.lapses,
changed.notification_id::text, changed.workflow, changed.step, changed.channel,
changed.lane, changed.address, changed.template, changed.template_version, changed.locale,
changed.consent_version, coalesce(changed.provider, '') AS provider,
changed.policy::text, changed.created_at, changed.expires_at,
changed.cancelled_at IS NOT NULL AS cancelled, changed.doubt,
clock_timestamp() + $1::interval AS read_at,
events.source, events.source_id, events.type, events.user_id AS event_user_id,
events.data::text, events.time,
{RECIPIENT}
"""

#: What dead workers left comes before what waits in its lane. `provider_for` of store.settling, in
#: SQL. The lease runs from clock_timestamp(): a statement that waited must not have used it up.
CLAIM = f"""
WITH due AS MATERIALIZED (
    {_DUE}
),
judged AS MATERIALIZED (
    SELECT due.*,
           NOT lapsed AND coalesce(last.outcome <> '{AttemptOutcome.UNKNOWN}', false) AS answered,
           CASE WHEN NOT doubt AND last.outcome = '{AttemptOutcome.ABSENT}'
                THEN last.provider END AS asked_last,
           {ENDING} AS ending,
           CASE WHEN doubt AND due.provider IS NOT NULL AND NOT {_RELEASED}
                THEN CASE WHEN due.provider = ANY ($5::text[])
                            OR coalesce(on_unknown, 'retry') <> 'retry'
                          THEN due.provider ELSE $5[1] END
                WHEN last.outcome = '{AttemptOutcome.ABSENT}'
                THEN CASE WHEN last.provider = ANY ($5::text[]) THEN last.provider ELSE $5[1] END
                WHEN tries > 0 AND cardinality($5::text[]) > 1 THEN ({_LEAST_LATELY})
                ELSE $5[1] END AS next_provider
    FROM due LEFT JOIN LATERAL ({_LAST}) AS last ON true
),
next AS MATERIALIZED (
    SELECT id, lapses FROM judged WHERE ending IS NULL
    ORDER BY place, lapsed DESC, due_at, id LIMIT 1
),
chosen AS MATERIALIZED (
    SELECT judged.*
    FROM judged LEFT JOIN next ON true
    WHERE ending IS NOT NULL OR judged.id = next.id
       OR (judged.lapses < {ALONE_FROM} AND next.lapses < {ALONE_FROM})
),
noted AS ({NOTE}),
changed AS (
    UPDATE deliveries
    SET state = coalesce(ending, 'sending'),
        epoch = deliveries.epoch + (ending IS NULL)::integer,
        provider = CASE WHEN ending IS NULL THEN next_provider ELSE deliveries.provider END,
        claimed_at = CASE WHEN ending IS NULL THEN clock_timestamp() + $1::interval
                          ELSE deliveries.claimed_at END,
        due_at = CASE WHEN ending IS NULL
                      THEN clock_timestamp() + $1::interval + $4::interval END,
        claim_id = $8,
        {CHANGES}
    FROM chosen
    WHERE deliveries.id = chosen.id
    RETURNING deliveries.*, chosen.ending, chosen.place, chosen.lapsed, chosen.due_at AS was_due_at,
              coalesce(chosen.asked_last = deliveries.provider, false) AS asked, chosen.answered,
              coalesce(chosen.doubt AND chosen.provider <> deliveries.provider, false) AS elsewhere
),
counted AS ({COUNT})
SELECT changed.ending, changed.asked, changed.answered, changed.elsewhere, {CLAIMED}
FROM changed
JOIN events ON events.id = changed.event_id LEFT JOIN users ON users.id = changed.user_id
ORDER BY place, lapsed DESC, was_due_at, changed.id
"""


async def claim(connection: "Connection", shift: timedelta, request: ClaimRequest) -> ClaimResult:
    """Take due deliveries for a lease, lane after lane."""
    rows = await connection.fetch(
        CLAIM,
        shift,
        request.channel,
        request.limit,
        timedelta(seconds=request.lease),
        list(request.providers),
        [str(lane) for lane in request.lanes],
        list(request.set_up),
        request.id,
    )
    return ClaimResult(
        taken=[claimed_of(row) for row in rows if row["ending"] is None],
        ended=[ended(claimed_of(row), row["ending"]) for row in rows if row["ending"]],
    )


def claimed_of(row: Row) -> Claimed:
    """A delivery from the columns of `CLAIMED`."""
    times = Times(
        created_at=row["created_at"], expires_at=row["expires_at"], read_at=row["read_at"]
    )
    return to_claimed(row, times, event=to_event(row, row["time"]), recipient=to_recipient(row))
