"""What becomes of what a dead worker had in hand, in the SQL that claiming and sweeping share.

`chosen` are the rows to be taken, with the columns of `COLUMNS` and how they are `ending`, if they
do; `changed` is what came of them.
"""

from tidings.core.rules import Rule
from tidings.core.work import AttemptOutcome
from tidings.store.lapses import ENDS, MOST_LAPSES, WORKER_DIED

#: of a due delivery; from dead hands it comes with one lapse more, and in doubt
COLUMNS = (
    "id",
    "epoch",
    "tries",
    "provider",
    "claimed_at",
    "due_at",
    "cancelled_at IS NOT NULL AS cancelled",
    f"coalesce(rule = '{Rule.TAKEN}', false) AS taken",
    "policy->>'on_unknown' AS on_unknown",
    "state = 'sending' AS lapsed",
    "doubt OR state = 'sending' AS doubt",
    "lapses + (state = 'sending')::integer AS lapses",
)

#: `end_of` of store.lapses
ENDING = f"""
CASE WHEN taken THEN 'sent'
     WHEN lapses >= {MOST_LAPSES} THEN 'failed'
     WHEN lapsed AND cancelled THEN 'cancelled'
     WHEN lapsed AND on_unknown = 'hold' THEN 'held' END
"""

#: the dead worker's call, of whose end nobody knows
NOTE = f"""
INSERT INTO attempts (delivery_id, epoch, provider, outcome, fenced, error, started_at)
SELECT id, epoch, provider, '{AttemptOutcome.UNKNOWN}', false, '{WORKER_DIED}', claimed_at
FROM chosen WHERE lapsed
ON CONFLICT DO NOTHING
"""

_REASONS = " ".join(f"WHEN '{state}' THEN '{reason}'" for state, (reason, _) in ENDS.items())
_RULES = " ".join(f"WHEN '{state}' THEN '{rule}'" for state, (_, rule) in ENDS.items())

#: what is set alike, whether it is taken in hand or back
CHANGES = f"""
lapses = chosen.lapses,
doubt = chosen.doubt,
reason = CASE ending {_REASONS} ELSE reason END,
rule = CASE ending {_RULES} ELSE rule END,
updated_at = now() + $1::interval
"""

COUNT = """
INSERT INTO figure_deltas (minute, workflow, channel, provider, outcome, count)
SELECT date_trunc('minute', now() + $1::interval), workflow, channel, provider, ending, count(*)
FROM changed WHERE ending IS NOT NULL GROUP BY workflow, channel, provider, ending
"""
