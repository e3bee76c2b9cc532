"""Until when integrations asked for silence."""

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from tidings.store.schema import integration_pauses
from tidings.store.upsert import insert


def prolong(connection: sa.Connection, pauses: Mapping[tuple[str, str], datetime]) -> None:
    """Put down until when each (channel, integration) is silent; none gets shorter by it."""
    # in one order, so that no two workers wait for each other
    for (channel, integration), until in sorted(pauses.items()):
        statement = insert(connection, integration_pauses).values(
            channel=channel, integration=integration, until=until
        )
        later = statement.excluded.until
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["channel", "integration"],
                set_={"until": later},
                where=integration_pauses.c.until < later,
            )
        )


def pauses_of(connection: sa.Connection, channel: str) -> Mapping[str, datetime]:
    """Integration → until when it is silent, or was."""
    there = integration_pauses.c
    query = sa.select(there.integration, there.until).where(there.channel == channel)
    return {row.integration: row.until for row in connection.execute(query)}
