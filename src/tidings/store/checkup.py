"""What a check says of a database whichever kind it is."""

from tidings.core.checkup import Finding, failure, ok, warning
from tidings.store.migrations.migrate import REVISIONS

SCHEMA = "database schema"


def schema_finding(revision: str | None) -> Finding:
    """How the schema a database has stands to this program's."""
    if revision is None:
        return ok(SCHEMA, "none yet; the first start makes it")
    if revision not in REVISIONS:
        return failure(
            SCHEMA,
            f"{revision}, made by a newer program (the newest known here is {REVISIONS[-1]})",
            "start the newer Tidings that made it, or restore the backup from before the upgrade",
        )
    if revision != REVISIONS[-1]:
        return warning(
            SCHEMA,
            f"{revision}, older than this program's {REVISIONS[-1]}",
            "take a backup; the next start of this program migrates it",
        )
    return ok(SCHEMA, revision)
