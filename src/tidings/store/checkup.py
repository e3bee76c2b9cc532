"""What a check says of a database whichever kind it is."""

from tidings.core.checkup import Finding, failure, ok, warning
from tidings.store.migrations.migrate import REVISIONS

SCHEMA = "database schema"
#: asked only of a schema that is newer: older ones may lack the column
SUITS = "SELECT suits FROM installation"


def schema_finding(revision: str | None, suits: str | None = None) -> Finding:
    """How the schema a database has stands to this program's; `suits`: the oldest it serves."""
    if revision is None:
        return ok(SCHEMA, "none yet; the first start makes it")
    if revision not in REVISIONS:
        return _newer(revision, suits)
    if revision != REVISIONS[-1]:
        return warning(
            SCHEMA,
            f"{revision}, older than this program's {REVISIONS[-1]}",
            "take a backup; the next start of this program migrates it",
        )
    return ok(SCHEMA, revision)


def _newer(revision: str, suits: str | None) -> Finding:
    found = f"{revision}, made by a newer program (the newest known here is {REVISIONS[-1]})"
    if suits in REVISIONS:
        return warning(
            SCHEMA,
            f"{found}; it serves this program too",
            "finish the upgrade: start the newer Tidings in place of this one",
        )
    return failure(
        SCHEMA,
        found,
        "start the newer Tidings that made it, or restore the backup from before the upgrade",
    )
