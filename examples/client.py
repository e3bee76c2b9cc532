"""Tidings over HTTP, from another program: `tidings up`, then `python examples/client.py`.

`TIDINGS_URL` says where it answers, if not on this machine at port 8000; `TIDINGS_API_KEY` is the
key.
"""

import asyncio
import os

from tidings import AsyncClient, Client
from tidings.core.errors import NotFound

URL = os.environ.get("TIDINGS_URL", "http://localhost:8000")
API_KEY = os.environ.get("TIDINGS_API_KEY")


def tell_one() -> None:
    with Client(URL, api_key=API_KEY) as client:
        client.users.put("u1", email="ann@example.com", name="Ann")
        event_id = client.trigger("REGISTERED_USER", "u1")

        for notification in client.settled(event_id)["notifications"]:
            for delivery in notification["deliveries"]:
                print(f"{notification['workflow']} to {delivery['address']}: {delivery['state']}")

        try:
            client.trigger("REGISTERED_USER", "nobody")
        except NotFound as error:
            print(f"refused: {error}")


async def tell_many() -> None:
    async with AsyncClient(URL, api_key=API_KEY) as client:
        results = await client.trigger_many(
            [
                {"type": "ORDER_SHIPPED", "user_id": "u1", "data": {"order": "A-7"}},
                {"type": "ORDER_SHIPPED", "user_id": "nobody"},
            ]
        )

        for result in results:
            print("accepted" if result["status"] == 202 else f"refused: {result['detail']}")


if __name__ == "__main__":
    tell_one()
    asyncio.run(tell_many())
