"""The sessions that our processes have at a PostgreSQL."""

import asyncio

import asyncpg


async def until_idle(url: str) -> None:
    """Wait until no session of ours is in the middle of anything."""
    async with asyncio.timeout(20):
        while await sessions(url, "state <> 'idle'"):
            await asyncio.sleep(0.05)


async def sessions(url: str, condition: str = "true") -> int:
    """How many of our sessions are so."""
    session = await asyncpg.connect(url)
    try:
        found: int = await session.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tidings' "
            f"AND datname = current_database() AND {condition}"
        )
        return found
    finally:
        await session.close()
