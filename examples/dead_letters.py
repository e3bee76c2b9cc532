"""Find and replay what came to nothing: `tidings up`, then `python examples/dead_letters.py`.

`TIDINGS_URL` says where it answers, if not on this machine at port 8000; `TIDINGS_API_KEY` is a key
with the scope `admin`.
"""

import asyncio
import os

from tidings import AsyncClient

URL = os.environ.get("TIDINGS_URL", "http://localhost:8000")
API_KEY = os.environ.get("TIDINGS_API_KEY")


async def replay_the_first(client: AsyncClient) -> None:
    page = await client.dead_letters.list(kind="delivery", reason="spam", limit=1)
    for found in page["dead_letters"]:
        letter = await client.dead_letters.get(found["kind"], found["id"])
        print(f"{letter['reason']}, after {len(letter['attempts'])} call")
        await client.dead_letters.replay(letter["kind"], letter["id"])


async def replay_the_rest(client: AsyncClient) -> None:
    done = await client.dead_letters.replay_all(workflow="welcome")
    print(f"{done['replayed']} replayed, {done['in_doubt']} left out, being in doubt")
    while done["next"]:
        done = await client.dead_letters.replay_all(workflow="welcome", before=done["next"])
        print(f"{done['replayed']} more")


async def main() -> None:
    async with AsyncClient(URL, api_key=API_KEY) as client:
        await replay_the_first(client)
        await replay_the_rest(client)


if __name__ == "__main__":
    asyncio.run(main())
